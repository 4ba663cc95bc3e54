"""What annotations mark in a picture: outlines with holes, and runs of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from scantune.cohort.coco_masks import filled

Order = Literal["columns", "rows"]
_CORNERS = 72  # of an ellipse


@dataclass(frozen=True)
class Outlines:
    """Outlines of one category.

    Attributes:
        drawn: corners of each, x, y, x, y, … in pixels from the corner of the first one.
        holes: outlines of what is cut out of them.
    """

    drawn: Sequence[Sequence[float]]
    holes: Sequence[Sequence[float]] = ()

    def fault(self, shape: tuple[int, int]) -> str:
        """What is wrong on a picture of (height, width); "" for nothing."""
        height, width = shape
        for corners in (*self.drawn, *self.holes):
            x, y = np.asarray(corners, np.float64).reshape(-1, 2).T
            if not np.isfinite(x).all() or not np.isfinite(y).all():
                return "an outline with a corner that is no number"
            beyond = max(x.max() / width, y.max() / height, -x.min() / width, -y.min() / height) > 2
            if beyond or x.min() >= width or y.min() >= height or x.max() < 0 or y.max() < 0:
                where = f"x {x.min():g} to {x.max():g}, y {y.min():g} to {y.max():g}"
                return f"an outline ({where}) lies outside of the picture of {width}×{height}: of another size?"
        return ""

    def pixels(self, shape: tuple[int, int]) -> np.ndarray:
        """bool [H, W]: the pixels whose middle lies inside, as pycocotools has them.

        A hole is cut out of what is larger: an outline within it, of an island, is drawn.
        """
        if not self.holes:
            return filled(self.drawn, shape)
        inside = np.zeros(shape, bool)
        parts = [*((corners, True) for corners in self.drawn), *((corners, False) for corners in self.holes)]
        for corners, is_drawn in sorted(parts, key=lambda part: -_size(part[0])):
            inside[filled([corners], shape)] = is_drawn
        return inside


def _size(corners: Sequence[float]) -> float:
    """Area of a polygon in pixels, by the shoelace formula."""
    x, y = np.asarray(corners, np.float64).reshape(-1, 2).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


@dataclass(frozen=True)
class Runs:
    """Runs of pixels of one category, all of them within the picture.

    Attributes:
        starts: int64 [N], 0 the first pixel.
        lengths: int64 [N].
        order: whether pixels are counted down the columns or along the rows.
    """

    starts: np.ndarray
    lengths: np.ndarray
    order: Order

    def pixels(self, shape: tuple[int, int]) -> np.ndarray:
        """bool [H, W]."""
        height, width = shape
        edges = np.zeros(height * width + 1, np.int64)
        np.add.at(edges, self.starts, 1)
        np.add.at(edges, self.starts + self.lengths, -1)
        inside = np.cumsum(edges[:-1]) > 0
        return inside.reshape(height, width) if self.order == "rows" else inside.reshape(width, height).T


@dataclass(frozen=True)
class Mark:
    """What is marked.

    Attributes:
        category: its name, "" where the annotation names none.
        area: its pixels.
        place: where it stands, for messages.
    """

    category: str
    area: Outlines | Runs
    place: str = ""


@dataclass
class Annotated:
    """The annotations of one image.

    Attributes:
        image: path below the folder of images.
        name: of the image, as the annotations have it.
        marks: what is marked; none where the annotations say that nothing is.
        cells: what else they say of the image, by column.
    """

    image: str
    name: str
    marks: list[Mark] = field(default_factory=list)
    cells: dict[str, str] = field(default_factory=dict)


def rectangle(x: float, y: float, width: float, height: float) -> list[float]:
    """Corners of an upright rectangle."""
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def ellipse(x: float, y: float, across: float, down: float, turn: float = 0.0) -> list[float]:
    """Corners of an ellipse as a polygon of 72.

    Args:
        x: of its middle.
        y: of its middle.
        across: half its first axis.
        down: half its second axis.
        turn: of the first axis from x towards y, radians.
    """
    angle = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    u, v = across * np.cos(angle), down * np.sin(angle)
    corners = np.stack([x + u * np.cos(turn) - v * np.sin(turn), y + u * np.sin(turn) + v * np.cos(turn)], axis=1)
    return [float(value) for value in corners.ravel()]


def turned(corners: Sequence[float], angle: float) -> list[float]:
    """Corners turned about their middle, by radians from x towards y."""
    if not angle:
        return list(corners)
    points = np.asarray(corners, np.float64).reshape(-1, 2)
    middle, (cos, sin) = points.mean(axis=0), (np.cos(angle), np.sin(angle))
    return (middle + (points - middle) @ np.array([[cos, sin], [-sin, cos]])).ravel().tolist()


def pasted(inside: np.ndarray, left: int, top: int, shape: tuple[int, int]) -> Runs:
    """A mask of a part of a picture as runs of the whole.

    Args:
        inside: bool [h, w].
        left: column of its first pixel in the picture.
        top: row of its first pixel in the picture.
        shape: H, W of the picture.

    Raises:
        ValueError: it leaves the picture.
    """
    height, width = inside.shape
    if left < 0 or top < 0 or top + height > shape[0] or left + width > shape[1]:
        raise ValueError(
            f"a mask of {width}×{height} from x {left}, y {top} leaves the picture of {shape[1]}×{shape[0]}"
        )
    rows, columns = np.nonzero(np.diff(np.pad(inside, ((0, 0), (1, 1))).astype(np.int8), axis=1))
    edges = (rows + top) * shape[1] + columns + left
    return Runs(edges[::2].astype(np.int64), (edges[1::2] - edges[::2]).astype(np.int64), "rows")
