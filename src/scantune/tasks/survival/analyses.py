"""Additional analyses of survival: Kaplan–Meier curves by risk group, calibration at the horizons, baselines."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scantune.statistics.distributions import chi2_sf
from scantune.statistics.estimate import Estimate
from scantune.statistics.resampling import Weighted
from scantune.tasks.baselining import Unfitted
from scantune.tasks.context import Analyses, Context
from scantune.tasks.plan import MetricPlan
from scantune.tasks.predictions import Faults, PredictionTable
from scantune.tasks.survival.estimators import breslow, fit_cox, survival
from scantune.tasks.survival.metrics import Data
from scantune.tasks.survival.settings import Survival

NAMES = {2: ("low", "high"), 3: ("low", "intermediate", "high")}
POINTS = 60
"""Most times at which a curve has an interval."""

FEW = 100
"""Samples up to which the log-rank test's p-value is by permutation: there that of χ² is too small, most of all where a
group is small."""

PERMUTATIONS = 10_000

BINS = 5
"""Groups of rising predicted probability whose observed share of events is estimated."""


def run(data: Data, context: Context) -> Analyses:
    """``risk_groups``: curves, numbers at risk and the log-rank test; ``horizons``: observed against predicted."""
    out = Analyses()
    if np.isfinite(data.prediction).all():
        out.sections["risk_groups"] = risk_groups(data, context)
    horizons = {
        f"{h:g}": _calibration(data, context, i)
        for i, h in enumerate(data.settings.horizons)
        if np.isfinite(data.probabilities[context.rows, i]).all()
    }
    if horizons:
        out.sections["horizons"] = horizons
    return out


def group_names(count: int) -> tuple[str, ...]:
    """Names of risk groups by rising risk."""
    return NAMES.get(count) or tuple(f"group {k}" for k in range(1, count + 1))


def risk_groups(data: Data, context: Context) -> dict[str, Any]:
    """Kaplan–Meier by group of predicted risk, cut where validation has as many samples in each."""
    settings = data.settings
    source = context.fitted_on if len(context.fitted_on) else context.rows
    levels = np.linspace(0, 1, settings.risk_groups + 1)[1:-1]
    edges = np.quantile(data.prediction[source], levels)
    of_row = np.searchsorted(edges, data.prediction[context.rows], "right")
    times = np.array([0.0, *settings.horizons])
    groups: dict[str, Any] = {}
    for code, name in enumerate(group_names(settings.risk_groups)):
        rows = context.rows[of_row == code]
        time, event = data.time[rows], data.event[rows]
        groups[name] = {
            "n": len(rows),
            "n_subjects": context.resampler.count(rows),
            "events": int(event.sum()),
            "at_risk": [int((time >= t).sum()) for t in times],
            "event_free": {f"{h:g}": f for h, f in zip(settings.horizons, _event_free(data, rows, times[1:], context))},
            "curve": _curve(data, rows, context),
        }
    return {
        "cut_at": edges,
        "cut_on": "validation" if len(context.fitted_on) else "the rows themselves",
        "at_risk_times": times,
        "unit": settings.unit,
        "groups": groups,
        "log_rank": _log_rank(data, of_row, context),
    }


def _curve(data: Data, rows: np.ndarray, context: Context) -> dict[str, Any]:
    """The curve from 0 to the last follow-up, with an interval by subject at each time; censored times beside it.

    A time at which it has no interval and did not fall has that of the time before.
    """
    if not len(rows):
        return {"time": [], "value": [], "lower": [], "upper": [], "censored": []}
    time, event = data.time[rows], data.event[rows]
    ends = np.unique(time[event])
    if len(ends) > POINTS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, POINTS).round().astype(int))]
    horizons = np.array(data.settings.horizons)
    times = np.unique(np.concatenate([ends, horizons[horizons < time.max()], [time.max()]]))
    estimates = _event_free(data, rows, times, context)
    for i, (before, here) in enumerate(itertools.pairwise(estimates), start=1):
        if here.lower is None and here.value == before.value:
            estimates[i] = before
    return {
        "time": [0.0, *times],
        "value": [1.0, *(f.value for f in estimates)],
        "lower": [1.0, *(f.lower for f in estimates)],
        "upper": [1.0, *(f.upper for f in estimates)],
        "censored": np.unique(time[~event]),
    }


def _event_free(data: Data, rows: np.ndarray, times: np.ndarray, context: Context) -> list[Estimate]:
    """Kaplan–Meier estimate of no event by each time, with an interval by subject; undefined beyond follow-up."""
    time, event = data.time[rows], data.event[rows]

    def values(weights: np.ndarray) -> dict[str, np.ndarray]:
        free = survival(time, event, weights).at(times)
        known = np.stack([(weights * (time >= t)[:, None]).sum(0) > 0 for t in times]) | (free == 0)
        return {f"at/{i}": np.where(known[i], free[i], np.nan) for i in range(len(times))}

    if not len(rows):
        return [Estimate(None, reason="undefined: no sample") for _ in times]
    kinds = {f"at/{i}": "unit" for i in range(len(times))}
    reasons = {f"at/{i}": f"undefined: no one is followed to {t:g} {data.settings.unit}" for i, t in enumerate(times)}
    at_time = {f"at/{i}": (rows[(time >= t) | event],) for i, t in enumerate(times)}  # whose state is known then
    statistic = Weighted(rows, values, kinds, edges=at_time)
    figures = context.figures(MetricPlan([statistic], reasons=reasons))
    return [figures[f"at/{i}"] for i in range(len(times))]


def _log_rank(data: Data, of_row: np.ndarray, context: Context) -> dict[str, Any]:
    if not context.resampler.independent(context.rows):
        return {"reason": "subjects have several samples: the log-rank test takes rows as independent"}
    time, event = data.time[context.rows], data.event[context.rows]
    statistics, dfs = log_rank(time, event, of_row[None])
    statistic, df = float(statistics[0]), int(dfs[0])
    if df < 1:
        return {"reason": "fewer than two groups have samples, or there is no event"}
    few = len(time) <= FEW
    p = _by_permutation(time, event, of_row, statistic) if few else chi2_sf(statistic, df)
    method = f"{PERMUTATIONS} permutations" if few else "chi-squared"
    return {"chi2": statistic, "df": df, "p_value": p, "method": method}


def _by_permutation(time: np.ndarray, event: np.ndarray, group: np.ndarray, statistic: float) -> float:
    """Share of random groups of the same sizes, the groups themselves among them, with as large a statistic."""
    order, random, count = np.lexsort((event, time)), np.random.default_rng(0), 1
    time, event, groups = time[order], event[order], np.tile(np.sort(group), (PERMUTATIONS // 10, 1))
    for _ in range(10):  # blocks, for memory
        chi2, _ = log_rank(time, event, random.permuted(groups, axis=1))
        count += int((chi2 >= statistic * (1 - 1e-9)).sum())
    return count / (PERMUTATIONS + 1)


def log_rank(time: np.ndarray, event: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """χ² and degrees of freedom of the log-rank test of several groups (Mantel 1966; Peto & Peto 1972), each [B].

    Args:
        time: [n].
        event: bool [n].
        group: int [B, n], B ways to divide the same samples.
    """
    order = np.argsort(time, kind="stable")
    _, starts = np.unique(time[order], return_index=True)
    member = (group[:, order, None] == np.unique(group)).astype(float)  # B n K
    at_risk = member[:, ::-1].cumsum(1)[:, ::-1][:, starts]  # B m K
    failed = np.add.reduceat(member * event[order][:, None], starts, axis=1)
    n, d = at_risk[0].sum(1), failed[0].sum(1)  # m
    share = at_risk / n[:, None]
    excess = (failed - d[:, None] * share).sum(1)  # B K
    weighted = share * (d * (n - d) / np.maximum(n - 1, 1))[:, None]
    variance = weighted.sum(1)[:, :, None] * np.eye(share.shape[2]) - weighted.swapaxes(1, 2) @ share  # B K K
    variance[np.abs(variance).max((1, 2)) < 1e-12] = 0  # rounding, where there is one group
    chi2 = np.einsum("bk,bkl,bl->b", excess, np.linalg.pinv(variance, rcond=1e-10, hermitian=True), excess)
    return chi2, np.linalg.matrix_rank(variance, rtol=1e-10, hermitian=True)


def _calibration(data: Data, context: Context, horizon: int) -> list[dict[str, Any]]:
    """Mean predicted and estimated observed probability by a horizon, in groups of rising prediction."""
    p = data.probabilities[context.rows, horizon]
    edges = np.unique(np.quantile(p, np.linspace(0, 1, BINS + 1)[1:-1]))
    of_row = np.searchsorted(edges, p, "right")
    groups = []
    for code in np.unique(of_row):
        rows = context.rows[of_row == code]
        (free,) = _event_free(data, rows, np.array([data.settings.horizons[horizon]]), context)
        event = {"value": None if free.value is None else 1 - free.value, "reason": free.reason, "method": free.method}
        event["lower"] = None if free.upper is None else 1 - free.upper
        event["upper"] = None if free.lower is None else 1 - free.lower
        counts = {"n": len(rows), "n_subjects": context.resampler.count(rows)}
        groups.append({"predicted": float(p[of_row == code].mean()), "observed": event | counts})
    return groups


def baseline_columns(
    train: PredictionTable, x: np.ndarray, new: np.ndarray, data: Data
) -> dict[str, dict[str, np.ndarray]]:
    """Everyone's Kaplan–Meier estimate, and Cox's regression on covariates x [n, q], for rows new [m, q]."""
    settings = data.settings
    time, event = (train.numbers(column, Faults()) for column in settings.columns)
    known = np.isfinite(time) & np.isin(event, (0, 1))
    if not known.any():
        raise Unfitted("time and event: unknown in every training sample")
    time, event, x = time[known], event[known] > 0, x[known]
    horizons = np.array(settings.horizons)
    ones = np.ones((len(time), 1))
    common = np.where(horizons <= time.max(), 1 - survival(time, event, ones).at(horizons)[:, 0], np.nan)
    out = {"kaplan_meier": _columns(np.zeros(len(new)), np.tile(common, (len(new), 1)), settings)}
    if x.shape[1] and event.any():
        beta = fit_cox(time, event, x, ridge=1.0).coefficients
        hazard = breslow(time, event, x @ beta, horizons)
        out["covariates"] = _columns(new @ beta, -np.expm1(-np.exp(new @ beta)[:, None] * hazard), settings)
    return out


def _columns(risk: np.ndarray, p: np.ndarray, settings: Survival) -> dict[str, np.ndarray]:
    return {"prediction": risk} | {name: p[:, i] for i, name in enumerate(settings.probability_columns())}


def bins_of(section: Mapping[str, Any], horizon: float) -> Sequence[Mapping[str, Any]]:
    """The groups of a horizon in the section ``horizons``; empty where there are none."""
    return section.get(f"{horizon:g}") or []
