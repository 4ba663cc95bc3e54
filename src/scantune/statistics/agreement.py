"""Agreement of two measurements of one quantity: errors, limits of agreement (Bland–Altman), correlation.

The difference is always prediction − target (second − first).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scantune.statistics.correlation import CONSTANT, constant
from scantune.statistics.distributions import t_quantile
from scantune.statistics.resampling import Sums

LIMIT = 1.96
"""Limits of agreement are bias ± 1.96 SD."""

ROUNDING = 1e-9
"""Errors count as above a limit from this on beyond it."""


_KINDS = {
    **dict.fromkeys(("pearson_r", "ccc", "icc_2_1"), "correlation"),
    **dict.fromkeys(("bland_altman_bias", "bland_altman_slope"), "real"),
    **dict.fromkeys(("rmse", "bland_altman_sd"), "root_of_squares"),
    "bland_altman_lower": "lower_limit",
    "bland_altman_upper": "upper_limit",
    "mae": "positive",
    "r2": "below_one",
    "clinical_error_rate": "share",
}


def error_statistic(target: np.ndarray, prediction: np.ndarray, rows: np.ndarray, significant: float) -> Sums:
    """Errors, correlation and agreement of target [n] and prediction [n], from sums of products.

    Figures: ``mae rmse r2 pearson_r ccc icc_2_1 bland_altman_bias bland_altman_sd bland_altman_lower
    bland_altman_upper bland_altman_slope clinical_error_rate``.

    Args:
        target: float [n].
        prediction: float [n].
        rows: int [n], their rows in the table.
        significant: absolute errors above this are clinically significant.
    """
    centre_x, centre_y = target.mean(), prediction.mean()
    # Centred, so that the variances below do not cancel.
    x, y, error = target - centre_x, prediction - centre_y, prediction - target
    beyond = np.abs(error) > significant + ROUNDING
    features = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y, np.abs(error), error**2, beyond], axis=1)
    shift = centre_y - centre_x
    return Sums(
        rows,
        features,
        lambda sums: _error_figures(sums, shift),
        kinds=_KINDS,
        shares=lambda sums: {"clinical_error_rate": [(sums[..., 8], sums[..., 0])]},
    )


def _variance(square: np.ndarray, mean: np.ndarray) -> np.ndarray:
    variance = square - mean**2
    return np.where(variance > CONSTANT * square, variance, 0.0)


def _error_figures(sums: np.ndarray, shift: float) -> dict[str, np.ndarray]:
    n = sums[..., 0]
    mean_x, mean_y, xx, yy, xy, absolute, squared, beyond = (sums[..., i] / n for i in range(1, 9))
    var_x, var_y, cov = _variance(xx, mean_x), _variance(yy, mean_y), xy - mean_x * mean_y
    bias = mean_y - mean_x + shift
    var_d = np.maximum(var_x + var_y - 2 * cov, 0.0)
    sd = np.sqrt(np.where(n > 1, var_d * n / (n - 1), np.nan))
    var_mean = (var_x + var_y + 2 * cov) / 4
    return {
        "mae": absolute,
        "rmse": np.sqrt(squared),
        "r2": np.where(var_x > 0, 1 - squared / var_x, np.nan),
        "pearson_r": np.where((var_x > 0) & (var_y > 0), np.clip(cov / np.sqrt(var_x * var_y), -1, 1), np.nan),
        "ccc": np.where(var_x + var_y > 0, 2 * cov / (var_x + var_y + bias**2), np.nan),
        "icc_2_1": _icc_of_two(n, var_x, var_y, cov, bias),
        "bland_altman_bias": bias,
        "bland_altman_sd": sd,
        "bland_altman_lower": bias - LIMIT * sd,
        "bland_altman_upper": bias + LIMIT * sd,
        "bland_altman_slope": np.where(var_mean > ROUNDING * (var_x + var_y), (var_y - var_x) / 2 / var_mean, np.nan),
        "clinical_error_rate": beyond,
    }


def _icc_of_two(n: np.ndarray, var_x: np.ndarray, var_y: np.ndarray, cov: np.ndarray, bias: np.ndarray) -> np.ndarray:
    rows = n / (n - 1) * (var_x + var_y + 2 * cov) / 2  # mean square between subjects
    error = n / (n - 1) * (var_x + var_y - 2 * cov) / 2  # residual mean square
    columns = n * bias**2 / 2  # mean square between the two measurements
    bottom = rows + error + 2 * (columns - error) / n
    return np.where((bottom > 0) & (n > 1) & (var_x + var_y > 0), (rows - error) / bottom, np.nan)


@dataclass(frozen=True)
class BlandAltman:
    """Bias and limits of agreement with analytic intervals (Bland & Altman, Lancet 1986; i:307).

    Attributes:
        bias: mean of second − first.
        sd: SD of the differences (n − 1).
        lower: lower limit, bias − 1.96 SD.
        upper: upper limit, bias + 1.96 SD.
        bias_interval: of the bias, by Student's t.
        lower_interval: of the lower limit, by Student's t and the paper's standard error √(3 s²/n).
        upper_interval: of the upper limit.
        limit_error: that standard error.
        slope: of the difference on the mean of the two: proportional bias.
        slope_interval: of the slope, by Student's t with n − 2 degrees of freedom.
    """

    bias: float
    sd: float
    lower: float
    upper: float
    bias_interval: tuple[float, float]
    lower_interval: tuple[float, float]
    upper_interval: tuple[float, float]
    limit_error: float
    slope: float
    slope_interval: tuple[float, float]


def bland_altman(first: np.ndarray, second: np.ndarray, confidence: float = 0.95) -> BlandAltman:
    """Bias and limits of agreement of second − first, [n] each, one pair a subject.

    Raises:
        ValueError: fewer than 3 pairs.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    n = len(first)
    if n < 3:
        raise ValueError(f"Bland–Altman analysis of {n} pairs: at least 3 are needed")
    difference = second - first
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    t = t_quantile((1 + confidence) / 2, n - 1)
    error = math.sqrt(3 * sd * sd / n)

    def around(centre: float, half: float) -> tuple[float, float]:
        return centre - half, centre + half

    slope, slope_error = _slope((first + second) / 2, difference)
    return BlandAltman(
        bias=bias,
        sd=sd,
        lower=bias - LIMIT * sd,
        upper=bias + LIMIT * sd,
        bias_interval=around(bias, t * sd / math.sqrt(n)),
        lower_interval=around(bias - LIMIT * sd, t * error),
        upper_interval=around(bias + LIMIT * sd, t * error),
        limit_error=error,
        slope=slope,
        slope_interval=around(slope, t_quantile((1 + confidence) / 2, n - 2) * slope_error),
    )


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Least-squares slope of y on x and its standard error; NaN where x is constant."""
    if constant(x):
        return math.nan, math.nan
    x, y = x - x.mean(), y - y.mean()
    spread = float((x * x).sum())
    slope = float((x * y).sum()) / spread
    residual = float(((y - slope * x) ** 2).sum())
    return slope, math.sqrt(residual / (len(x) - 2) / spread)


def repeated_statistic(target: np.ndarray, prediction: np.ndarray, subjects: np.ndarray, rows: np.ndarray) -> Sums:
    """Limits of agreement where subjects repeat and the true value may change between their samples.

    The variance of a single difference is that between subjects plus that within (Bland & Altman, J Biopharm Stat
    2007;17:571, section 3). Figures: ``bland_altman_bias bland_altman_sd bland_altman_lower bland_altman_upper``.

    Args:
        target: float [n].
        prediction: float [n].
        subjects: [n].
        rows: int [n], their rows in the table.
    """
    _, first, codes = np.unique(subjects, return_index=True, return_inverse=True)
    difference = prediction - target
    centre = difference.mean()
    d = difference - centre
    m = np.bincount(codes).astype(np.float64)
    total = np.bincount(codes, d)
    features = np.stack([np.ones_like(m), m, m * m, total, np.bincount(codes, d * d), total**2 / m], axis=1)

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        s, n, squares, sum_d, sum_dd, between = (sums[..., i] for i in range(6))
        within = np.maximum(sum_dd - between, 0.0) / (n - s)
        among = np.maximum(between - sum_d**2 / n, 0.0) / (s - 1)
        effective = (n - squares / n) / (s - 1)  # mean number of samples a subject, weighted
        sd = np.sqrt(within + np.maximum((among - within) / effective, 0.0))
        sd = np.where((n > s) & (s > 1), sd, np.nan)
        bias = sum_d / n + centre
        return {
            "bland_altman_bias": bias,
            "bland_altman_sd": sd,
            "bland_altman_lower": bias - LIMIT * sd,
            "bland_altman_upper": bias + LIMIT * sd,
        }

    return Sums(rows[first], features, figures, samples=len(rows), kinds=_KINDS)
