"""Devices and processes: one Fabric per run, and the collective operations of the training loop."""

from __future__ import annotations

import inspect
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from scantune.records import ScantuneError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)


class Processes(Protocol):
    """Number of processes and rank of this one: a Fabric, or a single process."""

    @property
    def world_size(self) -> int:
        """Number of processes."""
        ...

    @property
    def global_rank(self) -> int:
        """Rank of this process."""
        ...


#: Devices and processes whose precision follows from the device.
_AUTOMATIC: WeakSet[Fabric] = WeakSet()

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def resolve_precision(precision: str, device: str) -> str:
    """``32``, ``bf16`` or ``fp16`` from ``auto`` and the device.

    Args:
        precision: as requested.
        device: ``cpu``, ``cuda`` or ``mps``.

    Raises:
        ScantuneError: unknown, or fp16 on a CPU (which other libraries silently replace by bf16).
    """
    if precision == "auto":
        return "bf16" if _has_bf16(device) else "32"
    if precision not in PRECISIONS:
        raise ScantuneError(f"precision: {precision!r} is not one of auto, {', '.join(PRECISIONS)}")
    if precision == "fp16" and device == "cpu":
        raise ScantuneError("precision fp16 needs a GPU; on the CPU use bf16 or 32")
    return precision


def _has_bf16(device: str) -> bool:
    if device == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8
    if device == "cpu":
        return "AVX512" in torch.backends.cpu.get_cpu_capability() and _has_avx512_bf16()
    return False


def _has_avx512_bf16() -> bool:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return any("avx512_bf16" in line.split() for line in file if line.startswith("flags"))
    except OSError:
        return False


def device_kind(device: str = "auto") -> str:
    """``cpu``, ``cuda`` or ``mps``: as requested, or the best available.

    Raises:
        ScantuneError: the requested kind is unknown, or this machine has none.
    """
    kind, available = device.partition(":")[0], {
        "auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(),
    }  # fmt: skip
    if not available.get(kind):
        usable = ", ".join(name for name, there in available.items() if there)
        known = "is not usable on this machine" if kind in available else "is not known"
        raise ScantuneError(f"device: {device!r} {known}; usable are {usable}")
    if device != "auto":
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _world() -> tuple[int, int]:
    """Processes per node and nodes, as torchrun or SLURM started them; (0, 1) for a single process."""
    variables = os.environ
    if "LOCAL_WORLD_SIZE" in variables:
        local = int(variables["LOCAL_WORLD_SIZE"])
        return local, int(variables["WORLD_SIZE"]) // local
    if "SLURM_NTASKS" in variables and "SLURM_PROCID" in variables and variables.get("SLURM_JOB_NAME") != "bash":
        nodes = int(variables.get("SLURM_NNODES", "1"))
        return int(variables["SLURM_NTASKS"]) // nodes, nodes
    return 0, 1


