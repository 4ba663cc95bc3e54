"""Which way each metric is better: one table a task, never guessed from how a name ends.

A task's settings state the metrics of an epoch with their direction (``epoch_metrics``); a custom metric states its
own. Losses are better when lower.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from scantune.records import ScantuneError
from scantune.tasks import catalogue
from scantune.tasks.base import Direction

if TYPE_CHECKING:
    import numpy as np

#: ``metric(said, truth) -> float``: of all N samples of a side what the task keeps [N, …], and their targets [N, …].
Metric = Callable[["np.ndarray", "np.ndarray"], float]

#: Custom metrics by name.
CUSTOM: dict[str, Metric] = {}

#: Direction of those custom metrics that state one.
CUSTOM_DIRECTIONS: dict[str, Direction] = {}


def metric(name: str, mode: Direction | None = None) -> Callable[[Metric], Metric]:
    """A custom metric under a name: every epoch has it as ``train_<name>`` and ``val_<name>``.

    It stands in the history files and goes to MLflow and the other loggers; checkpoints, early stopping and the
    plateau may follow it (``monitor``). A task keeps the network's output; of masks it keeps each sample's sums, and
    the targets are zeros then.

    Args:
        name: of the metric.
        mode: ``max`` where higher is better, ``min`` where lower is. None: whoever monitors it states ``mode``.

    Raises:
        ScantuneError: the name is taken by another function.

    Example:
        >>> @metric("largest_error", mode="min")
        ... def largest_error(said, truth):
        ...     return float(np.abs(said.reshape(-1) - truth.reshape(-1)).max())
    """

    def keep(function: Metric) -> Metric:
        if CUSTOM.get(name, function).__qualname__ != function.__qualname__:
            raise ScantuneError(f"metric {name!r} is there already: {CUSTOM[name].__qualname__}")
        CUSTOM[name] = function
        if mode is not None:
            CUSTOM_DIRECTIONS[name] = mode
        return function

    return keep


def named_ranges(cuts: Sequence[float]) -> list[tuple[str, float, float]]:
    """Ranges between cut points: name (``below_5``, ``5_to_15``, ``from_15``), from (included), to (excluded)."""
    edges = [-math.inf, *cuts, math.inf]
    return [(_range_name(a, b), a, b) for a, b in pairwise(edges)] if cuts else []


def _range_name(low: float, high: float) -> str:
    if math.isinf(low):
        return f"below_{high:g}"
    return f"from_{low:g}" if math.isinf(high) else f"{low:g}_to_{high:g}"


def epoch_directions(task: Mapping[str, Direction], error_ranges: Sequence[float] = ()) -> dict[str, Direction]:
    """All metrics of an epoch whose direction is known, without their side (``val_``).

    Args:
        task: the task's own.
        error_ranges: cut points between which the mean absolute error is monitored.
    """
    by_range: dict[str, Direction] = {f"mae_{name}": "min" for name, _, _ in named_ranges(error_ranges)}
    return {"loss": "min", **by_range, **task, **CUSTOM_DIRECTIONS}


def direction(monitor: str, mode: str = "auto", known: Mapping[str, Direction] | None = None) -> Direction:
    """``min`` or ``max``: as stated, else by the table.

    Args:
        monitor: the metric with its side (``val_mae``).
        mode: ``min``, ``max``, or ``auto`` for the table's.
        known: the table (:func:`epoch_directions`); None: what all tasks have with their default settings, for a loop
            that has no task.

    Raises:
        ScantuneError: ``auto``, and the table has no such metric.
    """
    if mode in ("min", "max"):
        return mode  # type: ignore[return-value]
    table = known if known is not None else epoch_directions(_of_all_tasks())
    name = bare(monitor)
    if name in table:
        return table[name]
    if name.endswith("_loss") and name not in CUSTOM:  # a term of the loss
        return "min"
    raise ScantuneError(
        f"monitor: unknown whether {monitor!r} is to be maximised or minimised; set mode: min or mode: max beside it"
    )


def bare(monitor: str) -> str:
    """A metric's name without its side."""
    return monitor.removeprefix("val_").removeprefix("train_")


def monitor_fault(monitor: str, mode: str, known: Mapping[str, Direction]) -> str | None:
    """What is wrong with a ``monitor`` as far as the settings tell; None where nothing is.

    Losses are let pass: which terms there are shows when the loss is built.
    """
    name, names = bare(monitor), {f"{side}_{n}" for side in ("val", "train") for n in {*known, *CUSTOM}}
    if name.endswith("_loss") and monitor != name:
        return None
    if monitor not in names:
        near = difflib.get_close_matches(monitor, sorted(names), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"{monitor!r} is not a metric of this training; {hint}There are: {_listed(names)}"
    if mode == "auto" and name not in known:
        return f"unknown whether {monitor!r} is to be maximised or minimised; set mode: min or mode: max beside it"
    return None


def _listed(names: Iterable[str]) -> str:
    return ", ".join([*sorted(n for n in names if n.startswith("val_")), "val_<part of the loss>_loss"])


def monitored(block: Any) -> tuple[str, Direction]:
    """The metric that an experiment's training goes by, and its direction."""
    train = block.train
    known = epoch_directions(block.task.epoch_metrics(), train.monitoring.error_ranges)
    return train.monitor, direction(train.monitor, train.mode, known)


def _of_all_tasks() -> dict[str, Direction]:
    tables = [catalogue.part(name, "settings").Settings().epoch_metrics() for name in catalogue.names()]
    return {metric: way for table in tables for metric, way in table.items()}
