"""Split conformal prediction: intervals and sets that cover the truth with a stated probability.

Fitted on validation, whose subjects the model has not seen in training; valid where test subjects are exchangeable with
them. Vovk, Gammerman & Shafer 2005; Lei et al., J Am Stat Assoc 2018;113:1094; sets by least ambiguous classifiers:
Sadinle, Lei & Wasserman, J Am Stat Assoc 2019;114:223; per group (Mondrian): Vovk 2012. Where subjects give several
samples each counts by one over their number (Dunn, Wasserman & Ramdas, J Am Stat Assoc 2023;118:2491).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from scantune.statistics.distributions import beta_quantile

SLACK = 1e-6
"""Probabilities that differ by less are the same, so that the sample whose score is the quantile has the same set in
another batch, and served."""


def rank(n: int, miscoverage: float) -> int:
    """k = ⌈(n + 1)(1 − α)⌉: the k-th smallest of n scores is the quantile; above n there is none."""
    return math.ceil((n + 1) * (1 - miscoverage) - 1e-9)


def expected_coverage(n: int, miscoverage: float) -> float:
    """Mean coverage over calibration sets of ``n``: k / (n + 1); 1 where the quantile is infinite."""
    return min(1.0, rank(n, miscoverage) / (n + 1))


def coverage_range(n: int, miscoverage: float, confidence: float = 0.95) -> tuple[float, float]:
    """Where the coverage lies for this share of calibration sets of ``n``: quantiles of Beta(k, n + 1 − k)."""
    k = rank(n, miscoverage)
    if k > n:
        return 1.0, 1.0
    tail = (1 - confidence) / 2
    return beta_quantile(tail, k, n + 1 - k), beta_quantile(1 - tail, k, n + 1 - k)


def quantile(scores: np.ndarray, miscoverage: float, subjects: np.ndarray | None = None) -> float:
    """The conformal quantile of nonconformity scores [n]; infinite where there are too few.

    Args:
        scores: float [n]; larger is less conforming.
        miscoverage: α.
        subjects: [n]; None: each score is of a different subject.
    """
    if not len(scores):
        return math.inf
    order = np.argsort(scores, kind="stable")
    if subjects is None:
        weights, n = np.ones(len(scores)), len(scores)
    else:
        _, codes, counts = np.unique(subjects, return_inverse=True, return_counts=True)
        weights, n = 1 / counts[codes], len(counts)
    k = rank(n, miscoverage)
    if k > n:
        return math.inf
    reached = np.cumsum(weights[order]) >= k - 1e-9
    return float(scores[order][int(np.argmax(reached))]) if reached.any() else math.inf


def fit(
    scores: np.ndarray,
    miscoverage: float,
    subjects: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> dict[str, Any]:
    """Quantiles of scores [n], of all and of each group, as JSON-serialisable values; an infinite one is None.

    Args:
        scores: float [n].
        miscoverage: α.
        subjects: [n].
        groups: text [n]: a quantile for each of them too.
    """
    subjects = np.arange(len(scores)) if subjects is None else np.asarray(subjects)
    out = _one(scores, miscoverage, subjects) | {"miscoverage": miscoverage}
    if groups is not None:
        levels = sorted(set(groups.tolist()))
        out["groups"] = {g: _one(scores[groups == g], miscoverage, subjects[groups == g]) for g in levels}
    return out


def _one(scores: np.ndarray, miscoverage: float, subjects: np.ndarray) -> dict[str, Any]:
    n = len(np.unique(subjects))
    threshold = quantile(scores, miscoverage, subjects)
    lower, upper = coverage_range(n, miscoverage)
    return {
        "quantile": threshold if math.isfinite(threshold) else None,
        "n_subjects": n,
        "expected_coverage": expected_coverage(n, miscoverage),
        "coverage_lower": lower,
        "coverage_upper": upper,
    }


def at_level(fitted: Mapping[str, Any], confidence: float) -> dict[str, Any]:
    """What was fitted, with the range of the coverage at another level.

    Args:
        fitted: of :func:`fit`.
        confidence: the level; that of :func:`fit` is .95.
    """
    out = dict(fitted)
    if "groups" in fitted:
        of_groups = {
            g: at_level({**one, "miscoverage": fitted["miscoverage"]}, confidence)
            for g, one in fitted["groups"].items()
        }
        out["groups"] = {g: {k: v for k, v in one.items() if k != "miscoverage"} for g, one in of_groups.items()}
    if "n_subjects" in fitted and "miscoverage" in fitted:
        lower, upper = coverage_range(fitted["n_subjects"], fitted["miscoverage"], confidence)
        out |= {"coverage_lower": lower, "coverage_upper": upper}
    return out


def quantiles_for(fitted: Mapping[str, Any], n: int, groups: np.ndarray | None = None) -> np.ndarray:
    """The quantile that applies to each of ``n`` rows: their group's where ``groups`` [n] is given, else that of all.

    A group that was not seen in fitting has the infinite one: nothing is promised for it.
    """
    if groups is None:
        return np.full(n, _value(fitted))
    by_group = fitted.get("groups", {})
    return np.array([_value(by_group[g]) if g in by_group else math.inf for g in groups])


def _value(fitted: Mapping[str, Any]) -> float:
    return math.inf if fitted["quantile"] is None else float(fitted["quantile"])


def interval_scores(target: np.ndarray, prediction: np.ndarray, scale: np.ndarray | None = None) -> np.ndarray:
    """Scores of a regression: |error|, or |error| / scale where the model states its own spread (``prediction_sd``)."""
    error = np.abs(prediction - target)
    return error if scale is None else error / np.maximum(scale, 1e-12)


def intervals(
    prediction: np.ndarray, quantiles: np.ndarray, scale: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds [n] of predictions [n]; infinite where the quantile is."""
    half = quantiles if scale is None else quantiles * np.maximum(scale, 1e-12)
    return prediction - half, prediction + half


def set_scores(probabilities: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Scores of a classification: one less the probability of the true class. [n]"""
    return 1 - probabilities[np.arange(len(target)), target]


def sets(probabilities: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Which classes are in each row's set, bool [n, K]; a set may be empty or hold all."""
    return 1 - probabilities <= quantiles[:, None] + SLACK
