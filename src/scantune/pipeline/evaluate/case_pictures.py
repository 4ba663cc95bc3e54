"""Picture of a sample for the page of cases: a still, or slices or frames side by side in one image, with its masks."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scantune.cohort.manifest import Sample
from scantune.mask_codes import counted
from scantune.pipeline.data.sides import spacing_of
from scantune.pipeline.maps.display import box_of, frame_time_of, letters_of, visible
from scantune.preprocess import display_copy, store

EDGES = {"image": 384, "volume": 160, "video": 192}
"""Longer edge in pixels of a still, a slice and a frame, at most."""

COUNTS = {"image": 1, "volume": 32, "video": 24}
"""Pictures of one sample, at most: a still, slices, frames."""

QUALITY = 88
"""Of JPEG."""

EXACT = 1 << 14
"""Pixels up to which an image is stored without loss."""

_BLOCK = 8
"""Pixels of JPEG's blocks, at multiples of which pictures side by side begin: none shows through in its neighbour."""


def picture(
    member: Sample, path: Path, settings: Mapping[str, Any], masks: tuple[np.ndarray, np.ndarray] | None = None
) -> dict[str, Any]:
    """The picture of a sample, from its display copy or, where there is none, from its tensor.

    A volume's slices are axial in radiological convention, from inferior to superior.

    Args:
        member: the sample.
        path: its cached tensor.
        settings: the model's ``input`` block.
        masks: labels of reference and model on the grid of the tensor, uint8 [H, W] or [D, H, W]; loops have none.

    Returns:
        JSON-able: ``image`` (data URI of pictures in rows of ``across``, each ``size`` [height, width] in a tile of
        ``tile``), ``at`` (index of each among ``of``), ``start`` (place in ``at``), ``sides`` (letters at the left and
        right edge or None), ``time`` (ms between pictures or None); with masks ``masks`` (two data URIs of labels in
        tiles of ``labels`` [height, width]), and ``box``, their top, left, height and width in shares of the picture.
    """
    modality = settings["modality"]
    reading = store.facts(path).get("reading") or {}
    pixels, spacing, box, masks = _shown(member, path, settings, reading, masks)
    stack = pixels[None] if modality == "image" else pixels  # [N, H, W] or [N, H, W, 3]
    pair = None if masks is None else [counted(mask)[None] if modality == "image" else counted(mask) for mask in masks]
    at, start = _chosen(len(stack), COUNTS[modality], None if pair is None else _difference(pair[0], pair[1]))
    turned = slice(None, None, -1 if modality == "volume" else 1)  # as planes.AXIAL: anterior and the right side first
    height, width = _size(stack.shape[1:3], spacing, EDGES[modality])
    tiles = [_resized(stack[index][turned, turned], height, width) for index in at]
    tile = [-(-n // _BLOCK) * _BLOCK for n in (height, width)] if len(tiles) > 1 else [height, width]
    across = math.ceil(math.sqrt(len(tiles)))
    time = frame_time_of(settings, reading.get("frame_time")) if modality == "video" else None
    entry = {
        "image": _encoded(_side_by_side(tiles, tile, across)),
        "size": [height, width],
        "tile": tile,
        "across": across,
        "at": at,
        "of": len(stack),
        "start": start,
        "sides": ("R", "L") if modality == "volume" else letters_of(reading),
        "time": time and time * len(stack) / len(at),
    }
    if pair is None:
        return entry
    labels = list(pair[0].shape[1:])
    sheets = [_side_by_side([mask[index][turned, turned] for index in at], labels, across) for mask in pair]
    return entry | {"masks": [_encoded(sheet, exact=True) for sheet in sheets], "labels": labels, "box": box}


Masks = tuple[np.ndarray, np.ndarray] | None
_COMPLETE = (0.0, 0.0, 1.0, 1.0)


def _shown(
    member: Sample, path: Path, settings: Mapping[str, Any], reading: Mapping[str, Any], masks: Masks
) -> tuple[np.ndarray, tuple[float, ...] | None, tuple[float, ...], Masks]:
    """Pixels uint8, spacing, where the masks lie in each picture (top, left, height, width in shares of it), masks."""
    modality = settings["modality"]
    copy_path = display_copy.path_of(path.parent.parent, member.sample_id)
    copy = display_copy.read(copy_path) if copy_path.is_file() else None
    if copy is not None and masks is None:
        return copy.picture, copy.spacing, _COMPLETE, None
    if copy is not None and masks is not None and modality == "volume":
        onto = _onto(masks, reading.get("affine"), copy)
        if onto is not None:
            return copy.picture, copy.spacing, _COMPLETE, onto
    elif copy is not None and masks is not None:
        (rows, columns), (height, width) = copy.picture.shape[:2], reading["own_size"]
        box = box_of((height, width), (rows, columns), settings, reading.get("pixel_sides"))
        shares = _COMPLETE if box is None else (box[0] / rows, box[1] / columns, box[2] / rows, box[3] / columns)
        return copy.picture, copy.spacing, shares, masks
    spacing = spacing_of(member.row)
    pixels = display_copy.eight_bits(visible(store.load(path)["input"], modality), None)
    axes = 2 if modality == "image" else 3
    return pixels, spacing if spacing is not None and len(spacing) == axes else None, _COMPLETE, masks


def _onto(masks: tuple[np.ndarray, np.ndarray], affine: Any, copy: display_copy.DisplayCopy) -> Masks:
    """Labels [D, H, W] on the grid of a display copy, the nearest one; None where the grids are turned."""
    if affine is None or copy.affine is None:
        return None
    steps = np.linalg.inv(np.array(affine, np.float64)) @ copy.affine  # index (i, j, k) of the copy to that of a mask
    turned = steps[:3, :3] - np.diag(np.diag(steps[:3, :3]))
    if (np.abs(turned) * max(copy.picture.shape)).max() > 0.5:
        return None
    places = []
    for axis, row in zip(range(3), (2, 1, 0), strict=True):  # D is k, H is j, W is i
        at = np.rint(steps[row, row] * np.arange(copy.picture.shape[axis]) + steps[row, 3]).astype(int)
        size = masks[0].shape[axis]
        places.append(np.where((at < 0) | (at >= size), size, at))
    reference, prediction = (np.pad(mask, (0, 1))[np.ix_(*places)] for mask in masks)
    return reference, prediction


def _difference(reference: np.ndarray, prediction: np.ndarray) -> int:
    """The slice or frame of masks [N, H, W] in which they differ most; without a difference, where most is marked."""
    different = (reference != prediction).sum(axis=(1, 2))
    return int((different if different.any() else (reference > 0).sum(axis=(1, 2))).argmax())


def _chosen(count: int, most: int, first: int | None) -> tuple[list[int], int]:
    """Evenly spaced indices, with ``first`` in the place of the nearest; and the place of ``first``, or the middle."""
    at = np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))
    if first is None:
        return at.tolist(), len(at) // 2 if most == COUNTS["volume"] else 0
    start = int(np.abs(at - first).argmin())
    at[start] = first
    return at.tolist(), start


