"""Time and memory of a training, measured by its first steps.

:mod:`scantune.engine.estimate` passes two batches through the network of a training that begins and must change
nothing; here steps are really taken, with the optimizer's memory and the loading of samples, by a network that is then
discarded.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from scantune.amounts import number_of
from scantune.config.train import PatchesConfig
from scantune.pipeline.data.sides import Side
from scantune.pipeline.train.training import TrainingPlan, train_member
from scantune.preprocess.settings import patch_shape
from scantune.progress import duration

if TYPE_CHECKING:
    from torch import nn

STEPS = 3
"""Optimizer steps of the measurement, after a first one that is slower."""


@dataclass(frozen=True)
class Measured:
    """Time and memory of a training.

    Attributes:
        step_seconds: median of one optimizer step, with the loading of its samples.
        steps: of one epoch.
        epochs: of the training.
        bytes: highest use of memory: of the device, or of this whole process on the CPU.
        device: name of the device.
    """

    step_seconds: float
    steps: int
    epochs: int
    bytes: int
    device: str

    def __str__(self) -> str:
        total = self.step_seconds * self.steps * self.epochs
        return (
            f"{self.step_seconds:.2f} s a step, {number_of(self.steps, 'step')} an epoch, "
            f"{number_of(self.epochs, 'epoch')}: about {duration(total)} without validation; "
            f"{self.bytes / 2**30:.2f} GiB of memory on {self.device}"
        )


def measure(plan: TrainingPlan, network: nn.Module, train: Side, validation: Side) -> Measured:
    """Train a network for a few steps on the plan's own data, loss, augmentation and precision, and discard it.

    Args:
        plan: the plan.
        network: that the training begins with; changed.
        train: training samples.
        validation: one sample of it is predicted.

    Raises:
        OutOfMemoryError: a batch does not fit into memory.
    """
    from scantune.engine import launch

    settings = plan.block.train
    per_step = settings.batch_size * settings.grad_accumulation_steps
    patched = patch_shape(plan.input) is not None
    per_sample = (settings.patches or PatchesConfig()).per_sample if patched else 1
    few = train.of(list(islice(cycle(train), -(-per_step * (STEPS + 1) // per_sample))))
    short = settings.model_copy(update={"epochs": 1, "warmup_epochs": 0, "scheduler": None})
    short_plan = replace(plan, block=plan.block.model_copy(update={"train": short}))
    starts: list[float] = []
    hook = network.register_forward_pre_hook(
        lambda module, _: starts.append(time.perf_counter()) if module.training else None
    )
    with hook, tempfile.TemporaryDirectory() as folder, _peak(settings.device) as peak:
        train_member(
            *(short_plan, few, validation.of(validation[:1])),
            seed=settings.seed,
            out=Path(folder, "out"),
            state=Path(folder, "state"),
            start=network,  # type: ignore[arg-type]
            fabric=launch(device=settings.device, devices=1, precision=settings.precision),
        )
    firsts = starts[:: settings.grad_accumulation_steps]  # of each step
    seconds = statistics.median(later - earlier for earlier, later in pairwise(firsts)) if len(firsts) > 1 else 0.0
    return Measured(seconds, -(-len(train) * per_sample // per_step), settings.epochs, peak["bytes"], peak["device"])


@contextmanager
def _peak(device: str) -> Iterator[dict[str, Any]]:
    """``bytes`` and ``device`` of the highest use of memory inside the context."""
    from scantune.engine.hardware import peak_memory

    peak: dict[str, Any] = {}
    cuda = device in ("auto", "cuda") and torch.cuda.is_available()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    yield peak
    peak["bytes"] = peak_memory(torch.device("cuda" if cuda else "cpu"))
    peak["device"] = torch.cuda.get_device_name() if cuda else "the CPU"
