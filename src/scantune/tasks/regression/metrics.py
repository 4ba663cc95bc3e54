"""Figures of a regression: errors, correlation, agreement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune.statistics.agreement import error_statistic, repeated_statistic
from scantune.statistics.correlation import (
    constant,
    correlation_p,
    fisher_interval,
    kendall,
    kendall_by_subject,
    pearson,
    spearman,
    spearman_statistic,
)
from scantune.statistics.figure import Figure, undefined
from scantune.statistics.reliability import repeatability
from scantune.statistics.resampling import FEWEST, Statistic
from scantune.tasks.directions import named_ranges
from scantune.tasks.plan import MetricPlan, mean_statistic, not_finite, renamed
from scantune.tasks.predictions import Faults, PredictionTable
from scantune.tasks.regression.settings import Regression

_HEADLINE = (
    *("mae", "rmse", "r2", "pearson_r", "spearman_rho", "ccc", "icc_2_1", "bland_altman_bias"),
    "clinical_error_rate",
)

ERRORS = ("mae", "rmse", "clinical_error_rate")
"""Figures that are better when lower."""

_FROM_SUMS = (
    *("mae", "rmse", "r2", "pearson_r", "ccc", "icc_2_1", "clinical_error_rate"),
    *("bland_altman_bias", "bland_altman_sd", "bland_altman_lower", "bland_altman_upper", "bland_altman_slope"),
)
_REPEATED = ("bias", "sd", "lower", "upper")


def answers(data: Data) -> tuple[np.ndarray, np.ndarray]:
    """What custom metrics are given: reference and prediction, float64 [N] each."""
    return data.target, data.prediction


def headline_names(data: Data) -> tuple[str, ...]:
    """Figures of the subgroups, the baselines and the summary; the first is the primary one unless stated otherwise."""
    return _HEADLINE


@dataclass(frozen=True)
class Data:
    """What a regression's figures are made from: target and prediction float64 [N], subjects [N]."""

    target: np.ndarray
    prediction: np.ndarray
    subjects: np.ndarray
    settings: Regression


def parse(table: PredictionTable, settings: Regression, faults: Faults) -> Data | None:
    """Reads the columns ``target`` and ``prediction``; None where they are missing. An empty target is a fault."""
    if not table.require(("target", "prediction"), faults):
        return None
    target = table.numbers("target", faults)
    prediction = table.numbers("prediction", faults)
    faults.rows(_empty_cells(table, "target", target), "column target: empty or not finite")
    return Data(target, prediction, table.subject_id, settings)


def _empty_cells(table: PredictionTable, column: str, values: np.ndarray) -> np.ndarray:
    """Rows that hold no finite number, less those whose text was reported already."""
    cells = table.columns[column]
    told = np.array([v not in ("", "nan") and np.isnan(x) for v, x in zip(cells, values)], bool)
    return np.flatnonzero(~np.isfinite(values) & ~(told & (cells.dtype == object)))


def plan(
    data: Data, rows: np.ndarray, *, headline: bool = False, paired: bool = False, confidence: float = 0.95
) -> MetricPlan:
    """The figures of some rows.

    Args:
        data: of the whole table.
        rows: int [n], ascending.
        headline: only those of :func:`headline_names`.
        paired: their draws are needed too, not only their intervals.
        confidence: level of the analytic intervals.
    """
    x, y, subjects = data.target[rows], data.prediction[rows], data.subjects[rows]
    void = not_finite("prediction", y)
    if void is not None:
        y = np.zeros_like(y)
    alone = len(np.unique(subjects)) == len(rows)
    statistics: list[Statistic] = [error_statistic(x, y, rows, data.settings.significant_error)]
    if headline:
        statistics = [renamed(statistics[0], {k: k for k in _HEADLINE if k in _FROM_SUMS})]
    elif not alone:
        names = {k: k for k in _FROM_SUMS}
        names |= {f"bland_altman_{k}": f"bland_altman_plain_{k}" for k in _REPEATED}
        statistics = [renamed(statistics[0], names), repeated_statistic(x, y, subjects, rows)]
    direct: dict[str, Figure] = {}
    rho = spearman(x, y) if len(rows) > 1 else np.nan
    if alone and not paired:
        direct["spearman_rho"] = _rank_figure(rho, len(rows), "spearman", correlation_p(rho, len(rows)), confidence)
    else:
        statistics.append(spearman_statistic(x, y, rows))
    if not headline:
        direct["kendall_tau"] = _kendall(x, y, subjects, alone, confidence)
        direct["repeatability"] = _repeatability(x, y, subjects, confidence)
        statistics += _by_range(data, x, y, rows)
    few = len(rows) < FEWEST
    p = {"pearson_r": correlation_p(pearson(x, y), len(rows)) if alone and not few else None}
    if not (alone and not paired):
        p["spearman_rho"] = correlation_p(rho, len(rows)) if alone and not few else None
    return MetricPlan(
        statistics,
        direct=_explained(direct, _reasons(x, y)),
        reasons=_reasons(x, y) | _range_reasons(data),
        p_values=p,
        void=void,
    )