def _size(shape: tuple[int, ...], spacing: tuple[float, ...] | None, edge: int) -> tuple[int, int]:
    """Height and width in square pixels, neither more than ``edge``; nothing is enlarged but to make pixels square."""
    pixel = (1.0, 1.0) if spacing is None else spacing[-2:]
    height, width = (n * side / min(pixel) for n, side in zip(shape, pixel, strict=True))
    factor = min(1.0, edge / max(height, width))
    return max(1, round(height * factor)), max(1, round(width * factor))


def _resized(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    import cv2

    if plane.shape[:2] == (height, width):
        return plane
    smaller = height <= plane.shape[0] and width <= plane.shape[1]
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(plane), (width, height), interpolation=method)


def _side_by_side(tiles: list[np.ndarray], tile: list[int], across: int) -> np.ndarray:
    """Pictures [H, W(, 3)] in rows of ``across``, each filled to ``tile`` by its edge."""
    height, width = tile
    down = -(-len(tiles) // across)
    sheet = np.zeros((down * height, across * width, *tiles[0].shape[2:]), np.uint8)
    for number, one in enumerate(tiles):
        top, left = number // across * height, number % across * width
        rest = [(0, height - one.shape[0]), (0, width - one.shape[1]), *[(0, 0)] * (one.ndim - 2)]
        sheet[top : top + height, left : left + width] = np.pad(one, rest, "edge")
    return sheet


def _encoded(sheet: np.ndarray, *, exact: bool = False) -> str:
    """A data URI: PNG of labels and small pictures, else JPEG."""
    from PIL import Image

    stream, page = io.BytesIO(), Image.fromarray(np.ascontiguousarray(sheet))
    if exact or sheet.shape[0] * sheet.shape[1] <= EXACT:
        page.save(stream, "PNG", compress_level=6)
        return _uri("png", stream)
    page.save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return _uri("jpeg", stream)


def _uri(kind: str, stream: io.BytesIO) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(stream.getvalue()).decode()}"
