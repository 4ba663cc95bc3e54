"""Reliability of repeated measurements: intraclass and concordance correlation, repeatability."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from scantune.statistics.agreement import LIMIT
from scantune.statistics.correlation import CONSTANT
from scantune.statistics.distributions import chi2_quantile, f_quantile
from scantune.statistics.estimate import Estimate
from scantune.statistics.resampling import Sums


@dataclass(frozen=True)
class Icc:
    """An intraclass correlation with its interval."""

    value: float
    lower: float
    upper: float


def icc(ratings: np.ndarray, confidence: float = 0.95) -> dict[str, Icc]:
    """ICC(1,1), ICC(2,1) and ICC(3,1) (Shrout & Fleiss, Psychol Bull 1979;86:420).

    Args:
        ratings: float [n, k], n subjects by k raters, none missing.
        confidence: level of the intervals.

    Returns:
        ``icc_1_1``, ``icc_2_1``, ``icc_3_1``; NaN where the ratings do not vary.

    Raises:
        ValueError: fewer than 2 subjects or raters, or a rating that is not finite.
    """
    ratings = np.asarray(ratings, np.float64)
    if ratings.ndim != 2 or min(ratings.shape) < 2 or not np.isfinite(ratings).all():
        raise ValueError(f"ratings {ratings.shape}: finite numbers of at least 2 subjects by 2 raters are needed")
    n, k = ratings.shape
    grand = ratings.mean()
    between = k * ((ratings.mean(1) - grand) ** 2).sum()
    raters = n * ((ratings.mean(0) - grand) ** 2).sum()
    total = ((ratings - grand) ** 2).sum()
    if total <= CONSTANT * (ratings**2).sum():
        return dict.fromkeys(("icc_1_1", "icc_2_1", "icc_3_1"), Icc(math.nan, math.nan, math.nan))
    squares = _Squares(
        n=n,
        k=k,
        rows=float(between / (n - 1)),
        columns=float(raters / (k - 1)),
        error=float(max(total - between - raters, 0.0) / ((n - 1) * (k - 1))),
        within=float((total - between) / (n * (k - 1))),
    )
    return {
        "icc_1_1": _icc_ratio(squares.rows, squares.within, k, n - 1, n * (k - 1), confidence),
        "icc_2_1": _icc_agreement(squares, confidence),
        "icc_3_1": _icc_ratio(squares.rows, squares.error, k, n - 1, (n - 1) * (k - 1), confidence),
    }


def icc_statistic(ratings: np.ndarray, rows: np.ndarray, name: str = "icc_2_1") -> Sums:
    """ICC(2,1) of raters, to be resampled by subject: samples of one subject are not independent.

    Args:
        ratings: float [n, k], n samples by k raters, none missing.
        rows: int [n], their rows in the table.
        name: of the metric.
    """
    k = ratings.shape[1]
    centred = ratings - ratings.mean()
    total = centred.sum(1, keepdims=True)
    features = np.concatenate([np.ones((len(rows), 1)), centred, total**2, (centred**2).sum(1, keepdims=True)], axis=1)

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        n, by_rater, of_rows, squares = sums[..., 0], sums[..., 1:-2], sums[..., -2], sums[..., -1]
        correction = by_rater.sum(-1) ** 2 / (n * k)
        between, raters = of_rows / k - correction, (by_rater**2).sum(-1) / n - correction
        error = np.maximum(squares - correction - between - raters, 0.0) / ((n - 1) * (k - 1))
        rows_square, columns = between / (n - 1), raters / (k - 1)
        bottom = rows_square + (k - 1) * error + k * (columns - error) / n
        varies = (n > 1) & (squares - correction > CONSTANT * squares) & (bottom > 0)
        return {name: np.where(varies, (rows_square - error) / bottom, np.nan)}

    return Sums(rows, features, figures, kinds={name: "correlation"})


@dataclass(frozen=True)
class _Squares:
    """Mean squares of an n by k table."""

    n: int
    k: int
    rows: float
    columns: float
    error: float
    within: float


def _icc_ratio(rows: float, error: float, k: int, df1: int, df2: int, confidence: float) -> Icc:
    if error <= 0:
        return Icc(1.0, math.nan, math.nan)
    f = rows / error
    p = (1 + confidence) / 2
    low, high = f / f_quantile(p, df1, df2), f * f_quantile(p, df2, df1)
    return Icc((f - 1) / (f + k - 1), (low - 1) / (low + k - 1), (high - 1) / (high + k - 1))


def _icc_agreement(s: _Squares, confidence: float) -> Icc:
    """ICC(2,1) with the interval of Shrout & Fleiss, p. 424, by Satterthwaite's degrees of freedom."""
    n, k = s.n, s.k
    value = (s.rows - s.error) / (s.rows + (k - 1) * s.error + k * (s.columns - s.error) / n)
    if s.error <= 0:
        return Icc(value, math.nan, math.nan)
    fj = s.columns / s.error
    top = (k - 1) * (n - 1) * (k * value * fj + n * (1 + (k - 1) * value) - k * value) ** 2
    bottom = (n - 1) * k**2 * value**2 * fj**2 + (n * (1 + (k - 1) * value) - k * value) ** 2
    if bottom <= 0:
        return Icc(value, math.nan, math.nan)
    df = top / bottom
    p = (1 + confidence) / 2
    upper_f, lower_f = f_quantile(p, n - 1, df), f_quantile(p, df, n - 1)
    rest = k * s.columns + (k * n - k - n) * s.error
    lower = n * (s.rows - upper_f * s.error) / (upper_f * rest + n * s.rows)
    upper = n * (lower_f * s.rows - s.error) / (rest + n * lower_f * s.rows)
    return Icc(value, lower, upper)


def repeatability(values: np.ndarray, groups: np.ndarray, factor: float = LIMIT, confidence: float = 0.95) -> Estimate:
    """Repeatability coefficient: two measurements of the same differ by less in 95 % of pairs.

    ``factor`` · √2 · within-group SD (Bland & Altman, Stat Methods Med Res 1999;8:135; the 1986 paper takes 2 for
    1.96). The interval is that of the within-group variance, by the chi-squared distribution.

    Args:
        values: float [n].
        groups: [n], equal for measurements of the same.
        factor: of the SD of a difference.
        confidence: level of the interval.
    """
    _, codes = np.unique(groups, return_inverse=True)
    counts = np.bincount(codes)
    df = int((counts - 1).sum())
    repeated = int((counts > 1).sum())
    n = int(counts[counts > 1].sum())
    if df < 1:
        return Estimate(None, n=0, n_subjects=0, reason="nothing was measured twice")
    means = np.bincount(codes, values) / counts
    within = float(((values - means[codes]) ** 2).sum()) / df
    if within <= CONSTANT * float((values**2).mean()):
        return Estimate(0.0, n=n, n_subjects=repeated, reason="no interval: all repeats give the same value")
    value = factor * math.sqrt(2 * within)
    return Estimate(value, n=n, n_subjects=repeated, **_chi2_bounds(value, df, confidence))


def _chi2_bounds(value: float, df: int, confidence: float) -> dict[str, Any]:
    if df < 4:
        return {"reason": f"no interval: {df} repeats, at least 4 are needed"}
    lower, upper = (value * math.sqrt(df / chi2_quantile(p, df)) for p in ((1 + confidence) / 2, (1 - confidence) / 2))
    return {"lower": lower, "upper": upper, "method": "chi-squared of the within variance"}
