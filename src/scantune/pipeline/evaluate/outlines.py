"""Outlines of reference and model on a picture, beside an enlargement of the place where they differ most."""

from __future__ import annotations

import numpy as np

from scantune.mask_codes import IGNORED

REFERENCE, MODEL = (0.34, 0.71, 0.91), (0.90, 0.62, 0.0)
"""Colours of the outlines, red, green and blue from 0 to 1."""

ENLARGED = 4
"""Magnification of the worst place."""

SMALLEST = 96
"""Longer edge from which on a picture gets an enlargement; a smaller one is large enough."""


def outlined(picture: np.ndarray, prediction: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, int]:
    """Outlines on the whole picture, and to its right the worst place enlarged.

    Args:
        picture: [H, W] or [H, W, 3], 0 … 1.
        prediction: labels [H, W].
        reference: labels [H, W]; what does not count is not drawn.

    Returns:
        [H, W, 3] and 1, or [H, 2 W, 3] and 2: the picture, and how many views it has.
    """
    rgb = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, axis=-1)
    counts = reference != IGNORED
    reference, prediction = np.where(counts, reference, 0), np.where(counts, prediction, 0)
    different = reference != prediction
    full = _drawn(rgb, reference, prediction)
    if max(different.shape) < SMALLEST or not different.any():
        return full, 1
    box = worst_place(different)
    parts = [np.repeat(np.repeat(x[box], ENLARGED, axis=0), ENLARGED, axis=1) for x in (rgb, reference, prediction)]
    zoom = np.zeros_like(full)
    drawn = _drawn(parts[0], parts[1], parts[2], width=2)[: full.shape[0], : full.shape[1]]
    zoom[: drawn.shape[0], : drawn.shape[1]] = drawn
    _frame(full, box)
    return np.concatenate([full, zoom], axis=1), 2


def worst_place(different: np.ndarray) -> tuple[slice, slice]:
    """The window of a quarter of each edge with the most pixels that differ.

    Args:
        different: bool [H, W], with at least one True.
    """
    edges = [max(1, -(-length // ENLARGED)) for length in different.shape]
    sums = np.pad(different, ((1, 0), (1, 0))).astype(np.int64).cumsum(axis=0).cumsum(axis=1)
    h, w = edges
    inside = sums[h:, w:] - sums[:-h, w:] - sums[h:, :-w] + sums[:-h, :-w]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(top), int(top) + h), slice(int(left), int(left) + w)


def _drawn(rgb: np.ndarray, reference: np.ndarray, prediction: np.ndarray, width: int = 1) -> np.ndarray:
    drawn = np.array(rgb, dtype=np.float64)
    for mask, colour in ((reference, REFERENCE), (prediction, MODEL)):
        drawn[_edge(mask, width)] = colour
    return drawn


def _edge(mask: np.ndarray, width: int) -> np.ndarray:
    """Pixels of a labelled mask [H, W] within ``width`` of a pixel of another label or of the picture's edge."""
    inner, edge = np.pad(mask, width), np.zeros(mask.shape, bool)
    rows, columns = mask.shape
    for step in range(1, width + 1):
        for down, right in ((-step, 0), (step, 0), (0, -step), (0, step)):
            top, left = width + down, width + right
            edge |= inner[top : top + rows, left : left + columns] != mask
    return edge & (mask > 0)


def _frame(picture: np.ndarray, box: tuple[slice, slice]) -> None:
    """A white line around a window."""
    rows, columns = box
    last_row, last_column = rows.stop - 1, columns.stop - 1
    picture[rows.start, columns] = picture[last_row, columns] = 1.0
    picture[rows, columns.start] = picture[rows, last_column] = 1.0
