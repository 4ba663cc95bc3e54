"""Whether a column is, or determines, the target: such a column is not a covariate but the target itself.

A copy under another name, a linear or monotone function of the target, a recoding of its classes one to one, its value
in bands, a number whose bands are the target's classes.
"""

from __future__ import annotations

import math

import numpy as np

from scantune.statistics.correlation import pearson, spearman

CORRELATION = 0.995
"""A correlation from which on two numbers are one: 99 % of the variance is shared."""

SLIPS = 0.02
"""Share of rows that may deviate: copies are edited by hand."""

CHANCE = 1e-3
"""A split of the rows counts as the target's where fewer than this share of random splits would match."""


def determined_by(column: np.ndarray, target: np.ndarray) -> str | None:
    """Why ``column`` is no covariate of ``target``; None where it is one.

    Args:
        column: [n], float64 (missing is NaN) or text objects (missing is empty).
        target: [n], likewise.
    """
    known = _known(column) & _known(target)
    column, target = column[known], target[known]
    if len(column) < 3 or len(set(column.tolist())) < 2 or len(set(target.tolist())) < 2:
        return None
    if _texts(column) == _texts(target):
        return "is the target"
    numeric = column.dtype != object, target.dtype != object
    if all(numeric):
        return _of_numbers(column, target)
    if numeric[1]:
        return "is the target in bands" if _in_bands(_codes(column), target) else None
    if numeric[0]:
        return "determines the target's class: its bands are the classes" if _in_bands(_codes(target), column) else None
    return "determines the target's class" if _one_to_one(_codes(column), _codes(target)) else None


def _known(values: np.ndarray) -> np.ndarray:
    return np.array([v != "" for v in values], bool) if values.dtype == object else np.isfinite(values)


def _texts(values: np.ndarray) -> list[str]:
    """Values as they are compared: ``1`` and ``1.0`` are one."""
    texts = []
    for value in values.tolist():
        try:
            texts.append(f"{float(value):.12g}")
        except ValueError:
            texts.append(str(value).strip().lower())
    return texts


def _codes(values: np.ndarray) -> np.ndarray:
    return np.unique(values.astype(str), return_inverse=True)[1]


def _of_numbers(column: np.ndarray, target: np.ndarray) -> str | None:
    few = len(column) < 6  # so few rows are often in one order by chance
    r, rho = pearson(column, target), spearman(column, target)
    if abs(r) >= CORRELATION and not few:
        return f"is a linear function of the target (Pearson's r {r:.3f})"
    if abs(rho) >= CORRELATION and not few:
        return f"is a monotone function of the target (Spearman's rho {rho:.3f})"
    if _in_bands(_codes(column), target):
        return "is the target in bands"
    if _in_bands(_codes(target), column):
        return "determines the target: its bands are the target's values"
    return None


def _in_bands(level: np.ndarray, value: np.ndarray) -> bool:
    """Whether ``level`` int [n] cuts the range of ``value`` float [n] into intervals that do not overlap."""
    counts = np.bincount(level)
    if len(counts) * 2 > len(level) or not _beyond_chance(counts, len(counts)):
        return False
    middle = np.array([np.median(value[level == k]) for k in range(len(counts))])
    place = np.argsort(np.argsort(middle, kind="stable"), kind="stable")[level]  # levels in the order of their medians
    order = np.lexsort((-place, value))  # equal values in the order that speaks against it
    slips = int((place[order] != np.sort(place)).sum())
    return slips <= SLIPS * (len(level) - int(counts.max()))  # of a rare level all could slip and be few


def _one_to_one(column: np.ndarray, target: np.ndarray) -> bool:
    """Whether each level of ``column`` int [n] is of one class of ``target`` int [n]."""
    table = np.zeros((column.max() + 1, target.max() + 1), np.int64)
    np.add.at(table, (column, target), 1)
    classes = table.sum(0)
    minority = len(target) - int(classes.max())
    slips = len(target) - int(table.max(1).sum())
    return slips <= SLIPS * minority and _beyond_chance(classes, len(table))


def _beyond_chance(counts: np.ndarray, levels: int) -> bool:
    """Whether a random split of the rows into groups of ``counts`` would seldom fit ``levels`` levels."""
    counts = counts[counts > 0]
    splits = math.lgamma(counts.sum() + 1) - sum(math.lgamma(c + 1) for c in counts.tolist())
    return splits - levels * math.log(len(counts)) >= -math.log(CHANCE)
