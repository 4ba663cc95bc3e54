"""Text burned into stills: detected by its shape and blanked.

Letters are small, thin, of full contrast and stand in rows. What is blanked is the box of a row of three or more such
shapes; of two, and of a single one (the L or R of a side marker), where they are of the picture's extreme grey and end
at a sharp edge, as nothing in a body does.

Measured by ``python -m benchmarks text``, which draws text into pictures without any (five typefaces, 2.5 to 6 % of the
height, a third of the range above or below its ground). Found were, of words, pairs of letters and single letters:

====================================== ============= ============= ============= ========================
pictures                               words         pairs         single        no text, but a box there
====================================== ============= ============= ============= ========================
40 retinal photographs, 584 × 565      40 of 40      40 of 40      35 of 40      0 of 40 (was 9)
100 white blood cells, 300 × 300       83 of 100     83 of 100     70 of 100     15 of 100 (was 77)
150 white blood cells, 120 × 120       21 of 150     5 of 150      0 of 150      0 of 150 (was 2)
====================================== ============= ============= ============= ========================

What is less than nine pixels high is missed. Of 60 chest films at 448 × 448, looked at one by one, 58 show markers:
something of them was found on 38 (was 21), on all six with printed words; on 2 of 60 a box lay elsewhere, on a ring
and on a wire. Of 120 synthetic angiograms none had a box. The thresholds were chosen on these same pictures, so others
may fare worse; lead letters on bright ground, handwriting and text larger than a tenth of the picture are missed.
`scantune check` shows what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import numpy as np

MIN_LETTERS = 3
LONG_ROW = 6  # letters from which a row may be faint
CLEAR = 0.55  # contrast of shorter rows: texture in nuclei has 0.36 (95 % of it below 0.54), text 0.81 (5 % below 0.51)
MIN_HEIGHT = 5  # pixels; below that nobody can read it
LONE_HEIGHT = 7
SOLID = 0.9
THICK = 0.6  # of the height, strokes
LONGEST = 15  # heights, of letters that touch
MANY = 400  # so many shapes are texture, not letters
CONTRAST = 0.2  # of the picture's range, between letter and ground
EXTREME = 0.75  # of the picture's range: the grey of letters that need no others beside them
EXTREME_IN_COLOUR = 0.9  # the same in coloured pictures, whose stains and granules are of high contrast too
COLOUR = 12  # of 255, by which channels differ in a fifth of the pixels of a coloured picture
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
    extreme = EXTREME_IN_COLOUR if _coloured(picture, high - low) else EXTREME
    boxes = [box for plane in (even, 255 - even) for box in _lines(_letters(plane, extreme), even.shape)]
    return sorted(set(boxes), key=lambda box: (box.top, box.left))


def _coloured(picture: np.ndarray, span: float) -> bool:
    """Whether a picture has colours: its channels differ in a fifth of its pixels, unlike those of a film in RGB."""
    if picture.shape[2] < 3:
        return False
    values = picture[::4, ::4, :3].astype(np.float32)  # every fourth pixel suffices
    return bool(np.percentile(values.max(axis=2) - values.min(axis=2), 80) > span * COLOUR / 255)


@dataclass(frozen=True)
class _Shape:
    """A shape that could be a letter, or several that touch.

    Attributes:
        left, top, width, height: its box.
        letters: how many it could be.
        crisp: it is of the picture's extreme grey all through and ends at a sharp edge, as nothing in a body does.
        alone: it could be a letter with no other beside it.
        contrast: between its strokes and the ground, of the picture's range.
    """

    left: int
    top: int
    width: int
    height: int
    letters: int
    crisp: bool
    alone: bool
    contrast: float


def _letters(plane: np.ndarray, extreme: float) -> list[_Shape]:
    """Shapes that could be bright letters in uint8 [H, W]; crisp ones from the grey ``extreme``."""
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
        crisp = (w > 2 * h or int(right.sum()) <= MANY) and _is_crisp(plane, labels, int(at), (x, y, w, h), extreme)
        if w <= 2 * h or crisp:
            inside = x > 0 and y > 0 and x + w < plane.shape[1] and y + h < plane.shape[0]
            alone = crisp and inside and h >= LONE_HEIGHT and 0.35 <= w / h <= 1.3
            alone = alone and _solidity(labels[y : y + h, x : x + w] == at) <= SOLID
            contrast = float(thin[y : y + h, x : x + w][labels[y : y + h, x : x + w] == at].max()) / 255
            letters.append(_Shape(x, y, w, h, max(1, round(w / (0.9 * h))) if crisp else 1, crisp, alone, contrast))
    return letters


def _is_crisp(
    plane: np.ndarray, labels: np.ndarray, label: int, box: tuple[int, int, int, int], extreme: float
) -> bool:
    """Of one extreme grey, thin, and two pixels away everything is darker."""
    import cv2

    x, y, w, h = box
    near = np.s_[max(0, y - 4) : y + h + 4, max(0, x - 4) : x + w + 4]
    shape, grey = (labels[near] == label).astype(np.uint8), plane[near]
    full = float(np.percentile(grey[shape > 0], 75))
    if full < 255 * extreme:
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
        clear = count >= LONG_ROW or median(letter.contrast for letter in line) >= CLEAR
        if (count >= MIN_LETTERS and clear) or crisp >= 2 or any(letter.alone for letter in line):
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
