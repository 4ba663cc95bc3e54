"""How many test subjects a study needs, by simulation from a pilot's predictions.

Studies of n subjects are drawn with replacement from the pilot's; each gets the very interval that ``scantune score``,
or ``scantune compare``, would give it. n is where the median half-width, or the share of studies that succeed, reaches
the goal; the share by a curve through the sizes tried.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.amounts import number_of
from scantune.records import ScantuneError
from scantune.statistics.comparison import non_inferiority
from scantune.statistics.distributions import normal_quantile
from scantune.statistics.resampling import Resampler
from scantune.tasks.comparing import paired_difference, paired_tests, sides_of
from scantune.tasks.custom import metrics_of
from scantune.tasks.directions import lower_is_better
from scantune.tasks.plan import MetricPlan, Result, carry_out, only
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.scoring import joined_table, parse, rows_of

if TYPE_CHECKING:
    from scantune.tasks.base import TaskSettings

LEAST, MOST = 10, 5_000
"""Subjects between which n is looked for."""

_STEPS = 6

CONFIDENCE = 0.95
"""Of the intervals that a study gets."""

NEARBY = 1.5
"""Sizes within this factor of the answer make up its curve."""

#: Subjects of the pilot [n], by index, to what one study of them gives: a half-width, or success (1 or 0).
Study = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class Trial:
    """Simulated studies of one size: subjects, the median half-width or the power, and its standard error."""

    subjects: int
    value: float
    standard_error: float


class _Pilot:
    """Predictions from which studies are drawn."""

    def __init__(self, tables: Sequence[PredictionTable], task: TaskSettings, metric: str | None, split: str) -> None:
        self.module = metrics_of(task.name)
        if len(tables) == 2:
            first, self.sides = sides_of(tables[0], tables[1], task, split)
        else:
            first = joined_table(tables[0], task)
            first = first.take(rows_of(first, split))
            self.sides = [parse(first, task)]
        of_last = self.module.headline_names(self.sides[-1])
        names = [name for name in self.module.headline_names(self.sides[0]) if name in of_last]
        if not names:
            raise ScantuneError("the predictions of the two models have no headline metric in common")
        self.metric = metric or names[0]
        if self.metric not in names:
            raise ScantuneError(f"metric {metric!r}: not one of {', '.join(names)}")
        _, codes = np.unique(first.subject_id.astype(str), return_inverse=True)
        order = np.argsort(codes, kind="stable")
        #: rows of each subject
        self.rows = np.split(order, np.cumsum(np.bincount(codes))[:-1])
        self.n = len(codes)

    def drawn(self, subjects: np.ndarray, paired: bool) -> tuple[list[Any], list[Result], Resampler]:
        """Data and results of one study of each side, and its resampler."""
        rows = np.concatenate([self.rows[s] for s in subjects])
        owners = np.repeat(np.arange(len(subjects)), [len(self.rows[s]) for s in subjects])
        every, resampler = np.arange(len(rows)), Resampler(owners, 0)
        data = [_resampled(side, rows, owners, self.n) for side in self.sides]
        return data, carry_out([self._plan(side, every, paired) for side in data], resampler), resampler

    def _plan(self, data: Any, rows: np.ndarray, paired: bool) -> MetricPlan:
        plan: MetricPlan = self.module.plan(data, rows, headline=True, paired=paired)
        needed = [only(s, {self.metric}) for s in plan.statistics if self.metric in s.kinds]
        return replace(plan, statistics=needed) if needed else plan


def _resampled(data: Any, rows: np.ndarray, owners: np.ndarray, n: int) -> Any:
    """Some rows of what a task read from a table, of new subjects."""
    if not is_dataclass(data) or isinstance(data, type):
        raise ScantuneError(f"the data of this task ({type(data).__name__}) cannot be resampled")
    return _taken(data, rows, owners, n)


def _taken(value: Any, rows: np.ndarray, owners: np.ndarray, n: int) -> Any:
    """Rows of every array of n rows in a value, also within blocks, mappings and tuples."""
    if isinstance(value, np.ndarray):
        return value[rows] if len(value) == n else value
    if isinstance(value, Mapping):
        return {name: _taken(part, rows, owners, n) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_taken(part, rows, owners, n) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _taken(getattr(value, f.name), rows, owners, n) for f in fields(value) if f.init}
        return replace(value, **parts | ({"subjects": owners} if "subjects" in parts else {}))
    return value


def for_half_width(
    pilot: PredictionTable,
    task: TaskSettings,
    half_width: float,
    *,
    metric: str | None = None,
    split: str = "test",
    studies: int = 200,
    seed: int = 42,
) -> dict[str, Any]:
    """Subjects for an interval whose half-width is at most ``half_width`` in half of the studies.

    Args:
        pilot: predictions.
        task: settings of the task.
        half_width: of the 95 % interval, in units of the metric.
        metric: a headline metric; None: the task's first.
        split: rows of the pilot that are used.
        studies: simulated studies of each size.
        seed: of the draws.

    Returns:
        ``subjects`` (None above 5,000), ``metric``, ``pilot_subjects`` and ``trials``: the sizes tried.

    Raises:
        ScantuneError: no such metric, one without an interval at any size, or a half-width of 0 or less.
        PredictionsError: with every fault of the file.
    """
    if not half_width > 0:
        raise ScantuneError(f"half-width {half_width:g}: must be above 0")
    source = _Pilot([pilot], task, metric, split)

    reasons: set[str | None] = set()

    def study(subjects: np.ndarray) -> float:
        _, (result,), _ = source.drawn(subjects, paired=False)
        figure = result.figures[source.metric]
        reasons.add(figure.reason)
        return math.inf if figure.lower is None or figure.upper is None else (figure.upper - figure.lower) / 2

    def next_size(trial: Trial) -> float:
        return trial.subjects * min(64.0, (trial.value / half_width) ** 2)

    result = _search(source, study, next_size, lambda t: t.value <= half_width, studies, seed, np.median)
    if reasons and None not in reasons:
        why = min(filter(None, reasons))
        raise ScantuneError(f"metric {source.metric}: no study of any size has an interval; {why}")
    return result


def for_power(
    reference: PredictionTable,
    challenger: PredictionTable,
    task: TaskSettings,
    power: float = 0.8,
    *,
    metric: str | None = None,
    margin: float = 0.0,
    split: str = "test",
    studies: int = 200,
    seed: int = 42,
) -> dict[str, Any]:
    """Subjects for a paired comparison that succeeds with a power.

    It succeeds where the 95 % interval of challenger − reference excludes a loss of ``margin`` or more: with 0,
    superiority; above 0, non-inferiority.

    Args:
        reference: the pilot's predictions of the model in place.
        challenger: those of the other, of the same samples in any order.
        task: settings of the task.
        power: share of studies that are to succeed, 0 … 1.
        metric: a headline metric; None: the task's first.
        margin: the loss that is accepted.
        split: rows of the pilot that are used.
        studies: simulated studies of each size.
        seed: of the draws.

    Returns:
        As :func:`for_half_width`.

    Raises:
        ScantuneError: no such metric or one without a direction, a power outside 0 … 1, or samples, subjects or
            targets that differ.
        PredictionsError: with every fault of a file.
    """
    if not 0 < power < 1:
        raise ScantuneError(f"power {power:g}: must be between 0 and 1, such as 0.8")
    source = _Pilot([reference, challenger], task, metric, split)
    is_error = lower_is_better(source.module.ERRORS, source.metric)

    def study(subjects: np.ndarray) -> float:
        data, (old, new), resampler = source.drawn(subjects, paired=True)
        difference = paired_tests(task, data, resampler, CONFIDENCE)[1].get(source.metric)
        if difference is None:
            difference = paired_difference(source.metric, old, new, CONFIDENCE)["difference"]
        bounds = (difference["lower"], difference["upper"])
        return float(bool(non_inferiority(*bounds, margin, lower_is_better=is_error).holds))

    def next_size(trial: Trial) -> float:
        reached = normal_quantile(min(0.999, max(0.001, trial.value))) + normal_quantile(0.975)
        required = normal_quantile(power) + normal_quantile(0.975)
        return trial.subjects * min(8.0, (required / max(reached, 0.1)) ** 2)

    result = _search(source, study, next_size, lambda t: t.value >= power, studies, seed, np.mean)
    if result["subjects"] is not None:
        result["subjects"] = _by_curve(result["trials"], result["subjects"], power, studies)
    return result


def _by_curve(trials: Sequence[Mapping[str, Any]], near: int, power: float, studies: int) -> int:
    """Subjects by a curve through the sizes tried near the answer, each of which is off by chance.

    The normal quantile of the power grows with the square root of the number of subjects, from that of .025.
    """
    top = weight = 0.0
    for trial in trials:
        if near / NEARBY <= trial["subjects"] <= near * NEARBY:
            share = min(max(trial["value"], 0.5 / studies), 1 - 0.5 / studies)
            z = normal_quantile(share)
            precision = math.exp(-z * z) / (share * (1 - share))
            top += precision * math.sqrt(trial["subjects"]) * (z + normal_quantile(0.975))
            weight += precision * trial["subjects"]
    size = math.ceil(((normal_quantile(power) + normal_quantile(0.975)) * weight / top) ** 2)
    return min(max(size, LEAST), MOST)


def _search(
    source: _Pilot,
    study: Study,
    next_size: Callable[[Trial], float],
    enough: Callable[[Trial], bool],
    studies: int,
    seed: int,
    summary: Callable[[np.ndarray], Any],
) -> dict[str, Any]:
    """The smallest size tried that is enough, by steps that the square-root law proposes."""
    trials: dict[int, Trial] = {}
    size = max(LEAST, len(source.rows))
    for _ in range(_STEPS):
        trials[size] = _trial(source, study, size, studies, seed, summary)
        low = max((n for n, t in trials.items() if not enough(t)), default=LEAST - 1)
        high = min((n for n, t in trials.items() if enough(t)), default=MOST + 1)
        proposed = next_size(trials[size])
        size = math.ceil(proposed) if math.isfinite(proposed) else 4 * size
        if not low < size < high:
            size = round(math.sqrt(max(low, 1) * high)) if high <= MOST else 2 * low
        size = min(max(size, LEAST), MOST)
        if size in trials or high <= max(low + 1, 1.03 * low):
            break
    reached = [n for n, t in trials.items() if enough(t)]
    return {
        "metric": source.metric,
        "subjects": min(reached) if reached else None,
        "pilot_subjects": len(source.rows),
        "studies": studies,
        "trials": [vars(trials[n]) for n in sorted(trials)],
    }


def _trial(
    source: _Pilot, study: Study, size: int, studies: int, seed: int, summary: Callable[[np.ndarray], Any]
) -> Trial:
    rng = np.random.default_rng([seed, size])
    results = np.array([study(rng.integers(0, len(source.rows), size)) for _ in range(studies)])
    finite = results[np.isfinite(results)]
    of_median = 1.2533 if summary is np.median else 1.0
    error = of_median * float(finite.std()) / math.sqrt(studies) if len(finite) else math.nan
    return Trial(size, float(summary(results)), error)


def lines(result: Mapping[str, Any], goal: str) -> list[str]:
    """The sizes tried and the answer, as a person reads them."""
    out = [
        f"{number_of(t['subjects'], 'subject')}: {t['value']:.3f} (standard error {t['standard_error']:.3f})"
        for t in result["trials"]
    ]
    number = result["subjects"]
    answer = number_of(number, "subject") if number is not None else f"not reached with up to {MOST} subjects"
    return [*out, f"{result['metric']}, {goal}: {answer}"]
