"""What an epoch is judged by: the task's metrics, and custom ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from scantune.tasks.custom import epoch_values
from scantune.tasks.directions import Direction, epoch_directions, metric
from scantune.tasks.protocol import Task

__all__ = ["directions", "metric", "summarise"]


def directions(task: Task, error_ranges: Sequence[float] = ()) -> dict[str, Direction]:
    """Which way each metric of an epoch is better, by its name without side."""
    return epoch_directions(cast(Mapping[str, Direction], task.epoch_metrics), error_ranges, task.name)


def summarise(task: Task, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """The task's metrics and custom ones, without prefix; undefined is NaN.

    Raises:
        ScantuneError: a custom metric has the name of one of the task's.
    """
    figures = dict(task.summarise(reduced, targets))
    return figures | epoch_values(task, reduced, targets, set(figures))
