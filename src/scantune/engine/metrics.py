"""Metrics of an epoch: those of the task, and custom ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from scantune.tasks.custom import epoch_values
from scantune.tasks.directions import Direction, epoch_directions, metric
from scantune.tasks.protocol import Task

__all__ = ["directions", "metric", "summarise"]


def directions(task: Task, error_ranges: Sequence[float] = ()) -> dict[str, Direction]:
    """Direction of each metric of an epoch (higher or lower is better), by its name without prefix."""
    return epoch_directions(cast(Mapping[str, Direction], task.epoch_metrics), error_ranges, task.name)


def summarise(task: Task, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """The task's metrics and custom ones, without prefix; undefined is NaN.

    Raises:
        ScantuneError: a custom metric has the name of a metric of the task.
    """
    metrics = dict(task.summarise(reduced, targets))
    return metrics | epoch_values(task, reduced, targets, set(metrics))