def _reasons(x: np.ndarray, y: np.ndarray) -> dict[str, str]:
    correlations = ("pearson_r", "spearman_rho", "kendall_tau")
    if len(x) < 2:
        few = f"undefined: {len(x)} samples"
        return dict.fromkeys((*_FROM_SUMS, *correlations), few)
    reasons = {"bland_altman_slope": "undefined: the mean of target and prediction is constant"}
    if constant(x):
        reasons |= dict.fromkeys(("r2", *correlations), "undefined: the target is constant")
    if constant(y):
        reasons |= dict.fromkeys(correlations, "undefined: the prediction is constant")
    if constant(x) and constant(y):
        reasons |= dict.fromkeys(("ccc", "icc_2_1"), "undefined: target and prediction are constant")
    return reasons


def _explained(figures: dict[str, Figure], reasons: dict[str, str]) -> dict[str, Figure]:
    return {
        k: undefined(reasons[k], f.n, f.n_subjects, **dict.fromkeys(f.more)) if f.value is None and k in reasons else f
        for k, f in figures.items()
    }


def _rank_figure(r: float, n: int, kind: str, p: float, confidence: float) -> Figure:
    if np.isnan(r):
        return undefined("undefined", n, n, p_value=None)
    bounds = fisher_interval(r, n, kind, confidence)
    if bounds is None:
        reason = "no interval: the correlation is 1 or −1" if n >= 5 else f"no interval: {n} subjects, 5 are needed"
        return Figure(r, n=n, n_subjects=n, reason=reason, more={"p_value": p if n >= 5 else None})
    return Figure(r, *bounds, f"Fisher's z ({_FISHER_NAMES[kind]})", n, n, more={"p_value": p})


_FISHER_NAMES = {
    "spearman": "variance of Bonett & Wright",
    "kendall": "variance of Fieller, Hartley & Pearson",
}


def _kendall(x: np.ndarray, y: np.ndarray, subjects: np.ndarray, alone: bool, confidence: float) -> Figure:
    if len(x) < 2:
        return undefined("undefined", len(x), len(x), p_value=None)
    found = kendall(x, y)
    if alone or np.isnan(found.tau):
        return _rank_figure(found.tau, len(x), "kendall", found.p_value, confidence)
    n_subjects = len(np.unique(subjects))
    bounds = kendall_by_subject(x, y, subjects, confidence)
    if bounds is None:
        few = "no interval: leaving out subjects gives none (too few, or τ is 1 or −1)"
        return Figure(found.tau, n=len(x), n_subjects=n_subjects, reason=few, more={"p_value": None})
    lower, upper, p = bounds
    method = "jackknife by subject, Fisher's z"
    return Figure(found.tau, lower, upper, method, len(x), n_subjects, more={"p_value": p})


def _repeatability(x: np.ndarray, y: np.ndarray, subjects: np.ndarray, confidence: float) -> Figure:
    """Of the predictions of samples of one subject with one target: the scan was repeated, nothing had changed."""
    _, codes = np.unique(subjects, return_inverse=True)
    keys = np.unique(np.stack([codes, x]), axis=1, return_inverse=True)[1] if len(x) else np.empty(0, int)
    return repeatability(y, np.ravel(keys), confidence=confidence)


def ranges(settings: Regression) -> list[tuple[str, float, float]]:
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
    return {f"mae_{name}": "undefined: no sample has a target in this range" for name, _, _ in ranges(data.settings)}


def ranges_of(data: Data) -> dict[str, np.ndarray]:
    """The range of the target that each row lies in, as a grouping: ``score_range``."""
    named = ranges(data.settings)
    if not named:
        return {}
    edges = [low for _, low, _ in named[1:]]
    names = np.array([name for name, _, _ in named], dtype=object)
    return {"score_range": names[np.searchsorted(edges, data.target, side="right")]}
