"""Masks in which areas seem to be drawn as outlines that were not filled."""

from __future__ import annotations

import numpy as np

_WIDEST = 5  # pixels across a line that counts as drawn
_THICK = 0.03  # of the lines' pixels, at corners and crossings
_ENCLOSED = 2.0  # times the area of the lines
_CLOSED = 0.8  # of the lines' pixels, which belong to what they enclose; branches of vessels do not


def outline_notes(mask: np.ndarray) -> list[str]:
    """A note where all that is marked in [H, W] is thin closed lines that enclose more than they mark; else none."""
    import cv2

    marked = ((mask > 0) & (mask < 255)).astype(np.uint8)
    square = np.ones((_WIDEST, _WIDEST), np.uint8)
    drawn = int(marked.sum())
    if not drawn or int(cv2.erode(marked, square, borderValue=0).sum()) > _THICK * drawn:
        return []
    outlines, _ = cv2.findContours(marked, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(marked), outlines, -1, 1, cv2.FILLED)
    areas = cv2.morphologyEx(filled, cv2.MORPH_OPEN, square, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    enclosed = int(filled.sum())
    if enclosed < _ENCLOSED * drawn or int(marked[areas > 0].sum()) < _CLOSED * drawn:
        return []
    return [
        f"the mask marks {drawn} pixels in thin lines around {enclosed - drawn} others: are they outlines of areas "
        "that should be filled?"
    ]
