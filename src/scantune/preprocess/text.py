"""Text burned into stills: found by its shape and blanked.

Letters are small, thin, of full contrast and stand in rows. What is blanked is the box of each row of three or more
such shapes. Text larger than a tenth of the picture, single letters (the L or R of a side marker) and handwriting are
not found; `scantune check` shows what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_LETTERS = 3
MIN_HEIGHT = 5  # pixels; below that nobody can read it
CONTRAST = 0.2  # of the picture's range, between letter and ground


@dataclass(frozen=True)
class Box:
    """Rows top … bottom and columns left … right of a line of text; bottom and right excluded."""

    top: int
    left: int
    bottom: int
    right: int


def blank_text(picture: np.ndarray) -> tuple[np.ndarray, int]:
    """The picture with each line of text replaced by the grey around it, and the number of lines.

    Args:
        picture: [H, W, C], any dtype.
    """
    boxes = find_text(picture)
    if not boxes:
        return picture, 0
    result = picture.copy()
    for box in boxes:
        ring = picture[max(0, box.top - 2) : box.bottom + 2, max(0, box.left - 2) : box.right + 2].reshape(
            -1, picture.shape[2]
        )
        low = np.percentile(ring, 25, axis=0)
        result[box.top : box.bottom, box.left : box.right] = low.astype(picture.dtype)
    return result, len(boxes)


def find_text(picture: np.ndarray) -> list[Box]:
    """Boxes of lines of text, bright on dark or dark on bright.

    Args:
        picture: [H, W, C], any dtype.
    """
    grey = picture.mean(axis=2, dtype=np.float32)
    low, high = float(grey.min()), float(grey.max())
    if not high > low:
        return []
    even = ((grey - low) * (255.0 / (high - low))).astype(np.uint8)
    found = [box for plane in (even, 255 - even) for box in _lines(_letters(plane), even.shape)]
    return sorted(set(found), key=lambda box: (box.top, box.left))


def _letters(plane: np.ndarray) -> np.ndarray:
    """(left, top, width, height) of shapes that could be letters, [N, 4]."""
    import cv2

    size = max(9, min(plane.shape) // 20) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (size, size))
    thin = cv2.morphologyEx(plane, cv2.MORPH_TOPHAT, kernel)
    strokes = (thin > 255 * CONTRAST).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(strokes, connectivity=8)
    width, height, area = stats[1:, 2], stats[1:, 3], stats[1:, 4]
    tallest = max(2 * MIN_HEIGHT, min(plane.shape) // 10)
    right = (height >= MIN_HEIGHT) & (height <= tallest) & (width <= 2 * height) & (area >= 0.1 * width * height)
    return stats[1:][right & (area > MIN_HEIGHT)][:, :4]


def _lines(letters: np.ndarray, shape: tuple[int, ...]) -> list[Box]:
    """Rows of letters of like height on one baseline with gaps of less than two heights."""
    boxes = []
    left = letters[np.argsort(letters[:, 0], kind="stable")].tolist()
    while left:
        line = [left.pop(0)]
        rest = []
        for letter in left:
            x, y, _, h = letter
            last = line[-1]
            like = 0.5 <= h / last[3] <= 2.0 and abs((y + h) - (last[1] + last[3])) <= 0.4 * max(h, last[3])
            if like and x - (last[0] + last[2]) <= 2 * max(h, last[3]):
                line.append(letter)
            else:
                rest.append(letter)
        left = rest
        if len(line) >= MIN_LETTERS:
            boxes.append(_box(line, shape))
    return boxes


def _box(line: list[list[int]], shape: tuple[int, ...]) -> Box:
    """Around the letters, a third of their height wider: dots, accents and descenders go too."""
    margin = 2 + max(h for *_, h in line) // 3
    return Box(
        max(0, min(y for _, y, _, _ in line) - margin),
        max(0, min(x for x, *_ in line) - 2 * margin),
        min(shape[0], max(y + h for _, y, _, h in line) + margin),
        min(shape[1], max(x + w for x, _, w, _ in line) + 2 * margin),
    )
