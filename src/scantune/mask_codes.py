"""The numbers in a prepared mask: one label for each pixel, or one bit for each of several labels that may overlap."""

from __future__ import annotations

import numpy as np

IGNORED = 255
"""Pixels that count neither in the loss nor in any metric: not annotated, uncertain, or outside the region."""

IGNORE = "ignore"
"""The word for them in ``params.yaml``."""

PAINTED = 255
"""What painting programs write for "marked"."""

MOST_OVERLAPPING = 7
"""Labels that may overlap in one mask of eight bits, whose last bit stands for pixels that do not count."""


def code_of(label: int, overlapping: bool) -> int:
    """The number of a label's pixels: the label, or its bit (1, 2, 4 … for the labels 1, 2, 3 …)."""
    return 1 << (label - 1) if overlapping else label


def plane(mask: np.ndarray, label: int, overlapping: bool = False) -> np.ndarray:
    """Where a label is marked, bool of the mask's shape."""
    if not overlapping:
        return mask == label
    return (mask & np.uint8(code_of(label, True)) > 0) & (mask != IGNORED)


def marked(mask: np.ndarray) -> np.ndarray:
    """Where any label is marked, bool of the mask's shape."""
    return (mask > 0) & (mask != IGNORED)


def counted(mask: np.ndarray) -> np.ndarray:
    """The mask with background in the place of pixels that do not count."""
    return np.where(mask == IGNORED, np.zeros((), mask.dtype), mask)


def pixels_by_label(mask: np.ndarray, overlapping: bool = False) -> dict[int, int]:
    """Label to its number of pixels, of the labels that occur; without :data:`IGNORED`."""
    codes = np.bincount(mask.ravel(), minlength=IGNORED + 1)[:IGNORED]
    if not overlapping:
        return {int(label): int(codes[label]) for label in np.flatnonzero(codes) if label}
    numbers = np.arange(IGNORED)
    by_label = {k: int(codes[(numbers >> (k - 1)) & 1 > 0].sum()) for k in range(1, MOST_OVERLAPPING + 1)}
    return {label: count for label, count in by_label.items() if count}