def processes_here(processes: Processes) -> int:
    """Number of processes of this run on this machine."""
    return max(processes.world_size // _world()[1], 1)


def launch(
    *,
    device: str = "auto",
    devices: int | str = "auto",
    precision: str = "auto",
    find_unused_parameters: bool = False,
) -> Fabric:
    """A launched Fabric: in one process, on all visible GPUs, or as torchrun or SLURM started this process.

    Call it once, before anything is written: with several devices it starts one process for each, and all continue
    from here. Ranks above 0 must not write files (``fabric.is_global_zero``).

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        devices: number on this node; ``auto`` is all GPUs, or one CPU process.
        precision: ``auto``, ``32``, ``bf16`` or ``fp16``. After ``auto`` a training chooses for its network: see
            :func:`suited_precision`.
        find_unused_parameters: allow parameters that a step does not use.

    Raises:
        ScantuneError: the device does not support the precision.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's import warns of its own dependencies
        from lightning_fabric import Fabric
        from lightning_fabric.strategies import DDPStrategy

    kind = device_kind(device)
    local, nodes = _world()
    count = local or (devices if devices != "auto" else (torch.cuda.device_count() if kind == "cuda" else 1))
    strategy: Any = "auto"
    if int(count) * nodes > 1:
        # Buffers are those of rank 0: the running statistics of batch norm do not depend on when they are synchronised.
        ddp_parameters = inspect.signature(torch.nn.parallel.DistributedDataParallel).parameters
        # named broadcast_buffers before PyTorch 2.15
        key = "forward_sync_buffers" if "forward_sync_buffers" in ddp_parameters else "broadcast_buffers"
        buffer_options: dict[str, Any] = {key: False}
        strategy = DDPStrategy(find_unused_parameters=find_unused_parameters, **buffer_options)
    mode: Any = PRECISIONS[resolve_precision(precision, kind)]
    fabric = Fabric(accelerator=kind, devices=int(count), num_nodes=nodes, strategy=strategy, precision=mode)
    fabric.launch()
    if precision == "auto":
        _AUTOMATIC.add(fabric)
    return fabric


@contextmanager
def suited_precision(fabric: Fabric, network: nn.Module) -> Iterator[None]:
    """Float32 within the context where ``auto`` chose bf16 on a CPU and the network has depthwise convolutions.

    With oneDNN's bf16 a step takes 1.3 to 1.8 times as long as in float32 (EfficientNet-Lite0, ConvNeXt, MobileNetV3;
    a ResNet-18 0.7 times). The rule depends on the network alone, so that each process, fold and resumed training
    follows it alike. The precision is logged where it is not plain float32.
    """
    chosen = fabric.strategy.precision
    slower = fabric in _AUTOMATIC and is_bf16_on_cpu(fabric) and any(map(_is_depthwise, network.modules()))
    if not slower:
        _log_precision(fabric, str(chosen.precision))
        yield
        return
    from lightning_fabric.plugins.precision import Precision

    _log_precision(fabric, "32: on a CPU bf16 takes longer for the depthwise convolutions of this network")
    fabric.strategy.precision = Precision()
    try:
        yield
    finally:
        fabric.strategy.precision = chosen


def _log_precision(fabric: Fabric, text: str) -> None:
    if fabric.is_global_zero and text != PRECISIONS["32"]:
        log.info("precision %s", text)


def _is_depthwise(module: nn.Module) -> bool:
    """Whether each channel of the input is convolved by itself."""
    return isinstance(module, _ConvNd) and module.groups == module.in_channels > 1


def is_bf16_on_cpu(fabric: Fabric) -> bool:
    """Whether convolutions would run in oneDNN's bf16."""
    strategy = getattr(fabric, "strategy", None)  # Local has none: it computes in float32
    if strategy is None:
        return False
    return fabric.device.type == "cpu" and str(strategy.precision.precision) == PRECISIONS["bf16"]


def sum_over_processes(fabric: Fabric, values: Tensor) -> Tensor:
    """Elementwise sum over the processes, in place."""
    if fabric.world_size > 1:
        torch.distributed.all_reduce(values)
    return values


def gather_objects(fabric: Processes, value: Any) -> list[Any]:
    """``value`` of every process, in the order of ranks."""
    if fabric.world_size == 1:
        return [value]
    values: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(values, value)
    return values


def broadcast_buffers(fabric: Fabric, network: torch.nn.Module) -> None:
    """Copy the buffers of rank 0 (running statistics of batch norm) to every process."""
    if fabric.world_size > 1:
        for buffer in network.buffers():
            torch.distributed.broadcast(buffer, src=0)


def broadcast_parameters(fabric: Fabric, network: torch.nn.Module) -> None:
    """Copy the weights and buffers of rank 0 to every process."""
    if fabric.world_size > 1:
        with torch.no_grad():
            for tensor in (*network.parameters(), *network.buffers()):
                torch.distributed.broadcast(tensor, src=0)


def broadcast_object(fabric: Fabric, value: Any) -> Any:
    """``value`` of rank 0, in every process."""
    if fabric.world_size == 1:
        return value
    objects = [value]
    torch.distributed.broadcast_object_list(objects, src=0)
    return objects[0]
