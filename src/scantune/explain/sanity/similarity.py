"""Similarity of two maps, and overlap of a map with a mask."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from scantune.statistics.correlation import spearman
from scantune.statistics.discrimination import pr_curve

SIDE = 32
"""Largest number of cells per axis for comparisons; finer detail is interpolation."""


def shrink(values: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Block means with at most ``side`` cells per axis; float64."""
    target = tuple(min(side, n) for n in values.shape)
    if target == values.shape:
        return values.astype(np.float64)
    pools: dict[int, Any] = {2: torch.nn.functional.adaptive_avg_pool2d, 3: torch.nn.functional.adaptive_avg_pool3d}
    return pools[values.ndim](torch.from_numpy(np.ascontiguousarray(values, np.float64))[None, None], target)[
        0, 0
    ].numpy()


def rank_correlation(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's correlation of two maps of one shape, cell by cell; −1 … 1, NaN where one is constant."""
    return float(spearman(shrink(first).ravel(), shrink(second).ravel()))


def ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Structural similarity of two maps in 0 … 1 (Wang et al. 2004, eq. 13; Gaussian window of SD 1.5); up to 1.

    Smooth maps with much empty space are similar by this metric whatever they show; interpret it with the rank
    correlation.
    """
    from scipy.ndimage import gaussian_filter

    def mean(values: np.ndarray) -> np.ndarray:
        return gaussian_filter(values, 1.5, truncate=3.5, mode="reflect")

    a, b = shrink(first), shrink(second)
    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b, cov = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2, mean(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * mean_a * mean_b + c1) * (2 * cov + c2)
    return float((top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean())


def average_precision(scores: np.ndarray, mask: np.ndarray) -> float:
    """Area under the precision–recall curve by steps, one decision per element; 0 … 1, NaN without positives.

    Elements of equal score are treated together. The expected value of a random map is the share of positives.
    """
    s, positive = scores.ravel().astype(np.float64), mask.ravel() > 0
    if not positive.any():
        return math.nan
    curve = pr_curve(s, positive)
    return float(np.diff(curve.x) @ curve.y[1:])


def points_at(scores: np.ndarray, mask: np.ndarray) -> float:
    """Pointing game (Zhang et al. 2018, section 4.2, without tolerance): is the maximum in the mask?

    With several maxima the share of them in the mask. NaN without positives.
    """
    positive = mask > 0
    return float(positive[scores == scores.max()].mean()) if positive.any() else math.nan
