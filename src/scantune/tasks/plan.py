"""What a task has the statistics compute, and the resulting metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scantune.statistics.agreement import LIMIT
from scantune.statistics.estimate import Estimate, undefined
from scantune.statistics.intervals import IN_ITS_PLACE, interval_of, limits_of_agreement
from scantune.statistics.resampling import Distribution, Interval, Resampler, Statistic, Sums, Weighted, interval
from scantune.statistics.sums import LEAST

_COUNTED = ("share", "f1")
"""Kinds of metrics whose ``n`` is that of their trials."""


@dataclass(frozen=True)
class MetricPlan:
    """The metrics to compute from some rows.

    Attributes:
        statistics: to be resampled.
        analytic: intervals that take the place of the resampled ones, by name.
        direct: figures that are not resampled at all.
        reasons: why a figure may be undefined, by name (that of ``f1`` serves ``f1/<zone>`` too); used where it is.
        more: further values of a figure, by name.
        p_values: two-sided p-value by name; None: by the rule of the interval.
        most: the largest value that a figure can have, by name: its interval ends there.
        void: why all figures are undefined (a prediction that is not a number).
        curve: the figures are points of a curve, whose band is by percentiles: BCa's corrections, made point by point,
            would tear it.
    """

    statistics: Sequence[Statistic] = ()
    analytic: Mapping[str, Interval] = field(default_factory=dict)
    direct: Mapping[str, Estimate] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    p_values: Mapping[str, float | None] = field(default_factory=dict)
    most: Mapping[str, float] = field(default_factory=dict)
    void: str | None = None
    curve: bool = False


@dataclass(frozen=True)
class Result:
    """Figures of a plan by name, and the distributions behind those that were resampled."""

    figures: dict[str, Estimate]
    distributions: dict[str, Distribution]


def carry_out(plans: Sequence[MetricPlan], resampler: Resampler, confidence: float = 0.95) -> list[Result]:
    """All plans; draws are made only for curves, and where a metric has no interval without them."""
    return [_result(plan, resampler, confidence) for plan in plans]


def _result(plan: MetricPlan, resampler: Resampler, confidence: float) -> Result:
    figures: dict[str, Estimate] = {}
    distributions: dict[str, Distribution] = {}
    for statistic, named in zip(plan.statistics, resampler.run(plan.statistics, draws=plan.curve)):
        maker = _Maker(plan, statistic, named, resampler, confidence)
        for name, distribution in named.items():
            if plan.void is None:
                distributions[name] = distribution
            figures[name] = maker.figure(name)
    for name, figure in plan.direct.items():
        figures[name] = figure if plan.void is None else undefined(plan.void, figure.n, figure.n_subjects)
    return Result(figures, distributions)


class _Maker:
    """Figures of one statistic of a plan."""

    def __init__(
        self,
        plan: MetricPlan,
        statistic: Statistic,
        named: Mapping[str, Distribution],
        resampler: Resampler,
        confidence: float,
    ) -> None:
        self.plan, self.statistic, self.named = plan, statistic, named
        self.resampler, self.confidence = resampler, confidence
        self.n_subjects = resampler.count(statistic.rows)
        edges = statistic.edges if plan.curve and isinstance(statistic, Weighted) else {}
        distinct = {id(rows): rows for parts in edges.values() for rows in parts}.values()
        #: subjects of the smallest part that a point of a curve is made of
        self._fewest = min([self.n_subjects, *map(resampler.count, distinct)])
        self._drawn: dict[str, Distribution] | None = None

    def figure(self, name: str) -> Estimate:
        plan, distribution = self.plan, self.named[name]
        n, n_subjects = self._counts(name)
        more = dict(plan.more.get(name, {}))
        if name in plan.p_values:
            more["p_value"] = plan.p_values[name]
        if plan.void is not None:
            return undefined(plan.void, n, n_subjects, **dict.fromkeys(more))
        if not math.isfinite(distribution.value):
            return undefined(
                plan.reasons.get(name, "undefined: nothing to divide by"), n, n_subjects, **dict.fromkeys(more)
            )
        interval = self._interval(name, n_subjects)
        if name in plan.p_values and more["p_value"] is None:
            more["p_value"] = interval.p_value
        reason, upper = interval.reason, interval.upper
        if upper is not None and name in plan.most:
            upper = min(upper, max(plan.most[name], distribution.value))
        if reason is not None and "consistency_lower" in more:
            reason += IN_ITS_PLACE
        return Estimate(distribution.value, interval.lower, upper, interval.method, n, n_subjects, reason, more)

    def _counts(self, name: str) -> tuple[int, int]:
        """Samples and subjects that a figure is made from: those of its trials, where it is a share."""
        shares = self.named[name].shares
        if self.statistic.kinds.get(name) in _COUNTED and len(shares) == 1:
            return round(float(shares[0].trials.sum())), int((shares[0].trials > 0).sum())
        return self.statistic.n, self.n_subjects

    def _interval(self, name: str, n_subjects: int) -> Interval:
        analytic = self.plan.analytic.get(name)
        if analytic is not None and not self.plan.curve:
            return analytic
        kind = self.statistic.kinds.get(name)
        if self.plan.curve:
            return interval(self.named[name], self._fewest, self.confidence, percentile=True)
        resampled: Interval | None = None
        if kind in ("lower_limit", "upper_limit"):
            limit, slash, part = name.partition("/")
            stem = limit.rpartition("_")[0]
            pair = self.named.get(f"{stem}_bias{slash}{part}"), self.named.get(f"{stem}_sd{slash}{part}")
            if pair[0] is not None and pair[1] is not None:
                resampled = limits_of_agreement(pair[0], pair[1], LIMIT, n_subjects, self.confidence)[
                    kind == "upper_limit"
                ]
        elif kind is not None:
            resampled = interval_of(self.named[name], kind, n_subjects, self.confidence)
        return resampled or interval(self._in_draws()[name], n_subjects, self.confidence)

    def _in_draws(self) -> dict[str, Distribution]:
        if self._drawn is None:
            (self._drawn,) = self.resampler.run([self.statistic])
        return self._drawn


def renamed(statistic: Statistic, names: Mapping[str, str]) -> Statistic:
    """The same statistic with only the figures of ``names``, old to new."""
    return _relabelled(statistic, lambda values: {new: values[old] for old, new in names.items() if old in values})


def _relabelled(statistic: Statistic, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Statistic:
    """The same statistic with a change to the names of its figures."""
    figures = statistic.figures
    changed: dict[str, Any] = {"figures": lambda x: change(figures(x)), "kinds": change(statistic.kinds)}
    if isinstance(statistic, Sums) and statistic.shares is not None:
        shares = statistic.shares
        changed["shares"] = lambda sums: change(shares(sums))
    if isinstance(statistic, Weighted):
        leave_out = statistic.leave_out
        changed |= {"edges": change(statistic.edges), "averaged": change(statistic.averaged)}
        if leave_out is not None:
            changed["leave_out"] = lambda codes, groups: change(leave_out(codes, groups))
    return replace(statistic, **changed)


def with_suffix(plan: MetricPlan, suffix: str) -> MetricPlan:
    """The same plan with metrics whose names end in ``suffix``, such as ``/age``."""

    def named(values: Mapping[str, Any]) -> dict[str, Any]:
        return {f"{name}{suffix}": value for name, value in values.items()}

    tables: dict[str, Any] = {table: named(getattr(plan, table)) for table in _TABLES}
    return replace(plan, statistics=[_relabelled(statistic, named) for statistic in plan.statistics], **tables)


_TABLES = ("analytic", "direct", "reasons", "more", "p_values", "most")
"""Parts of a plan that are by name of the metric."""


def joined(plans: Sequence[MetricPlan]) -> MetricPlan:
    """One plan with the metrics of several, whose names differ; all are undefined where those of one are."""
    tables: dict[str, Any] = {
        table: {name: value for plan in plans for name, value in getattr(plan, table).items()} for table in _TABLES
    }
    return MetricPlan(
        [statistic for plan in plans for statistic in plan.statistics],
        **tables,
        void=next((plan.void for plan in plans if plan.void is not None), None),
    )


def mean_over(statistics: Sequence[Statistic], names: Sequence[str]) -> Statistic:
    """The mean of each of some metrics over statistics of one kind, whose rows may differ; undefined where one is.

    Args:
        statistics: all :class:`Sums` with as many features, or all :class:`Weighted`.
        names: of the metrics.
    """
    rows = np.unique(np.concatenate([statistic.rows for statistic in statistics]))
    places = [np.searchsorted(rows, statistic.rows) for statistic in statistics]
    kinds = {name: statistics[0].kinds[name] for name in names}

    def means(parts: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return {name: np.mean([one[name] for one in parts], axis=0) for name in names}

    sums = [statistic for statistic in statistics if isinstance(statistic, Sums)]
    if not sums:
        weighted = [statistic for statistic in statistics if isinstance(statistic, Weighted)]
        return Weighted(rows, lambda weights: means([s.figures(weights[p]) for s, p in zip(weighted, places)]), kinds)
    width = sums[0].features.shape[1]
    features = np.zeros((len(rows), width * len(sums)))
    blocks = [slice(k * width, (k + 1) * width) for k in range(len(sums))]
    for statistic, place, block in zip(sums, places, blocks):
        features[place, block] = statistic.features
    return Sums(
        rows, features, lambda total: means([s.figures(total[..., b]) for s, b in zip(sums, blocks)]), kinds=kinds
    )


def reweighted(statistic: Statistic, weights: np.ndarray, kinds: Mapping[str, str] | None = None) -> Statistic:
    """The same statistic with weighted rows.

    Args:
        statistic: of n rows.
        weights: float64 [n], in the order of its rows, of mean 1.
        kinds: further rules of intervals: figures named here are then no shares of trials.
    """
    changed: dict[str, Any] = {"kinds": {**statistic.kinds, **(kinds or {})}}
    if isinstance(statistic, Sums):
        shares = statistic.shares
        changed["features"] = statistic.features * weights[:, None]
        if shares is not None and kinds:
            changed["shares"] = lambda sums: {k: v for k, v in shares(sums).items() if k not in kinds}
        return replace(statistic, **changed)
    figures = statistic.figures
    return replace(statistic, figures=lambda w: figures(w * weights[:, None]), leave_out=None, **changed)


def only(statistic: Statistic, selected: Collection[str]) -> Statistic:
    """The same statistic with those of its figures that are in ``selected``."""
    return _relabelled(statistic, lambda values: {name: v for name, v in values.items() if name in selected})


def mean_statistic(columns: Mapping[str, np.ndarray], rows: np.ndarray, kinds: Mapping[str, str]) -> Sums:
    """The mean of each of some columns [n], by name; undefined without rows.

    Args:
        columns: by name.
        rows: int [n], their rows in the table.
        kinds: rule of each one's interval: ``share`` where it is 0 or 1, ``unit`` between, ``positive``, ``real``.
    """
    features = np.stack([np.ones(len(rows)), *columns.values()], axis=1)

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        n = np.where(sums[..., 0] > LEAST, sums[..., 0], np.nan)
        return {name: sums[..., i + 1] / n for i, name in enumerate(columns)}

    def shares(sums: np.ndarray) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
        bounded = [(i, name) for i, name in enumerate(columns) if kinds.get(name) in ("share", "unit")]
        return {name: [(sums[..., i + 1], sums[..., 0])] for i, name in bounded}

    return Sums(rows, features, figures, kinds=kinds, shares=shares)


def not_finite(column: str, values: np.ndarray) -> str | None:
    """Why nothing can be said of ``values`` [n] or [n, K]: some are not finite numbers."""
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(1)
    return f"{column}: not a finite number in {int(bad.sum())} of {len(values)} rows" if bad.any() else None
