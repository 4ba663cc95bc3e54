"""Contrast-limited adaptive histogram equalisation (K. Zuiderveld, Graphics Gems IV, 1994)."""

from __future__ import annotations

import numpy as np

from scantune.records import ReadError

#: Of a tile's histogram: the limit of a bin is told in multiples of the mean bin, so it needs bins that are filled.
BINS = 256


def equalised(picture: np.ndarray, *, clip: float, tiles: int, colour: bool) -> np.ndarray:
    """A picture with its contrast spread tile by tile.

    Args:
        picture: [H, W, C], uint8, or float32 in 0 … 1.
        clip: limit of a bin, times the mean bin.
        tiles: along each side.
        colour: the three channels are red, green and blue, whose lightness (CIE Lab) alone is equalised; else each
            channel is, by itself.

    Returns:
        Of the same shape and dtype.

    Raises:
        ReadError: values outside of 0 … 1.
    """
    import cv2

    if picture.dtype == np.uint8:
        return _eight_bits(picture, clip, tiles, colour)
    if float(picture.min()) < 0 or float(picture.max()) > 1:  # as of a saved model, whose block is not refused
        raise ReadError("CLAHE needs intensities in 0 … 1: use intensity scale, percentile or window with it")
    if not colour:
        return np.stack([spread(picture[..., c], clip, tiles) for c in range(picture.shape[2])], axis=2)
    lab = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2LAB)  # L from 0 to 100
    lab[..., 0] = 100 * spread(np.clip(lab[..., 0] / 100, 0, 1), clip, tiles)
    return np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1)


def _eight_bits(picture: np.ndarray, clip: float, tiles: int, colour: bool) -> np.ndarray:
    import cv2

    method = cv2.createCLAHE(clipLimit=clip, tileGridSize=(tiles, tiles))
    if not colour:
        planes = [method.apply(np.ascontiguousarray(picture[..., c])) for c in range(picture.shape[2])]
        return np.stack(planes, axis=2)
    lab = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2LAB)
    lab[..., 0] = method.apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def spread(plane: np.ndarray, clip: float, tiles: int) -> np.ndarray:
    """One channel, float32 [H, W] in 0 … 1, whose values may lie between the histogram's bins.

    OpenCV has 65,536 bins for what is deeper than 8 bits, most of them empty, so that its limit has no effect; by bits
    shifted away it returns 256 values. What it gives for 8 bits this gives to one of 255, and lies between for others.
    """
    height, width = plane.shape
    full = np.pad(plane.astype(np.float32), ((0, -height % tiles), (0, -width % tiles)), mode="reflect")
    tables = _tables(full, clip, tiles)  # tiles, tiles, BINS
    level = full[:height, :width] * np.float32(BINS - 1)
    below = np.minimum(level.astype(np.intp), BINS - 2)
    part = level - below
    rows, columns = (_between(n, m // tiles, tiles) for n, m in zip((height, width), full.shape, strict=True))
    result = np.zeros((height, width), np.float32)
    for row, row_weight in rows:
        for column, column_weight in columns:
            at = (row[:, None] * tiles + column) * BINS + below
            low, high = tables.ravel()[at], tables.ravel()[at + 1]
            result += (low + (high - low) * part) * (row_weight[:, None] * column_weight)
    return np.clip(result, 0, 1, out=result)


def _tables(full: np.ndarray, clip: float, tiles: int) -> np.ndarray:
    """Cumulated clipped histogram of each tile, 0 … 1: float32 [tiles, tiles, BINS]."""
    height, width = (n // tiles for n in full.shape)
    tile = np.add.outer(np.arange(full.shape[0]) // height * tiles, np.arange(full.shape[1]) // width)
    bins = np.rint(full * np.float32(BINS - 1)).astype(np.intp)
    counts = np.bincount((tile * BINS + bins).ravel(), minlength=tiles * tiles * BINS).reshape(tiles, tiles, BINS)
    most = max(1, int(clip * height * width / BINS))
    clipped = np.minimum(counts, most)
    share, rest = np.divmod((counts - clipped).sum(axis=2, keepdims=True), BINS)  # to all bins; one each to some
    step = np.maximum(BINS // np.maximum(rest, 1), 1)
    number = np.arange(BINS)
    more = share + ((number % step == 0) & (number // step < rest))
    return (np.cumsum(clipped + more, axis=2) / (height * width)).astype(np.float32)


def _between(length: int, step: int, tiles: int) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """The two tiles whose middles are next to each place along an axis, and their weights."""
    place = np.arange(length) / step - 0.5
    first = np.floor(place).astype(np.intp)
    weight = (place - first).astype(np.float32)
    return (np.maximum(first, 0), 1 - weight), (np.minimum(first + 1, tiles - 1), weight)
