"""What an epoch is judged by: the task's figures, and those of one's own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scantune.records import ScantuneError
from scantune.tasks.protocol import Task

#: ``metric(said, truth) -> float``: of all N samples of a side what the task keeps [N, …], and their targets [N, …].
Metric = Callable[[np.ndarray, np.ndarray], float]

_OWN: dict[str, Metric] = {}


def metric(name: str) -> Callable[[Metric], Metric]:
    """A figure of one's own under a name: every epoch has it as ``train_<name>`` and ``val_<name>``.

    It stands in the history files and goes to MLflow and the other loggers; checkpoints, early stopping and the
    plateau may follow it (``monitor``). A task keeps the network's output; of masks it keeps each sample's sums, and
    the targets are zeros then.

    Raises:
        ScantuneError: the name is taken by another function.

    Example:
        >>> @metric("largest_error")
        ... def largest_error(said, truth):
        ...     return float(np.abs(said.reshape(-1) - truth.reshape(-1)).max())
    """

    def keep(function: Metric) -> Metric:
        if _OWN.get(name, function).__qualname__ != function.__qualname__:
            raise ScantuneError(f"metric {name!r} is there already: {_OWN[name].__qualname__}")
        _OWN[name] = function
        return function

    return keep


def summarise(task: Task, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """The task's figures and one's own, without prefix; undefined is NaN.

    Raises:
        ScantuneError: a figure of one's own has the name of one of the task's.
    """
    figures = dict(task.summarise(reduced, targets))
    for name, function in _OWN.items():
        if name in figures:
            raise ScantuneError(f"metric {name!r}: the task {task.name} has a figure of that name")
        figures[name] = float(function(reduced, targets))
    return figures
