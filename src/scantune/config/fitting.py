"""What ``train:`` sets for the fit on validation, and a task without such a fit: refused by key."""

from __future__ import annotations

from collections.abc import Iterator

from scantune.config.params import Params
from scantune.config.train import TrainConfig


def faults(params: Params) -> Iterator[str]:
    """Every kind of calibration, and every share of conformal intervals, that a task does not have."""
    blocks = {f"experiments.{name}": block for name, block in params.experiments.items()}
    blocks |= {f"derived.{name}": block for name, block in params.derived.items()}
    for key, block in blocks.items():
        task, train = block.task, block.train
        if train.calibration not in ("none", _default("calibration"), *task.calibrations):
            others = ", ".join((*task.calibrations, "none")) if task.calibrations else ""
            yield (
                f"{key}.train.calibration: {train.calibration} has no effect on the task {task.name}, "
                + (f"which takes {others}" if others else "which gives no probabilities: remove the key")
            )
        if train.miscoverage != _default("miscoverage") and not task.conformal:
            yield (
                f"{key}.train.miscoverage: {train.miscoverage:g} is of conformal intervals and sets, which the task "
                f"{task.name} does not have: remove the key"
            )


def _default(key: str) -> object:
    return TrainConfig.model_fields[key].default
