"""Calibration slope and intercept: logistic regressions of the outcome on the logit of its probability."""

from __future__ import annotations

import numpy as np

from scantune.statistics.calibration import expit, logit
from scantune.statistics.resampling import Weighted
from scantune.statistics.sums import LEAST, sums_by

_STEPS = 25
_CLOSE = 1e-5
"""A Newton step this short leaves an error of its square."""

_MANY = 1000
"""Rows from which on leaving out a group is one Newton step away: the standard error differs by less than 1 %."""


def slope_statistic(probability: np.ndarray, positive: np.ndarray, rows: np.ndarray) -> Weighted:
    """``calibration_slope`` and ``calibration_intercept``, to be resampled.

    The slope is that of a logistic regression of the outcome on the logit of its probability; the intercept that of the
    same with the slope held at 1 (calibration in the large). Ideal: 1 and 0 (Van Calster et al., BMC Med 2019;17:230).

    Args:
        probability: float [n], of the positive class.
        positive: bool [n].
        rows: int [n], their rows in the table.
    """
    x = logit(probability)
    y = positive.astype(np.float64)
    start = _newton(x, y, np.ones((len(x), 1)), np.zeros((2, 1)))
    warm = np.where(np.isfinite(start), start, np.array([[0.0], [1.0]]))
    large = _newton_offset(x, y, np.ones((len(x), 1)), np.zeros(1))

    def metrics(weights: np.ndarray) -> dict[str, np.ndarray]:
        draws = weights.shape[1]
        fitted = _newton(x, y, weights, np.repeat(warm, draws, axis=1))
        offset = _newton_offset(x, y, weights, np.repeat(np.nan_to_num(large), draws))
        return {"calibration_slope": fitted[1], "calibration_intercept": offset}

    def leave_out(codes: np.ndarray, groups: int) -> dict[str, np.ndarray]:
        """One Newton step from the fit of all rows (Pregibon, Ann Stat 1981;9:705), which so many rows hardly move."""
        slope = _step_without(x, y, start[:, 0], codes, groups)
        return {"calibration_slope": slope, "calibration_intercept": _offset_without(x, y, large[0], codes, groups)}

    kinds = {"calibration_slope": "real", "calibration_intercept": "real"}
    return Weighted(rows, metrics, kinds, leave_out=leave_out if len(x) >= _MANY else None)


def _step_without(x: np.ndarray, y: np.ndarray, beta: np.ndarray, codes: np.ndarray, groups: int) -> np.ndarray:
    """Slopes [groups] of logistic regressions of y [n] on x [n] without the rows of each group, from the full fit."""
    p = expit(beta[0] + beta[1] * x)
    w, r = p * (1 - p), y - p
    sums = sums_by(codes, np.stack([r, x * r, w, x * w, x * x * w], axis=1), groups)
    g0, g1, a, b, c = (sums.sum(0) - sums).T
    with np.errstate(all="ignore"):
        return beta[1] + (a * g1 - b * g0) / (a * c - b * b)


def _offset_without(x: np.ndarray, y: np.ndarray, alpha: float, codes: np.ndarray, groups: int) -> np.ndarray:
    """Intercepts [groups] of the regression with offset x [n] without the rows of each group, from the full fit."""
    p = expit(x + alpha)
    sums = sums_by(codes, np.stack([y - p, p * (1 - p)], axis=1), groups)
    gradient, curvature = (sums.sum(0) - sums).T
    with np.errstate(all="ignore"):
        return alpha + gradient / curvature


def _newton(x: np.ndarray, y: np.ndarray, weights: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Weighted logistic regressions of y [n] on x [n], one a column of weights [n, B]: intercepts and slopes [2, B].

    NaN where it does not converge: one class, x constant or classes separated.
    """
    beta = start.copy()
    scale = weights.sum(0)
    ones, xx = np.ones_like(x), x * x
    wy, wxy, wx = y @ weights, (x * y) @ weights, x @ weights
    active = pending = np.arange(weights.shape[1])
    w = weights
    for _ in range(_STEPS):
        p = x[:, None] * (0.5 * beta[1, active])
        p += 0.5 * beta[0, active]
        np.tanh(p, out=p)  # 2 p − 1
        wp = w * p
        # Σ w y − Σ w p, with p = (1 + tanh)/2
        gradient = np.stack([wy[active] - 0.5 * (scale[active] + ones @ wp), wxy[active] - 0.5 * (wx[active] + x @ wp)])
        wp *= p
        np.subtract(w, wp, out=wp)  # 4 w p (1 − p)
        a, b, c = (0.25 * (side @ wp) for side in (ones, x, xx))
        determinant = a * c - b * b
        with np.errstate(all="ignore"):
            step = np.stack([c * gradient[0] - b * gradient[1], a * gradient[1] - b * gradient[0]]) / determinant
        step = np.where(determinant > 1e-12 * a * c, step, np.nan)
        beta[:, active] += step
        going = (np.abs(step).max(0) > _CLOSE) & (np.abs(beta[1, active]) < 1e4)
        pending = active[going]
        if not pending.size:
            break
        if going.mean() < 0.7:
            active, w = pending, w[:, going]
    else:
        beta[:, pending] = np.nan
    beta[:, (np.abs(beta[1]) >= 1e4) | (scale <= 0)] = np.nan
    return beta


def _newton_offset(x: np.ndarray, y: np.ndarray, weights: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Intercepts [B] of weighted logistic regressions with offset x [n]; NaN where there is one class only."""
    alpha = start.copy()
    wy, total = y @ weights, weights.sum(0)
    for _ in range(_STEPS):
        p = x[:, None] + alpha
        p *= 0.5
        np.tanh(p, out=p)  # 2 p − 1
        first = np.einsum("nb,nb->b", weights, p)
        p *= p
        second = total - np.einsum("nb,nb->b", weights, p)  # 4 Σ w p (1 − p)
        with np.errstate(all="ignore"):
            step = np.clip(4 * (wy - 0.5 * (total + first)) / second, -5, 5)
        alpha += step
        if not (np.abs(step) > _CLOSE).any():
            break
    return np.where((wy > LEAST) & (wy < total - LEAST), alpha, np.nan)
