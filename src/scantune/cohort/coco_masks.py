"""COCO's segmentations, polygons and run lengths, to pixels: as its reference implementation has them.

The reference is ``maskApi.c`` of the COCO API (Piotr Dollár and Tsung-Yi Lin 2014, Simplified BSD License,
https://github.com/cocodataset/cocoapi); this follows ``rleFrPoly``, ``rleFrString`` and ``rleDecode`` step by step.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from scantune.amounts import number_of

log = logging.getLogger(__name__)

_SHOWN = 5
_SCALE = 5  # a polygon's outline is followed on a grid of five points a pixel


def without_lines(annotations: Iterable[dict[str, Any]], title: str) -> list[dict[str, Any]]:
    """Annotations without polygons of no, one or two points, which have no area.

    Those that have nothing else are left out, and a warning names their ids and the file, ``title``.
    """
    kept, lines = [], []
    for number, annotation in enumerate(annotations):
        polygons = annotation.get("segmentation")
        if isinstance(polygons, list) and polygons and all(isinstance(polygon, list) for polygon in polygons):
            drawn = [polygon for polygon in polygons if len(polygon) not in (0, 2, 4)]
            if not drawn:
                lines.append(str(annotation.get("id", f"annotations[{number}]")))
                continue
            annotation = {**annotation, "segmentation": drawn}
        kept.append(annotation)
    if lines:
        some = ", ".join(lines[:_SHOWN]) + ", …" * (len(lines) > _SHOWN)
        how_many = number_of(len(lines), "annotation")
        log.warning("left out, since fewer than three points have no area: %s of %s (id %s)", how_many, title, some)
    return kept


def draw(parts: Iterable[tuple[int, Any]], shape: tuple[int, int]) -> np.ndarray:
    """Segmentations drawn one over the other, the later on top.

    Args:
        parts: label, and polygons (x, y, x, y, … in pixels from the corner of the first one) or run lengths.
        shape: H, W.

    Returns:
        uint8 [H, W].
    """
    mask = np.zeros(shape, np.uint8)
    for label, segmentation in parts:
        mask[filled(segmentation, shape)] = label
    return mask


def hidden(parts: Iterable[tuple[int, Any]], shape: tuple[int, int], mask: np.ndarray) -> int:
    """Pixels of `draw`'s mask, uint8 [H, W], that have another label drawn beneath the one on top."""
    below = np.zeros(shape, bool)
    for label, segmentation in parts:
        below |= filled(segmentation, shape) & (mask != label)
    return int(below.sum())


def filled(segmentation: Any, shape: tuple[int, int]) -> np.ndarray:
    """bool [H, W]: the pixels of one annotation, of several polygons those of any."""
    if isinstance(segmentation, Mapping):
        return from_runs(counts_of(segmentation), shape)
    inside = np.zeros(shape, bool)
    for polygon in segmentation:
        inside |= _polygon(polygon, shape)
    return inside


def _polygon(corners: Sequence[float], shape: tuple[int, int]) -> np.ndarray:
    """bool [H, W]: a pixel is inside where an odd number of crossings lie above its middle in its column."""
    height, width = shape
    x, y = np.trunc(_SCALE * np.asarray(corners, np.float64).reshape(-1, 2).T + 0.5).astype(np.int64)
    u, v = _outline(x, y)
    at = np.flatnonzero(u[1:] != u[:-1]) + 1
    column = (np.where(u[at] < u[at - 1], u[at], u[at] - 1) + 0.5) / _SCALE - 0.5
    row = np.ceil(np.clip((np.minimum(v[at], v[at - 1]) + 0.5) / _SCALE - 0.5, 0, height))
    inside = (np.floor(column) == column) & (column >= 0) & (column <= width - 1)
    places = column[inside].astype(np.int64) * height + row[inside].astype(np.int64)
    crossings = np.bincount(places, minlength=height * width + 1)[: height * width]
    return (np.cumsum(crossings) % 2 == 1).reshape(width, height).T


def _outline(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points along the closed outline, one for each step of the longer direction of each edge."""
    us, vs = [], []
    for xs, ys, xe, ye in zip(x, y, np.roll(x, -1), np.roll(y, -1), strict=True):
        dx, dy = abs(xe - xs), abs(ye - ys)
        steps = np.arange(max(dx, dy) + 1)
        flat = dx >= dy
        turned = xs > xe if flat else ys > ye
        x0, y0, x1, y1 = (xe, ye, xs, ys) if turned else (xs, ys, xe, ye)
        steps = steps[::-1] if turned else steps
        slope = ((y1 - y0) / dx if dx else 0.0) if flat else (x1 - x0) / dy
        other = np.trunc((y0 if flat else x0) + slope * steps + 0.5).astype(np.int64)
        us.append(steps + x0 if flat else other)
        vs.append(other if flat else steps + y0)
    return np.concatenate(us), np.concatenate(vs)


def from_runs(counts: Sequence[int], shape: tuple[int, int]) -> np.ndarray:
    """bool [H, W] from lengths of runs down the columns, background first.

    Raises:
        ValueError: they do not add up to the picture.
    """
    if sum(counts) != shape[0] * shape[1] or min(counts, default=0) < 0:
        raise ValueError(f"run lengths of {sum(counts)} pixels for an image of {shape[0] * shape[1]}")
    values = np.arange(len(counts)) % 2 == 1
    return np.repeat(values, counts).reshape(shape[1], shape[0]).T


def counts_of(segmentation: Mapping[str, Any]) -> list[int]:
    """Run lengths of an annotation, plain or in COCO's compressed text.

    Raises:
        ValueError: neither.
    """
    counts = segmentation.get("counts")
    if isinstance(counts, list) and all(isinstance(count, int) for count in counts):
        return counts
    if not isinstance(counts, str):
        raise ValueError("run lengths without 'counts'")
    run_lengths: list[int] = []
    value = shift = 0
    for letter in counts:  # five bits per letter, from 48 on; the sixth marks that more follow
        code = ord(letter) - 48
        if not 0 <= code < 64:
            raise ValueError(f"{letter!r} is not a character of compressed run lengths")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        run_lengths.append(
            value + (run_lengths[-2] if len(run_lengths) > 2 else 0)
        )  # differences to the one before the last
        value = shift = 0
    return run_lengths
