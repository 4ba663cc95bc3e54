"""Which way each metric is better: one table a task, never guessed from how a name ends.

A task's settings state the metrics of an epoch with their direction (``epoch_metrics``); a custom metric states its
own. Losses are better when lower.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from scantune.records import ScantuneError
from scantune.spelling import did_you_mean
from scantune.tasks import catalogue
from scantune.tasks.base import Direction

#: ``metric(reference, prediction) -> float`` of N samples; see :func:`metric`.
Metric = Callable[..., float]


@dataclass(frozen=True)
class CustomMetric:
    """A metric that the user has registered.

    Attributes:
        function: its value of N samples.
        tasks: names of the tasks that have it; empty for all that answer by sample.
        mode: which way it is better; None: not stated.
    """

    function: Metric
    tasks: frozenset[str] = frozenset()
    mode: Direction | None = None

    def fits(self, task: str | None) -> bool:
        """Whether a task has it; None for any task."""
        return task is None or not self.tasks or task in self.tasks


#: The mean absolute error of a range of the target (:func:`named_ranges`).
_OF_A_RANGE = re.compile(r"mae_(below_[^_]+|from_[^_]+|[^_]+_to_[^_]+)")
_BEST_AT_0 = frozenset({"bland_altman_bias"})
#: Custom metrics by name.
CUSTOM: dict[str, CustomMetric] = {}


def metric(name: str, mode: Direction | None = None, tasks: Collection[str] = ()) -> Callable[[Metric], Metric]:
    """A custom metric under a name, in every epoch and in the evaluation.

    An epoch has it as ``train_<name>`` and ``val_<name>``: in the history files, in MLflow and the other loggers;
    checkpoints, early stopping and the plateau may follow it (``monitor``). The evaluation has it beside the task's
    headline metrics, with an interval from draws of subjects, in subgroups, for the baselines and in comparisons.

    The function takes ``reference`` and ``prediction`` of N samples: of a regression both float [N], of several targets
    [N, T] with NaN where the reference is unknown; of a classification class numbers int [N] and probabilities [N, K];
    of zones [N, Z] and [N, Z, K]. Tasks with an output per pixel have none.

    Args:
        name: of the metric.
        mode: ``max`` where higher is better, ``min`` where lower is. None: whoever monitors it states ``mode``.
        tasks: names of the tasks that have it; empty for all.

    Raises:
        ScantuneError: the name is taken by another function, or the arguments are others.

    Example:
        >>> @metric("largest_error", mode="min", tasks=["regression"])
        ... def largest_error(reference, prediction):
        ...     return float(np.abs(prediction - reference).max())
    """

    def keep(function: Metric) -> Metric:
        arguments = list(inspect.signature(function).parameters)
        if arguments != ["reference", "prediction"]:
            raise ScantuneError(f"metric {name!r}: its arguments are reference and prediction, not {arguments}")
        existing = CUSTOM.get(name)
        if existing is not None and _place(existing.function) != _place(function):
            raise ScantuneError(f"metric {name!r} is already registered: {'.'.join(_place(existing.function))}")
        CUSTOM[name] = CustomMetric(function, frozenset(tasks), mode)
        return function

    return keep


def _place(function: Metric) -> tuple[str, str]:
    return function.__module__, function.__qualname__


def custom_metrics(task: str | None) -> dict[str, CustomMetric]:
    """Those that a task has, by name; None: all."""
    return {name: one for name, one in CUSTOM.items() if one.fits(task)}


def undecided(name: str) -> str | None:
    """Why a metric of ``metrics.json`` does not say which of two models is better; None where it does."""
    stem = name.partition("/")[0]
    if stem in _BEST_AT_0:
        return f"{name} is best at 0, so that neither a higher nor a lower value is better; name another metric"
    if stem in CUSTOM and CUSTOM[stem].mode is None:
        return f"the custom metric {name} states no direction; add mode='min' or mode='max' where it is registered"
    return None


def lower_is_better(errors: Collection[str], name: str) -> bool:
    """Whether a metric of ``metrics.json`` is better when lower.

    Args:
        errors: ``ERRORS`` of the task's metrics.
        name: of the metric; ``mae/age`` has the direction of ``mae``.

    Raises:
        ScantuneError: neither is better, see :func:`undecided`.
    """
    if fault := undecided(name):
        raise ScantuneError(f"primary metric: {fault}")
    return name in errors or name.partition("/")[0] in errors


def named_ranges(cuts: Sequence[float]) -> list[tuple[str, float, float]]:
    """Ranges between cut points: name (``below_5``, ``5_to_15``, ``from_15``), from (included), to (excluded)."""
    edges = [-math.inf, *cuts, math.inf]
    return [(_range_name(a, b), a, b) for a, b in pairwise(edges)] if cuts else []


def _range_name(low: float, high: float) -> str:
    if math.isinf(low):
        return f"below_{high:g}"
    return f"from_{low:g}" if math.isinf(high) else f"{low:g}_to_{high:g}"


def epoch_directions(
    task: Mapping[str, Direction], error_ranges: Sequence[float] = (), name: str | None = None
) -> dict[str, Direction]:
    """All metrics of an epoch whose direction is known, without their side (``val_``).

    Args:
        task: the task's own.
        error_ranges: cut points between which the mean absolute error is monitored.
        name: of the task, for custom metrics; None: all of them.
    """
    custom = {key: one.mode for key, one in custom_metrics(name).items() if one.mode is not None}
    by_range: dict[str, Direction] = {f"mae_{name}": "min" for name, _, _ in named_ranges(error_ranges)}
    return {"loss": "min", **by_range, **task, **custom}


def direction(monitor: str, mode: str = "auto", known: Mapping[str, Direction] | None = None) -> Direction:
    """``min`` or ``max``: as stated, else by the table.

    Args:
        monitor: the metric with its side (``val_mae``).
        mode: ``min``, ``max``, or ``auto`` for the table's.
        known: the table (:func:`epoch_directions`); None: what all tasks have with their default settings, and errors
            by range, for a loop that has no task.

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
    if known is None and _OF_A_RANGE.fullmatch(name):
        return "min"
    raise ScantuneError(
        f"monitor: unknown whether {monitor!r} is to be maximised or minimised; set mode: min or mode: max beside it"
    )


