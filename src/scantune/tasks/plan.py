"""What a task asks of the statistics, and the figures that come of it."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scantune.statistics.confusion import PROPORTIONS
from scantune.statistics.distributions import normal_two_sided
from scantune.statistics.figure import Figure, undefined
from scantune.statistics.resampling import Distribution, Interval, Resampler, Statistic, Sums, interval

_SHARES = (*PROPORTIONS, "clinical_error_rate", "conformal_coverage")
_BIASED = ("ece",)


@dataclass(frozen=True)
class Plan:
    """The figures wanted of some rows.

    Attributes:
        statistics: to be resampled.
        analytic: intervals that take the place of the resampled ones, by name.
        direct: figures that are not resampled at all.
        reasons: why a figure may be undefined, by name (that of ``f1`` serves ``f1/<zone>`` too); used where it is.
        more: further values of a figure, by name.
        p_values: two-sided p-value by name; None: to be had from the draws, on the scale of atanh.
        void: why all figures are undefined (a prediction that is not a number).
        curve: the figures are points of a curve, whose band is by percentiles: BCa's corrections, made point by point,
            would tear it.
    """

    statistics: Sequence[Statistic] = ()
    analytic: Mapping[str, Interval] = field(default_factory=dict)
    direct: Mapping[str, Figure] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    p_values: Mapping[str, float | None] = field(default_factory=dict)
    void: str | None = None
    curve: bool = False


@dataclass(frozen=True)
class Result:
    """Figures of a plan by name, and the distributions behind those that were resampled."""

    figures: dict[str, Figure]
    distributions: dict[str, Distribution]


def carry_out(plans: Sequence[Plan], resampler: Resampler, confidence: float = 0.95) -> list[Result]:
    """All plans in one pass over the draws."""
    made = iter(resampler.run([s for p in plans for s in p.statistics]))
    return [_result(p, [(s, next(made)) for s in p.statistics], resampler, confidence) for p in plans]


def _result(
    plan: Plan, made: Sequence[tuple[Statistic, dict[str, Distribution]]], resampler: Resampler, confidence: float
) -> Result:
    figures: dict[str, Figure] = {}
    distributions: dict[str, Distribution] = {}
    for statistic, named in made:
        n, n_subjects = statistic.n, resampler.count(statistic.rows)
        for name, distribution in named.items():
            if plan.void is None:
                distributions[name] = distribution
            figures[name] = _figure(plan, name, distribution, n, n_subjects, confidence)
    for name, figure in plan.direct.items():
        figures[name] = figure if plan.void is None else undefined(plan.void, figure.n, figure.n_subjects)
    return Result(figures, distributions)


def _figure(plan: Plan, name: str, distribution: Distribution, n: int, n_subjects: int, confidence: float) -> Figure:
    more = dict(plan.more.get(name, {}))
    if name in plan.p_values:
        more["p_value"] = plan.p_values[name]
    if plan.void is not None:
        return undefined(plan.void, n, n_subjects, **dict.fromkeys(more))
    if not math.isfinite(distribution.value):
        return undefined(
            plan.reasons.get(name, "undefined: nothing to divide by"), n, n_subjects, **dict.fromkeys(more)
        )
    if name in plan.p_values and more["p_value"] is None:
        more["p_value"] = _p_from_draws(distribution)
    found = plan.analytic.get(name)
    if plan.curve:
        found = interval(distribution, n_subjects, confidence, percentile=True)
    elif found is None:
        found = interval(distribution, n_subjects, confidence, proportion=is_share(name), biased=name in _BIASED)
    return Figure(distribution.value, found.lower, found.upper, found.method, n, n_subjects, found.reason, more)


def is_share(name: str) -> bool:
    """Whether a figure of this name is a share of rows."""
    return name.split("/")[0].removeprefix("ahf_") in _SHARES


def _p_from_draws(distribution: Distribution) -> float | None:
    draws = distribution.draws[np.isfinite(distribution.draws) & (np.abs(distribution.draws) < 1)]
    if draws.size < 2 or not abs(distribution.value) < 1:
        return None
    spread = float(np.arctanh(draws).std())
    return normal_two_sided(math.atanh(distribution.value) / spread) if spread > 0 else None


def renamed(statistic: Statistic, names: Mapping[str, str]) -> Statistic:
    """The same statistic with only the figures of ``names``, old to new."""
    figures = statistic.figures

    def chosen(argument: np.ndarray) -> dict[str, np.ndarray]:
        found = figures(argument)
        return {new: found[old] for old, new in names.items()}

    return type(statistic)(**{**vars(statistic), "figures": chosen})


def only(statistic: Statistic, wanted: Collection[str]) -> Statistic:
    """The same statistic with those of its figures that are in ``wanted``."""
    figures = statistic.figures

    def chosen(argument: np.ndarray) -> dict[str, np.ndarray]:
        return {name: values for name, values in figures(argument).items() if name in wanted}

    return type(statistic)(**{**vars(statistic), "figures": chosen})


def mean_statistic(columns: Mapping[str, np.ndarray], rows: np.ndarray) -> Sums:
    """The mean of each of some columns [n], by name; undefined without rows."""
    features = np.stack([np.ones(len(rows)), *columns.values()], axis=1)

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        n = np.where(sums[..., 0] > 0.5, sums[..., 0], np.nan)
        return {name: sums[..., i + 1] / n for i, name in enumerate(columns)}

    return Sums(rows, features, figures)


def not_finite(column: str, values: np.ndarray) -> str | None:
    """Why nothing can be said of ``values`` [n] or [n, K]: some are not finite numbers."""
    bad = ~np.isfinite(values.reshape(len(values), -1)).all(1)
    return f"{column}: not a finite number in {int(bad.sum())} of {len(values)} rows" if bad.any() else None
