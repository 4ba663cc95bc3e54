"""Device settings: kernels, memory format, compilation, and gradient checkpointing."""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from scantune import processors
from scantune.engine.loading import memory_format
from scantune.engine.parts import Settings
from scantune.records import ScantuneError, first_line

#: Workers of ``auto`` at most, and the free shared memory in bytes that they need.
MOST_WORKERS, LEAST_SHARED = 16, 2**30
SHARED = Path("/dev/shm")


@contextmanager
def backends(settings: Settings) -> Iterator[None]:
    """Process-wide switches of the backends, restored at the end; threads within the share of the processors."""
    processors.limit_threads()
    benchmark = torch.backends.cudnn.benchmark
    flash = torch.backends.cuda.flash_sdp_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.backends.cudnn.benchmark = settings.cudnn_benchmark
    torch.backends.cuda.enable_flash_sdp(settings.flash_attention)
    torch.use_deterministic_algorithms(settings.deterministic or deterministic, warn_only=True)
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = benchmark
        torch.backends.cuda.enable_flash_sdp(flash)
        torch.use_deterministic_algorithms(deterministic)


@contextmanager
def prepared_network(network: nn.Module, settings: Settings) -> Iterator[None]:
    """Memory format and gradient checkpointing, in place; the latter is removed at the end.

    Raises:
        ScantuneError: gradient checkpointing of a network that does not name its blocks, or whose blocks are too small.
    """
    if settings.channels_last:
        for tensor in (*network.parameters(), *network.buffers()):  # a network may have both of 4 axes and of 5
            tensor.data = tensor.data.contiguous(memory_format=memory_format(tensor.dim()))
    wrapped = _enable_checkpointing(network) if settings.gradient_checkpointing else []
    try:
        yield
    finally:
        for module in wrapped:
            del module.forward


def _enable_checkpointing(network: nn.Module) -> list[nn.Module]:
    """Modules whose activations are recomputed in the backward pass."""
    from scantune.models import checkpointing

    backbone: Any = getattr(network, "backbone", None)
    if not hasattr(backbone, "blocks"):
        raise ScantuneError(
            f"train.gradient_checkpointing: {type(network).__name__} does not name its blocks (backbone.blocks)"
        )
    names = checkpointing.enable(backbone)
    if not names:
        raise ScantuneError(
            f"train.gradient_checkpointing: has no effect: no block of {type(backbone).__name__} has several layers, "
            "whose activations could be computed again; remove it"
        )
    return [backbone.get_submodule(name) for name in names]


#: Without CXX in the environment; on other systems g++.
_COMPILERS = {"darwin": "clang++", "win32": "cl"}


def compiled(network: nn.Module, settings: Settings) -> nn.Module:
    """The network, compiled where the settings say so; the weights are shared with ``network``.

    Raises:
        ScantuneError: there is no C++ compiler, without which torch.compile stops in the first step.
    """
    if not settings.compile:
        return network
    command = os.environ.get("CXX") or _COMPILERS.get(sys.platform, "g++")  # as torch looks for it
    if not shutil.which((shlex.split(command) or [""])[0]):
        raise ScantuneError(
            f"train.compile: true, but there is no C++ compiler {command!r}: install it, name another in the "
            "environment variable CXX, or set compile: false"
        )
    return torch.compile(network)  # type: ignore[return-value]


@contextmanager
def compile_faults(settings: Settings) -> Iterator[None]:
    """Name the key where PyTorch cannot compile a network, which it finds out in the first passes.

    Raises:
        ScantuneError: in place of an error of the compiler.
    """
    try:
        yield
    except RuntimeError as error:
        kinds = {kind.__name__ for kind in type(error).__mro__}  # their modules take seconds to import
        if not settings.compile or "TorchDynamoException" not in kinds:
            raise
        cause = getattr(error, "inner_exception", error)
        raise ScantuneError(
            f"train.compile: true, but PyTorch {torch.__version__} cannot compile this network "
            f"({type(cause).__name__}: {first_line(cause)}): set compile: false"
        ) from error


def loading_workers(settings: Settings, device: torch.device, processes: int) -> int:
    """Number of processes that load samples for this process.

    ``auto`` is 0 unless a GPU trains, and where shared memory, through which the batches come, is as small as
    containers have it by default.

    Args:
        settings: their ``workers``.
        device: on which the network trains.
        processes: of this training on this machine, which share the processors.
    """
    if settings.workers != "auto":
        return settings.workers
    if device.type != "cuda" or (SHARED.is_dir() and shutil.disk_usage(SHARED).free < LEAST_SHARED):
        return 0
    return min(max(processors.share_of_one(processes) - 1, 0), MOST_WORKERS)


def move_to_device(term: Any, device: torch.device) -> None:
    """Move the networks of a term (a teacher) to the device."""
    for module in (term, *getattr(term, "__dict__", {}).values()):
        if isinstance(module, nn.Module):
            module.to(device)


def peak_memory(device: torch.device) -> int:
    """Highest use of memory so far in bytes: of a GPU, or of this whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def free_memory(device: torch.device) -> None:
    """Release cached memory of the device."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
