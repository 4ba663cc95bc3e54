"""Pictures resized, padded and cropped in their plane. Stills and frames share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scantune.io.upright import HALF


@dataclass(frozen=True)
class Fit:
    """Position of a picture in the target size.

    Attributes:
        resized: (height, width) that the picture is resized to.
        top, left: pixels of padding (positive) or cropping (negative) above and to the left.
        size: (height, width) of the result.
    """

    resized: tuple[int, int]
    top: int
    left: int
    size: tuple[int, int]

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Fit:
        """As :meth:`as_dict` gave it, be it through JSON."""
        resized, size = facts["resized"], facts["size"]
        return cls((resized[0], resized[1]), facts["top"], facts["left"], (size[0], size[1]))

    def as_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {"resized": list(self.resized), "top": self.top, "left": self.left, "size": list(self.size)}


def fit(shape: tuple[int, int], size: tuple[int, int] | None, how: str, pixel: Sequence[float] | None = None) -> Fit:
    """How a picture fits a size: ``pad`` and ``crop`` keep the proportions of what it shows.

    Args:
        shape: its (height, width) in pixels.
        size: (height, width) of the result; None leaves its pixels as they are.
        how: ``pad``, ``crop`` or ``stretch``.
        pixel: (height, width) of one of its pixels, any unit, where they are not square: the result's are.
    """
    if size is None:
        return Fit(shape, 0, 0, shape)
    if how == "stretch":
        return Fit(size, 0, 0, size)
    high, wide = pixel or (1.0, 1.0)
    extent = shape[0] * high / max(high, wide), shape[1] * wide / max(high, wide)
    pick = min if how == "pad" else max
    factor = pick(size[0] / extent[0], size[1] / extent[1])
    resized = (max(1, round(extent[0] * factor)), max(1, round(extent[1] * factor)))
    return Fit(resized, (size[0] - resized[0]) // 2, (size[1] - resized[1]) // 2, size)


def place(picture: np.ndarray, fitted: Fit, *, nearest: bool = False) -> np.ndarray:
    """[H, W] or [H, W, C] resized and set into the wanted size; padding is 0.

    Shrinking averages areas (no aliasing), enlarging is bilinear; ``nearest`` keeps labels whole.
    """
    height, width = fitted.resized
    picture = _resized(picture, fitted.resized, nearest).reshape(height, width, *picture.shape[2:])
    if (height, width) == fitted.size:
        return picture
    result = np.zeros((*fitted.size, *picture.shape[2:]), picture.dtype)
    to_y, from_y, rows = _overlap(fitted.top, height, fitted.size[0])
    to_x, from_x, columns = _overlap(fitted.left, width, fitted.size[1])
    result[to_y : to_y + rows, to_x : to_x + columns] = picture[from_y : from_y + rows, from_x : from_x + columns]
    return result


def _resized(picture: np.ndarray, size: tuple[int, int], nearest: bool) -> np.ndarray:
    """[H, W] or [H, W, C] of (height, width) ``size``; what OpenCV returns lacks an axis C of length 1.

    Axes that shrink come first: OpenCV's INTER_AREA averages nothing as soon as one axis grows.
    """
    import cv2

    if picture.shape[:2] == size:
        return picture
    if nearest:
        return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    smaller = min(size[0], picture.shape[0]), min(size[1], picture.shape[1])
    if smaller != picture.shape[:2]:
        picture = cv2.resize(picture, smaller[::-1], interpolation=cv2.INTER_AREA)
    if smaller != size:
        picture = cv2.resize(picture, size[::-1], interpolation=cv2.INTER_LINEAR)
    return picture


def coarsened(picture: np.ndarray, resolution: tuple[int, int]) -> np.ndarray:
    """[H, W, C] averaged to (height, width) ``resolution`` and enlarged to its own size again, bilinear."""
    import cv2

    height, width, channels = picture.shape
    small = cv2.resize(picture, resolution[::-1], interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, channels)


def place_measured(picture: np.ndarray, fitted: Fit, empty: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
    """As `place`, and which pixels of the result are empty (padding); see `grid.resample_measured`.

    Args:
        picture: float [H, W, C].
        fitted: its position.
        empty: bool [H, W], padding pixels of the picture; or None.
    """
    if empty is None:
        return place(picture, fitted), None
    low = picture.min()
    measured = (~empty).astype(np.float32)
    share = 1.0 - place(1.0 - measured, fitted)  # around the picture nothing is empty: it is 0, as ever
    values = place((picture - low) * measured[..., None], fitted)
    values = values.reshape(*share.shape, -1)
    is_outside = share < HALF
    np.divide(values, share[..., None], out=values, where=~is_outside[..., None])
    inside = place(np.ones(picture.shape[:2], np.float32), fitted)[..., None]
    return (values + low) * inside, is_outside


def surroundings(fitted: Fit) -> np.ndarray | None:
    """Pixels around a picture that was fitted, bool [H, W]; None where there are none."""
    to_y, _, rows = _overlap(fitted.top, fitted.resized[0], fitted.size[0])
    to_x, _, columns = _overlap(fitted.left, fitted.resized[1], fitted.size[1])
    outside = np.ones(fitted.size, bool)
    outside[to_y : to_y + rows, to_x : to_x + columns] = False
    return outside if outside.any() else None


def put_back(
    values: np.ndarray, fitted: Fit, shape: tuple[int, int], outside: float = 0.0, *, nearest: bool = False
) -> np.ndarray:
    """Values [H, W] of the prepared picture on the picture's own pixels, float32; padding does not reach them.

    Args:
        values: of ``fitted.size``.
        fitted: the position of the picture.
        shape: (height, width) of the picture.
        outside: of what was cropped away.
        nearest: keeps labels whole.
    """
    height, width = fitted.resized
    to_y, from_y, rows = _overlap(fitted.top, height, fitted.size[0])
    to_x, from_x, columns = _overlap(fitted.left, width, fitted.size[1])
    resized = np.full(fitted.resized, outside, np.float32)
    resized[from_y : from_y + rows, from_x : from_x + columns] = values[to_y : to_y + rows, to_x : to_x + columns]
    return _resized(resized, shape, nearest)


def _overlap(offset: int, length: int, target_length: int) -> tuple[int, int, int]:
    """(start in the result, start in the picture, length) along one axis."""
    to, start = max(0, offset), max(0, -offset)
    return to, start, min(length - start, target_length - to)
