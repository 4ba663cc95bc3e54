"""Text burned into stills: detected by its shape and blanked.

Letters are small, thin, of full contrast and stand in rows. What is blanked is the box of a row of three or more such
shapes; of two, and of a single one (the L or R of a side marker), where they are of the picture's extreme grey and end
at a sharp edge, as nothing in a body does.

Measured on 158 pictures (24 of pydicom's test files, 58 synthetic films, 38 angiograms, 38 cells) with text drawn into
them in five typefaces, white or black, at 2.5 to 6 % of their height and where it stands out from its ground by a third
of the range: found were 68 % of the words (107 of 158; 95 % interval 60 to 74 %), 59 % of pairs of letters (94 of 158;
52 to 67 %) and 50 % of single ones (158 of 316; 45 to 55 %). What is missed is mostly less than nine pixels high: of
single letters in the cells, pictures 96 pixels high, 1 of 76 was found, in the others 157 of 240. So a third of the
words is missed, and handwriting and text larger than a tenth of the picture too; `scantune check` shows what is left.
The thresholds were chosen on these same pictures, so others may fare somewhat worse.

What is no text is seldom taken for it: a box lay in 25 of 312 angiograms (where vessels branch, or noise is strong) and
8 of 398 pictures of cells, which hold none; the side markers of 188 of 247 films were found. A rule that would spare
them all (one crisp letter a row) loses the grey text on the screens of ultrasound machines.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MIN_LETTERS = 3
MIN_HEIGHT = 5  # pixels; below that nobody can read it
LONE_HEIGHT = 7
SOLID = 0.9
THICK = 0.6  # of the height, strokes
LONGEST = 15  # heights, of letters that touch
MANY = 400  # so many shapes are texture, not letters
CONTRAST = 0.2  # of the picture's range, between letter and ground
EXTREME = 0.9  # of the picture's range: the grey of letters that need no others beside them
DROP = 0.2  # of the picture's range, two pixels beside such a letter


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
    boxes = [box for plane in (even, 255 - even) for box in _lines(_letters(plane), even.shape)]
    return sorted(set(boxes), key=lambda box: (box.top, box.left))


@dataclass(frozen=True)
class _Shape:
    """A shape that could be a letter, or several that touch.

    Attributes:
        left, top, width, height: its box.
        letters: how many it could be.
        crisp: it is of the picture's extreme grey all through and ends at a sharp edge, as nothing in a body does.
        alone: it could be a letter with no other beside it.
    """

    left: int
    top: int
    width: int
    height: int
    letters: int
    crisp: bool
    alone: bool


def _letters(plane: np.ndarray) -> list[_Shape]:
    """Shapes that could be bright letters in uint8 [H, W]."""
    import cv2

    size = max(9, min(plane.shape) // 20) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_RECT, (size, size))
    thin = cv2.morphologyEx(plane, cv2.MORPH_TOPHAT, kernel)
    strokes = (thin > 255 * CONTRAST).astype(np.uint8)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(strokes, connectivity=8)
    width, height, area = stats[:, 2], stats[:, 3], stats[:, 4]
    tallest = max(2 * MIN_HEIGHT, min(plane.shape) // 10)
    right = (height >= MIN_HEIGHT) & (height <= tallest) & (width <= LONGEST * height)
    right &= (area >= 0.1 * width * height) & (area > MIN_HEIGHT)
    right[0] = False  # what is no stroke
    letters = []
    for at in np.flatnonzero(right):
        x, y, w, h = (int(n) for n in stats[at, :4])
        crisp = (w > 2 * h or int(right.sum()) <= MANY) and _is_crisp(plane, labels, int(at), (x, y, w, h))
        if w <= 2 * h or crisp:
            inside = x > 0 and y > 0 and x + w < plane.shape[1] and y + h < plane.shape[0]
            alone = crisp and inside and h >= LONE_HEIGHT and 0.35 <= w / h <= 1.3
            alone = alone and _solidity(labels[y : y + h, x : x + w] == at) <= SOLID
            letters.append(_Shape(x, y, w, h, max(1, round(w / (0.9 * h))) if crisp else 1, crisp, alone))
    return letters


def _is_crisp(plane: np.ndarray, labels: np.ndarray, label: int, box: tuple[int, int, int, int]) -> bool:
    """Of one extreme grey, thin, and two pixels away everything is darker."""
    import cv2

    x, y, w, h = box
    near = np.s_[max(0, y - 4) : y + h + 4, max(0, x - 4) : x + w + 4]
    shape, grey = (labels[near] == label).astype(np.uint8), plane[near]
    full = float(np.percentile(grey[shape > 0], 75))
    if full < 255 * EXTREME:
        return False
    around = cv2.dilate(shape, np.ones((7, 7), np.uint8)) - cv2.dilate(shape, np.ones((5, 5), np.uint8))
    around[labels[near] > 0] = 0  # the next letter
    if not around.any() or float((grey[around > 0] < full - 255 * DROP).mean()) < 0.9:
        return False
    padded = np.pad(shape, 1)
    thick = 4 * float(cv2.distanceTransform(padded, cv2.DIST_L2, 3)[padded > 0].mean())  # a strip's width; discs more
    if thick > max(4.0, THICK * h):
        return False
    middle = padded[(padded.shape[0] - h) // 2 :][: h + 1].astype(np.int8)
    strokes = float((np.diff(middle, axis=1) > 0).sum(axis=1).mean())  # that a row meets
    return strokes >= 0.8 * w / (0.9 * h)  # a wire is wide, but a row meets it once


def _solidity(shape: np.ndarray) -> float:
    """Share of its convex hull that a shape fills: dots and bars all, letters less."""
    import cv2

    places = np.argwhere(shape)[:, ::-1].astype(np.int32)
    hull = cv2.fillConvexPoly(np.zeros(shape.shape, np.uint8), cv2.convexHull(places), 1)
    return float(shape.sum()) / float(hull.sum())


def _lines(letters: list[_Shape], shape: tuple[int, ...]) -> list[Box]:
    """Rows of letters of like height on one baseline with gaps of less than two heights."""
    boxes = []
    left = sorted(letters, key=lambda letter: letter.left)
    while left:
        line = [left.pop(0)]
        rest = []
        for letter in left:
            last, h = line[-1], letter.height
            below = abs((letter.top + h) - (last.top + last.height))
            like = 0.5 <= h / last.height <= 2.0 and below <= 0.4 * max(h, last.height)
            if like and letter.left - (last.left + last.width) <= 2 * max(h, last.height):
                line.append(letter)
            else:
                rest.append(letter)
        left = rest
        count = sum(letter.letters for letter in line)
        crisp = sum(letter.letters for letter in line if letter.crisp)
        if count >= MIN_LETTERS or crisp >= 2 or any(letter.alone for letter in line):
            boxes.append(_box(line, shape))
    return boxes


def _box(line: list[_Shape], shape: tuple[int, ...]) -> Box:
    """Around the letters, a third of their height wider: dots, accents and descenders go too."""
    margin = 2 + max(letter.height for letter in line) // 3
    return Box(
        max(0, min(letter.top for letter in line) - margin),
        max(0, min(letter.left for letter in line) - 2 * margin),
        min(shape[0], max(letter.top + letter.height for letter in line) + margin),
        min(shape[1], max(letter.left + letter.width for letter in line) + 2 * margin),
    )
