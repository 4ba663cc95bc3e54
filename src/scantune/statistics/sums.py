"""Sums over the rows of a table: of each group of rows, and running down the rows."""

from __future__ import annotations

import math

import numpy as np


def sums_by(codes: np.ndarray, features: np.ndarray, groups: int) -> np.ndarray:
    """Sums of features float64 [n, q] over the rows of each of some groups, by codes int [n]: float64 [groups, q]."""
    out = np.zeros((groups, features.shape[1]))
    if len(codes):
        order = np.argsort(codes, kind="stable")
        ordered = codes[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        out[ordered[starts]] = np.add.reduceat(features[order], starts, axis=0)
    return out


LEAST = 1e-6
"""Sums of weights below this are 0: those without a subject come by subtraction, which leaves a rounding error."""


def ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """top / bottom of two sums of counts, or of weights that may be far below 1; NaN where nothing is in the bottom."""
    with np.errstate(all="ignore"):
        return np.where(bottom > LEAST, top / bottom, np.nan)


def cumulate(weights: np.ndarray) -> np.ndarray:
    """Running sums down the rows of weights [n, B], in place; returns it.

    In blocks of √n rows, since ``np.cumsum`` down the rows of a C-ordered array goes column by column (4 to 15 times
    slower, as measured at 10,000 × 64).
    """
    n = len(weights)
    size = max(1, math.isqrt(n))
    in_blocks = n // size * size
    blocks = weights[:in_blocks].reshape(-1, size, weights.shape[1])
    for row in range(1, size):
        blocks[:, row] += blocks[:, row - 1]
    for block in range(1, len(blocks)):
        blocks[block] += blocks[block - 1, -1]
    for row in range(max(in_blocks, 1), n):
        weights[row] += weights[row - 1]
    return weights
