"""How often text in a picture is found, and seen where none is: ``python -m benchmarks text --data FOLDER``.

The pictures below the folder should show no text of their own. A word, a pair of letters and a single letter are drawn
into copies of each, in one of five typefaces, white or black (whichever stands out), at 2.5 to 6 % of its height, at a
place that stands out from its ground by a third of the range. A text is found where a box covers half of it.
"""

from __future__ import annotations

import argparse
import random
import string
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from scipy.stats import binomtest

from scantune import io
from scantune.preprocess.text import Box, find_text
from scantune.records import ReadError

FACES = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
)
LETTERS = {"words": 8, "pairs": 2, "single letters": 1}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks text", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of pictures, at any depth")
    parser.add_argument("--match", default="*", help="pattern of their names")
    parser.add_argument("--most", type=int, default=200, help="pictures that are taken")
    options = parser.parse_args()
    rng = random.Random(0)
    files = sorted(path for path in options.data.rglob(options.match) if path.is_file())
    rng.shuffle(files)
    counts = {kind: [0, 0] for kind in ("none", *LETTERS)}
    for picture in _pictures(files[: options.most]):
        counts["none"][0] += bool(find_text(picture))
        counts["none"][1] += 1
        for kind, letters in LETTERS.items():
            drawn = _drawn(picture, letters, rng)
            if drawn is not None:
                counts[kind][0] += _covered(find_text(drawn[0]), drawn[1])
                counts[kind][1] += 1
    print(f"pictures in which text is seen and none is: {_share(*counts['none'])}")
    for kind in LETTERS:
        print(f"{kind} found: {_share(*counts[kind])}")
    return 0


def _pictures(files: list[Path]) -> Iterator[np.ndarray]:
    """[H, W, C] of the files that are pictures."""
    for path in files:
        try:
            content = io.read(path)
        except ReadError:
            continue
        if isinstance(content, io.Image):
            yield np.moveaxis(content.array, 0, -1)


def _drawn(picture: np.ndarray, letters: int, rng: random.Random) -> tuple[np.ndarray, Box] | None:
    """The picture with a text, and the text's box; None where no place is found that it stands out from."""
    face, thick = rng.choice(FACES), rng.choice((1, 2))
    text = "".join(rng.choice(string.ascii_uppercase + string.digits) for _ in range(letters))
    height = rng.uniform(0.025, 0.06) * picture.shape[0]
    scale = cv2.getFontScaleFromHeight(face, max(6, round(height)), thick)
    (w, h), base = cv2.getTextSize(text, face, scale, thick)
    low, high = float(picture.min()), float(picture.max())
    for _ in range(40):
        if picture.shape[1] - w < 8 or picture.shape[0] - h < 12:
            return None
        x, y = rng.randrange(4, picture.shape[1] - w - 3), rng.randrange(h + 4, picture.shape[0] - base - 3)
        ground = float(np.median(picture[y - h : y + 1, x : x + w]))
        value = high if high - ground > ground - low else low
        if abs(value - ground) * 3 > high - low:
            copy = np.array(picture, order="C")
            cv2.putText(copy, text, (x, y), face, scale, (value,) * picture.shape[2], thick, cv2.LINE_AA)
            return copy.reshape(picture.shape), Box(y - h, x, y + 1, x + w)
    return None


def _covered(boxes: list[Box], text: Box) -> bool:
    """Whether the boxes together cover half of the text's."""
    covered = np.zeros((text.bottom - text.top, text.right - text.left), bool)
    for box in boxes:
        top, left = max(0, box.top - text.top), max(0, box.left - text.left)
        covered[top : max(0, box.bottom - text.top), left : max(0, box.right - text.left)] = True
    return bool(covered.mean() >= 0.5)


def _share(hits: int, n: int) -> str:
    if not n:
        return "none were tried"
    interval = binomtest(hits, n).proportion_ci(method="wilson")
    return f"{hits} of {n} ({interval.low:.0%} to {interval.high:.0%})"


if __name__ == "__main__":
    raise SystemExit(main())