def bare(monitor: str) -> str:
    """A metric's name without its side."""
    return monitor.removeprefix("val_").removeprefix("train_")


def monitor_fault(monitor: str, mode: str, known: Mapping[str, Direction], task: str | None = None) -> str | None:
    """What is wrong with a ``monitor`` as far as the settings tell; None where nothing is.

    Args:
        monitor: the metric with its side.
        mode: ``min``, ``max`` or ``auto``.
        known: the table (:func:`epoch_directions`).
        task: its name, for custom metrics; None: all of them.

    Losses are let pass by any name: which terms there are shows when the loss is built.
    """
    name, names = bare(monitor), {f"{side}_{n}" for side in ("val", "train") for n in {*known, *custom_metrics(task)}}
    if name.endswith("_loss") and monitor != name:
        return None
    if monitor not in names:
        hint = did_you_mean(monitor, sorted(names), ".")
        return f"{monitor!r} is not a metric of this training{hint} There are: {_listed(names)}"
    if mode == "auto" and name not in known:
        return f"unknown whether {monitor!r} is to be maximised or minimised; set mode: min or mode: max beside it"
    return None


def against(monitor: str, mode: str, known: Mapping[str, Direction]) -> str | None:
    """That a ``mode`` is against the metric's own direction; None where it is not, or where that is not known.

    Args:
        monitor, mode, known: as in :func:`monitor_fault`.
    """
    name = bare(monitor)
    better = known.get(name) or ("min" if name.endswith("_loss") and name not in CUSTOM else None)
    if better is None or mode in ("auto", better):
        return None
    return (
        f"{monitor!r} is better when {'lower' if better == 'min' else 'higher'}, and mode is {mode}, which would keep "
        "the worst epoch; remove mode, or choose another metric"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join([*sorted(n for n in names if n.startswith("val_")), "val_<part of the loss>_loss"])


def monitored(block: Any) -> tuple[str, Direction]:
    """The metric that an experiment's training goes by, and its direction."""
    train = block.train
    known = epoch_directions(block.task.epoch_metrics(), train.monitoring.error_ranges, block.task.name)
    return train.monitor, direction(train.monitor, train.mode, known)


def _of_all_tasks() -> dict[str, Direction]:
    tables = [catalogue.part(name, "settings").Settings().epoch_metrics() for name in catalogue.names()]
    return {metric: way for table in tables for metric, way in table.items()}
