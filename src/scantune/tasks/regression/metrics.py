"""Metrics of a regression: errors, correlation, agreement; of several targets those of each, and means."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from scantune.amounts import number_of
from scantune.statistics.agreement import error_statistic, repeated_statistic
from scantune.statistics.correlation import (
    constant,
    correlation_p,
    kendall,
    kendall_without,
    pearson,
    spearman_p,
    spearman_statistic,
)
from scantune.statistics.estimate import Estimate, undefined
from scantune.statistics.intervals import interval_of
from scantune.statistics.reliability import repeatability
from scantune.statistics.resampling import FEWEST, Distribution, Interval, Statistic
from scantune.tasks.directions import named_ranges
from scantune.tasks.levels import UNKNOWN
from scantune.tasks.plan import MetricPlan, joined, mean_over, mean_statistic, not_finite, renamed, with_suffix
from scantune.tasks.predictions import Faults, PredictionTable
from scantune.tasks.regression.settings import HEADLINE, Measure, Regression, headline_with

ERRORS = ("mae", "rmse", "clinical_error_rate")
"""Metrics that are better when lower, of each of several targets too."""

_FROM_SUMS = (
    *("mae", "rmse", "r2", "pearson_r", "ccc", "icc_2_1", "clinical_error_rate"),
    *("bland_altman_bias", "bland_altman_sd", "bland_altman_lower", "bland_altman_upper", "bland_altman_slope"),
)
_REPEATED = ("bias", "sd", "lower", "upper")
_MEANS = ("r2", "pearson_r", "ccc")


@dataclass(frozen=True)
class Data:
    """What the metrics of one target are computed from.

    Attributes:
        target: float64 [N]; of one among several NaN where it is unknown.
        prediction: float64 [N].
        subjects: [N].
        settings: of the target.
        name: of the target.
        suffix: what names of its columns and metrics end in: ``/<name>`` of one among several.
    """

    target: np.ndarray
    prediction: np.ndarray
    subjects: np.ndarray
    settings: Measure
    name: str = "target"
    suffix: str = ""

    @property
    def parts(self) -> dict[str, Data]:
        """Suffix to data, of all targets: this one."""
        return {self.suffix: self}

    def known(self, rows: np.ndarray) -> np.ndarray:
        """Those of some rows whose target is known."""
        return rows[np.isfinite(self.target[rows])]


@dataclass(frozen=True)
class Several:
    """What the metrics of several targets are computed from: suffix to the data of each."""

    parts: Mapping[str, Data]

    @property
    def target(self) -> np.ndarray:
        """Targets, float64 [N, T]; NaN where unknown."""
        return np.stack([one.target for one in self.parts.values()], axis=1)

    @property
    def prediction(self) -> np.ndarray:
        """Predictions, float64 [N, T]."""
        return np.stack([one.prediction for one in self.parts.values()], axis=1)


def answers(data: Data | Several) -> tuple[np.ndarray, np.ndarray]:
    """What custom metrics are given: reference and prediction, float64 [N] each; [N, T] of several targets."""
    return data.target, data.prediction


def headline_names(data: Data | Several) -> tuple[str, ...]:
    """Metrics of the subgroups, the baselines and the summary; the first is the primary one unless stated otherwise.

    Of several targets that is the mean of their R², which has no unit.
    """
    return headline_with({suffix: one.settings for suffix, one in data.parts.items()})


def parse(table: PredictionTable, settings: Regression, faults: Faults) -> Data | Several | None:
    """Reads the columns ``target`` and ``prediction``, of several targets ``target/<name>`` and ``prediction/<name>``.

    None where they are missing. An empty target is a fault, but for one among several, which is unknown.
    """
    suffixes = {name: settings.suffix(name) for name in settings.measures()}
    if not table.require([f"{kind}{suffix}" for suffix in suffixes.values() for kind in KINDS], faults):
        return None
    parts = {}
    for name, measure in settings.measures().items():
        columns = [f"{kind}{suffixes[name]}" for kind in KINDS]
        target, prediction = (table.numbers(column, faults) for column in columns)
        odd = _empty_cells(table, columns[0], target) if settings.one_target else np.flatnonzero(np.isinf(target))
        faults.rows(odd, f"column {columns[0]}: {'empty or ' if settings.one_target else ''}not finite")
        parts[suffixes[name]] = Data(target, prediction, table.subject_id, measure, name, suffixes[name])
    return parts[""] if settings.one_target else Several(parts)


KINDS = ("target", "prediction")
"""The columns of a target."""


def _empty_cells(table: PredictionTable, column: str, values: np.ndarray) -> np.ndarray:
    """Rows that hold no finite number, less those whose text was reported already."""
    cells = table.columns[column]
    unreadable = np.array([v not in ("", "nan") and np.isnan(x) for v, x in zip(cells, values)], bool)
    return np.flatnonzero(~np.isfinite(values) & ~(unreadable & (cells.dtype == object)))


def plan(
    data: Data | Several, rows: np.ndarray, *, headline: bool = False, paired: bool = False, confidence: float = 0.95
) -> MetricPlan:
    """The metrics of some rows; of several targets those of each (``mae/<name>``), on the rows that have it, and means.

    Args:
        data: of the whole table.
        rows: int [n], ascending.
        headline: only those of :func:`headline_names`.
        paired: their draws are needed too, not only their intervals.
        confidence: level of the analytic intervals.
    """
    if isinstance(data, Data):
        return _of_one(data, rows, headline, paired, confidence)
    plans = {suffix: _of_one(one, one.known(rows), headline, paired, confidence) for suffix, one in data.parts.items()}
    return joined([_means(data, rows, plans), *(with_suffix(each, suffix) for suffix, each in plans.items())])


def _means(data: Several, rows: np.ndarray, plans: Mapping[str, MetricPlan]) -> MetricPlan:
    """Means over the targets of what has no unit; undefined where that of a target is."""
    each = {suffix: one.known(rows) for suffix, one in data.parts.items()}
    lacking = [data.parts[suffix].name for suffix, known in each.items() if not len(known)]
    names = (*_MEANS, "spearman_rho")
    if lacking:
        why = f"undefined: no sample has a value of {lacking[0]}"
        return MetricPlan(direct=dict.fromkeys(names, undefined(why, 0, 0)))
    reasons = {
        name: f"{each_plan.reasons[name]} ({data.parts[suffix].name})"
        for suffix, each_plan in plans.items()
        for name in names
        if name in each_plan.reasons
    }
    pairs = [_numbers(one, each[suffix]) for suffix, one in data.parts.items()]
    sums = [error_statistic(x, y, known, 1.0) for (x, y, _), known in zip(pairs, each.values())]
    ranks = [spearman_statistic(x, y, known) for (x, y, _), known in zip(pairs, each.values())]
    return MetricPlan([mean_over(sums, _MEANS), mean_over(ranks, ("spearman_rho",))], reasons=reasons)


def _numbers(data: Data, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, str | None]:
    """Target, prediction (zeros where one of them is not finite) and why nothing can be computed from them."""
    y = data.prediction[rows]
    void = not_finite(f"prediction{data.suffix}", y)
    return data.target[rows], y if void is None else np.zeros_like(y), void


def _of_one(data: Data, rows: np.ndarray, headline: bool, paired: bool, confidence: float) -> MetricPlan:
    """The metrics of one target."""
    if not len(rows):
        return _of_none(data, headline)
    subjects = data.subjects[rows]
    x, y, void = _numbers(data, rows)
    alone = len(np.unique(subjects)) == len(rows)
    names = {k: k for k in _given(data.settings, _FROM_SUMS) if not headline or k in HEADLINE}
    if not (headline or alone):
        names |= {f"bland_altman_{k}": f"bland_altman_plain_{k}" for k in _REPEATED}
    errors = error_statistic(x, y, rows, data.settings.significant_error or math.inf)
    statistics: list[Statistic] = [renamed(errors, names)]
    if not (headline or alone):
        statistics.append(repeated_statistic(x, y, subjects, rows))
    direct: dict[str, Estimate] = {}
    statistics.append(spearman_statistic(x, y, rows))
    if not headline:
        direct["kendall_tau"] = _kendall(x, y, subjects, alone, confidence)
        direct["repeatability"] = _repeatability(x, y, subjects, confidence)
        statistics += _by_range(data, x, y, rows)
    tested = alone and len(rows) >= FEWEST
    p = {
        "pearson_r": correlation_p(pearson(x, y), len(rows)) if tested else None,
        "spearman_rho": spearman_p(x, y) if tested else None,
    }
    return MetricPlan(
        statistics,
        direct=_explained(direct, _reasons(x, y)),
        reasons=_reasons(x, y) | _range_reasons(data),
        p_values=p,
        most=_most(data.settings, x, y),
        void=void,
    )


def _most(settings: Measure, x: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """The largest error that there can be, where target and prediction are on a scale with two ends."""
    if settings.range is None:
        return {}
    low, high = settings.range
    if min(x.min(), y.min()) < low or max(x.max(), y.max()) > high:
        return {}
    return dict.fromkeys(("mae", "rmse", *_by_range_names(settings)), high - low)


def _of_none(data: Data, headline: bool) -> MetricPlan:
    """Metrics of a target that no sample has."""
    more = () if headline else (*_FROM_SUMS, "kendall_tau", "repeatability", *_range_reasons(data))
    why = f"undefined: no sample has a value of {data.name}"
    return MetricPlan(direct=dict.fromkeys(_given(data.settings, (*HEADLINE, *more)), undefined(why, 0, 0)))


def _given(settings: Measure, names: Iterable[str]) -> list[str]:
    return [name for name in names if settings.gives(name)]


def _reasons(x: np.ndarray, y: np.ndarray) -> dict[str, str]:
    correlations = ("pearson_r", "spearman_rho", "kendall_tau")
    if len(x) < 2:
        few = f"undefined: {number_of(len(x), 'sample')}"
        return dict.fromkeys((*_FROM_SUMS, *correlations), few)
    reasons = {"bland_altman_slope": "undefined: the mean of target and prediction is constant"}
    if constant(x):
        reasons |= dict.fromkeys(("r2", *correlations), "undefined: the target is constant")
    if constant(y):
        reasons |= dict.fromkeys(correlations, "undefined: the prediction is constant")
    if constant(x) and constant(y):
        reasons |= dict.fromkeys(("ccc", "icc_2_1"), "undefined: target and prediction are constant")
    return reasons


def _explained(figures: dict[str, Estimate], reasons: dict[str, str]) -> dict[str, Estimate]:
    return {
        k: undefined(reasons[k], f.n, f.n_subjects, **dict.fromkeys(f.more)) if f.value is None and k in reasons else f
        for k, f in figures.items()
    }


def _kendall(x: np.ndarray, y: np.ndarray, subjects: np.ndarray, alone: bool, confidence: float) -> Estimate:
    n, n_subjects = len(x), len(np.unique(subjects))
    if n < 2:
        return undefined("undefined", n, n_subjects, p_value=None)
    correlation = kendall(x, y)
    if np.isnan(correlation.tau):
        return undefined("undefined", n, n_subjects, p_value=None)
    distribution = Distribution(correlation.tau, np.empty(0), kendall_without(x, y, subjects))
    interval = interval_of(distribution, "correlation", n_subjects, confidence) or Interval(
        reason="no interval: undefined without one of the subjects"
    )
    p = interval.p_value if not alone else correlation.p_value if n >= FEWEST else None
    bounds = (interval.lower, interval.upper, interval.method)
    return Estimate(correlation.tau, *bounds, n, n_subjects, interval.reason, {"p_value": p})


def _repeatability(x: np.ndarray, y: np.ndarray, subjects: np.ndarray, confidence: float) -> Estimate:
    """Of the predictions of samples of one subject with one target: the scan was repeated, nothing had changed."""
    _, codes = np.unique(subjects, return_inverse=True)
    keys = np.unique(np.stack([codes, x]), axis=1, return_inverse=True)[1] if len(x) else np.empty(0, int)
    return repeatability(y, np.ravel(keys), confidence=confidence)


def ranges(settings: Measure) -> list[tuple[str, float, float]]:
    """Ranges of the target: name, from (included), to (excluded)."""
    return named_ranges(settings.cuts())


def _by_range(data: Data, x: np.ndarray, y: np.ndarray, rows: np.ndarray) -> list[Statistic]:
    statistics: list[Statistic] = []
    for name, low, high in ranges(data.settings):
        inside = (x >= low) & (x < high)
        error = np.abs(y - x)[inside]
        statistics.append(mean_statistic({f"mae_{name}": error}, rows[inside], {f"mae_{name}": "positive"}))
    return statistics


def _range_reasons(data: Data) -> dict[str, str]:
    return dict.fromkeys(_by_range_names(data.settings), "undefined: no sample has a target in this range")


def _by_range_names(settings: Measure) -> list[str]:
    return [f"mae_{name}" for name, _, _ in ranges(settings)]


def ranges_of(data: Data | Several) -> dict[str, np.ndarray]:
    """Range of the target that each row lies in, as a grouping: ``score_range``; of several ``score_range/<name>``."""
    groups = {}
    for suffix, one in data.parts.items():
        named = ranges(one.settings)
        if named:
            edges = [low for _, low, _ in named[1:]]
            names = np.array([name for name, _, _ in named], dtype=object)
            of_row = names[np.searchsorted(edges, one.target, side="right")]
            groups[f"score_range{suffix}"] = np.where(np.isnan(one.target), UNKNOWN, of_row)
    return groups
