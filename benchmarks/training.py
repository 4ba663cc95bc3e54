"""What the benchmarks of training share: nets, data in memory and in files, a training put together, how to time it."""

from __future__ import annotations

import logging
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

#: Name, modality, backbone, shape of a sample, batch: nets of 100 ms a step and more on two cores.
NETS = (
    ("image 160²", "image", "resnet18", (3, 160, 160), 4),
    ("volume 48³", "volume", "resnet10_3d", (1, 48, 48, 48), 4),
    ("video 8 × 48²", "video", "r2plus1d_18", (3, 8, 48, 48), 2),
)


def prepare() -> None:
    """Threads as asked for, and nothing said that is not a figure."""
    import torch

    warnings.simplefilter("ignore")
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


class Memory:
    """Samples of noise whose mean is the target."""

    def __init__(self, shape: tuple[int, ...], n: int, seed: int = 0) -> None:
        import torch

        generator = torch.Generator().manual_seed(seed)
        self.y = torch.rand(n, generator=generator)
        offset = self.y.reshape(n, *[1] * len(shape))
        self.x = torch.randn((n, *shape), generator=generator) * 0.5 + offset

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input": self.x[index], "target": self.y[index], "index": index, "group": -1}


class Mean:
    """Regression of one number, with no more figures than the bare loop has."""

    name, dense, outputs, class_axis, sided = "mean", False, 1, None, False
    epoch_metrics: dict[str, str] = {}  # noqa: RUF012

    def reduce(self, output: Any, batch: Any) -> Any:
        return output[:, 0]

    def reduced_target(self, batch: Any) -> Any:
        return batch["target"]

    def summarise(self, reduced: Any, targets: Any) -> dict[str, float]:
        return {}


def terms(loss: str = "mse") -> dict[str, Any]:
    from scantune import losses

    return {loss: losses.OnTarget(losses.build(loss).components[loss])}


def make_network(modality: str, backbone: str, channels: int, outputs: int = 1) -> Any:
    import torch

    from scantune import models

    torch.manual_seed(0)
    made = models.build(backbone, modality=modality, in_channels=channels)
    return models.Network(made, torch.nn.Linear(made.feature_dim, outputs))


def assemble(
    network: Any,
    data: Any,
    batch: int,
    precision: str,
    loss: str = "mse",
    *,
    device: str = "cpu",
    schedule: str | None = "onecycle",
    loss_terms: dict[str, Any] | None = None,
    fabric: Any = None,
    **more: Any,
) -> Any:
    from scantune import engine
    from scantune.engine import fitting

    settings = engine.Settings(
        epochs=99,
        batch_size=batch,
        learning_rate=1e-4,
        scheduler=schedule,
        early_stopping=False,
        progress=False,
        monitoring={"gradient_norms": False},
        **more,
    )
    chosen = loss_terms or terms(loss)
    return fitting.assemble(
        network=network,
        task=Mean(),
        data=data,
        terms=chosen,
        settings=settings,
        term_weights=fitting.unit_weights(chosen),
        parameter_groups=None,
        freezing=None,
        mixing=None,
        state_dir=None,
        out_dir=Path(tempfile.mkdtemp()),
        fabric=fabric or engine.launch(device=device, devices=1, precision=precision),
    )


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Seconds on the wall, and of the processor: others on the machine disturb these less."""
    began, used = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - began, time.process_time() - used


def median_ratio(rounds: list[dict[str, tuple[float, float]]], above: str, below: str) -> tuple[float, float]:
    """Median of the neighbours' ratios, by wall and by processor."""
    ratios = [statistics.median(r[above][i] / r[below][i] for r in rounds) for i in (0, 1)]
    return ratios[0], ratios[1]


def files_twice(folder: Path, n: int) -> tuple[list[Path], list[Path], Any]:
    """The same volumes twice: as NIfTI, and as scantune caches them."""
    import nibabel
    import numpy as np
    import torch
    from safetensors.torch import save_file

    memory = Memory((1, 48, 48, 48), n)
    raw, cached = [], []
    for i in range(n):
        volume = memory.x[i].to(torch.float16).to(torch.float32)
        raw.append(folder / f"{i}.nii.gz")
        nibabel.save(nibabel.Nifti1Image(volume[0].numpy(), np.eye(4)), raw[-1])
        cached.append(folder / f"{i}.safetensors")
        save_file({"input": volume.to(torch.float16)}, cached[-1])
    return raw, cached, memory.y


@contextmanager
def epochs_of(
    network: Any, cached: list[Path], targets: Any, batch: int, loss: str = "mse"
) -> Iterator[dict[str, Callable[[], None]]]:
    """Epochs of scantune over cached files: as it comes (precision auto), and in float32."""
    import copy

    from scantune import engine
    from scantune.engine import distributed, half
    from scantune.engine.delivery import Delivery
    from scantune.engine.loop import _train_epoch
    from scantune.engine.progress import Progress
    from scantune.engine.saving import Saver
    from scantune.engine.signals import StopFlag
    from scantune.stopping import ParentWatch

    with ExitStack() as stack:

        def runner(precision: str) -> Callable[[], None]:
            data = engine.CachedSamples(cached, targets.numpy())
            training = assemble(copy.deepcopy(network), (data, data), batch, precision, loss)
            stack.enter_context(distributed.suited_precision(training.fabric, training.raw))
            stack.enter_context(half.safe_convolutions(training.raw, distributed.is_bf16_on_cpu(training.fabric)))
            saver = Saver(training, StopFlag(ParentWatch(False)), Delivery((), None))

            def epoch() -> None:
                training.position.in_epoch = 0
                _train_epoch(training, saver, Progress(training, visible=False))
                training.position.epoch += 1

            return epoch

        yield {"auto": runner("auto"), "float32": runner("32")}
