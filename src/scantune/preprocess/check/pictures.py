"""Small pictures of prepared samples: what a network would see, with its masks drawn over it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scantune.mask_codes import counted, marked, pixels_by_label, plane
from scantune.preprocess import store
from scantune.preprocess.grid import Grid

SIDE = 96
"""Edge of a picture without masks, in pixels."""

SIDE_WITH_MASKS = 400
"""Edge of a picture with outlines, large enough for a vessel."""

THICK = 2.5
"""Magnification from which outlines are two pixels thick."""

_NAMED = {
    "#56B4E9": "light blue",
    "#E69F00": "orange",
    "#009E73": "green",
    "#CC79A7": "pink",
    "#F0E442": "yellow",
    "#D55E00": "red",
    "#0072B2": "dark blue",
}
COLOURS = tuple(_NAMED)
"""Colours of the labels 1, 2, … (Okabe & Ito), from the start again after the last."""


def colour_of(label: int) -> str:
    """Colour of a label's outline, as ``#rrggbb``."""
    return COLOURS[(label - 1) % len(COLOURS)]


def word_for_colour(label: int) -> str:
    """The name of a label's colour."""
    return _NAMED[colour_of(label)]


def picture(path: Path, overlapping: bool = False) -> np.ndarray:
    """A stored sample as a picture, uint8 [H, W] or [H, W, 3].

    Of a volume and a loop the plane in which most is marked, without masks the middle one; volumes have anterior on
    top and the patient's right on the left-hand side, in the proportions of their spacing. Of a registered brain three
    planes, with the template's outline. Three channels of a still or a loop are its
    colours; other channels lie side by side. Each channel is stretched from its 1st to its 99th percentile, colours
    together.

    Args:
        path: of the stored sample.
        overlapping: the mask has a bit for each label.
    """
    arrays, facts = store.load(path), store.facts(path)
    tensor, mask = arrays["input"], arrays.get("mask")
    is_volume = "affine" in facts["reading"]
    if mask is None and "to_template" in facts["reading"].get("brain", {}):
        return _registered(tensor[0], facts["reading"])
    if tensor.ndim == 4:
        at = _plane_of(mask, tensor.shape[1])
        tensor, mask = tensor[:, at], None if mask is None else mask[:, at]
    if is_volume:
        turned = np.s_[:, ::-1, ::-1]
        tensor, mask = tensor[turned], None if mask is None else mask[turned]
    aspect = axial_aspect(facts["reading"]["affine"]) if is_volume else 1.0
    labels = None if mask is None or not marked(mask).any() else mask[0]
    side = SIDE if mask is None else SIDE_WITH_MASKS
    if tensor.shape[0] == 3 and not is_volume:
        return _drawn(_stretched(np.moveaxis(tensor, 0, -1)), labels, side, overlapping)  # [C, H, W] -> [H, W, C]
    parts = [_drawn(_stretched(channel), labels, side, overlapping, aspect) for channel in tensor]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _registered(volume: np.ndarray, facts: Mapping[str, Any]) -> np.ndarray:
    """Middle axial, coronal and sagittal plane side by side, with the outline of the template's brain."""
    from scantune.preprocess.brain.registration import outline

    depth, height, width = volume.shape
    template = np.array(facts["brain"]["to_template"]) @ np.array(facts["affine"])
    brain = outline(Grid((depth, height, width), template)).astype(np.uint8)
    parts = []
    for axis, length in enumerate(volume.shape):
        base, inside = (np.take(array, length // 2, axis)[::-1, ::-1] for array in (volume, brain))
        square = max(base.shape)
        pad = [(0, square - size) for size in base.shape]
        parts.append(_drawn(np.pad(_stretched(base), pad), np.pad(inside, pad), SIDE_WITH_MASKS // 2, False))
    return np.concatenate(parts, axis=1)


def axial_aspect(affine: Any) -> float:
    """Height of an element of an axial plane divided by its width."""
    x, y, _ = np.linalg.norm(np.asarray(affine, np.float64)[:3, :3], axis=0)
    return float(y / x)


def _plane_of(mask: np.ndarray | None, depth: int) -> int:
    if mask is None or not marked(mask).any():
        return depth // 2
    return int(marked(mask).sum(axis=(0, 2, 3)).argmax())


def _stretched(values: np.ndarray) -> np.ndarray:
    """uint8 of the same shape."""
    array = np.asarray(values, np.float32)
    low, high = np.percentile(array, [1, 99])
    return np.clip((array - low) / max(float(high - low), 1e-6) * 255, 0, 255).astype(np.uint8)


def _drawn(base: np.ndarray, mask: np.ndarray | None, side: int, overlapping: bool, aspect: float = 1.0) -> np.ndarray:
    """``base`` [H, W] or [H, W, 3] at a longer edge of ``side``, with the outline of each label in its colour."""
    import cv2

    factor = side / max(base.shape[0] * aspect, base.shape[1])
    size = max(1, round(base.shape[1] * factor)), max(1, round(base.shape[0] * aspect * factor))
    grown = cv2.resize(base, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_NEAREST)
    if mask is None:
        return grown
    rgb = np.ascontiguousarray(grown if grown.ndim == 3 else np.repeat(grown[..., None], 3, axis=2))
    shape = cv2.resize(counted(mask), size, interpolation=cv2.INTER_NEAREST)
    sizes = pixels_by_label(mask, overlapping)
    by_size = sorted(sizes, key=lambda label: -sizes[label])
    rank = np.zeros(256, np.uint8)
    rank[by_size] = np.arange(1, len(by_size) + 1)
    for label in by_size:
        inside = plane(shape, label, overlapping)
        # a line between two labels that exclude each other is drawn once, for the smaller one
        surroundings = inside if overlapping else rank[shape] >= rank[label]
        rgb[_edge(inside, surroundings, 2 if factor >= THICK else 1)] = _rgb(colour_of(label))
    return rgb


def _edge(inside: np.ndarray, not_outside: np.ndarray, width: int) -> np.ndarray:
    """Pixels of ``inside`` that are at most ``width`` from one outside of ``not_outside``; bool [H, W]."""
    import cv2

    kernel = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    padded = np.pad(not_outside.astype(np.uint8), 1, mode="edge")
    eroded = cv2.erode(padded, kernel, iterations=width)[1:-1, 1:-1]
    return inside & (eroded == 0)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


def legend(names: Mapping[int, str]) -> dict[str, str]:
    """Name of each label to the colour of its outline."""
    return {name: colour_of(label) for label, name in names.items()}


def encoded(image: np.ndarray) -> bytes:
    """PNG of a picture [H, W] or [H, W, 3] (red, green, blue)."""
    import cv2

    stored: Any = image if image.ndim == 2 else image[..., ::-1]
    return cv2.imencode(".png", stored)[1].tobytes()
