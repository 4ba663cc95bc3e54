"""The grid of a sample's file: its mask there, and how what a network predicts on the prepared grid gets back to it."""

from __future__ import annotations

import bz2
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scantune.io.arrays import Volume
from scantune.io.upright import HALF
from scantune.mask_codes import marked
from scantune.preprocess import store
from scantune.preprocess.grid import Grid, resample
from scantune.preprocess.places import OwnGrid, Place
from scantune.preprocess.plane import Fit, put_back

MASK = "own_mask"
"""Name of the packed mask among a stored sample's arrays; its shape is in the sample's facts."""

SHAPE = "own_mask_shape"


READERS = "own_mask_readers"
"""Name of the fact that says which readers there are, and whether each has drawn the sample."""


def of_reader(name: str) -> str:
    """Name of a reader's packed mask among a stored sample's arrays."""
    return f"{MASK}/{name}"


def own_grid(facts: Mapping[str, Any]) -> OwnGrid | None:
    """The file's grid.

    Args:
        facts: of a prepared sample (:class:`scantune.preprocess.prepared.Prepared`).

    Returns:
        None for a loop, whose frames are drawn from the file's.
    """
    if "fit" in facts:
        return _plane(facts)
    return _volume(facts) if "own_affine" in facts else None


def _plane(facts: Mapping[str, Any]) -> OwnGrid:
    shape = (int(facts["own_size"][0]), int(facts["own_size"][1]))
    fitted = Fit.of(facts["fit"])

    def back(values: np.ndarray, outside: float) -> np.ndarray:
        return put_back(values, fitted, shape, outside)

    def labels_back(labels: np.ndarray) -> np.ndarray:
        return put_back(labels, fitted, shape, nearest=True).astype(np.uint8)

    spacing = tuple(facts["own_spacing"]) if facts["own_spacing"] else None
    return OwnGrid(shape, spacing, None, back, labels_back, float(np.prod(shape) / np.prod(fitted.resized)))


def _volume(facts: Mapping[str, Any]) -> OwnGrid:
    width, height, depth = (int(n) for n in facts["own_size"])
    affine, prepared = (np.array(facts[name], np.float64) for name in ("own_affine", "affine"))
    grid = Grid((depth, height, width), affine)
    steps = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))[::-1]  # W H D -> D H W

    def back(values: np.ndarray, outside: float) -> np.ndarray:
        return resample(Volume(values, prepared), grid, fill=outside)

    def labels_back(labels: np.ndarray) -> np.ndarray:
        whole = Volume(labels.astype(np.float32), prepared)
        return resample(whole, grid, interpolation="nearest", antialias=False, fill=0.0).astype(np.uint8)

    return OwnGrid(grid.shape, (float(steps[0]), float(steps[1]), float(steps[2])), affine, back, labels_back)


def pack(mask: np.ndarray) -> np.ndarray:
    """Labels uint8 compressed without loss, uint8 [n]; the same bytes on every machine."""
    return np.frombuffer(bz2.compress(np.ascontiguousarray(mask).tobytes()), np.uint8)


def read_mask(path: Path, name: str = MASK) -> np.ndarray:
    """A mask of a stored sample on its file's grid, uint8 [H, W] or [D, H, W].

    Args:
        path: of the stored sample.
        name: of the array; a reader's is :func:`of_reader`.

    Raises:
        Damaged: not a whole sample, or one without such a mask.
    """
    shape, packed = store.facts(path).get(SHAPE), store.load(path).get(name)
    if shape is None or packed is None:
        raise store.Damaged(f"{path.name} has no mask on the grid of its file")
    return np.frombuffer(bz2.decompress(packed.tobytes()), np.uint8).reshape(shape)


def place_of(path: Path, spacing: tuple[float, ...] | None, own_truth: bool = True) -> Place:
    """Where a stored sample lies.

    Args:
        path: of the sample in the cache.
        spacing: of the prepared grid, mm.
        own_truth: whether its own mask is the one that is compared with.

    Raises:
        Damaged: not a whole sample.
    """
    facts = store.facts(path)
    grid = own_grid(facts.get("reading", {}))
    known = own_truth and grid is not None and SHAPE in facts
    drawn = facts.get(READERS, {}) if known else {}
    readers = {name: partial(read_mask, path, of_reader(name)) if has else None for name, has in drawn.items()}
    return Place(spacing, grid, partial(read_mask, path) if known else None, readers)


def cut_away(mask: np.ndarray, facts: Mapping[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """The values of a mask that lie outside of the prepared grid, uint8 [n]: those that are marked.

    Args:
        mask: on the file's grid, [H, W] or [D, H, W].
        facts: of the prepared sample.
        shape: of the prepared grid, [H, W] or [D, H, W].
    """
    if "fit" in facts:
        covered = put_back(
            np.ones(shape, np.float32), Fit.of(facts["fit"]), (mask.shape[0], mask.shape[1]), nearest=True
        )
        return mask[marked(mask) & (covered < HALF)]
    places = np.argwhere(marked(mask))
    if not len(places):
        return np.zeros(0, np.uint8)
    affine, prepared = (np.array(facts[name], np.float64) for name in ("own_affine", "affine"))
    to_prepared = np.linalg.inv(prepared) @ affine
    low, high = places.min(axis=0), places.max(axis=0)
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    if _inside(corners, to_prepared, shape).all():
        return np.zeros(0, np.uint8)
    return mask[tuple(places[~_inside(places, to_prepared, shape)].T)]


def _inside(places: np.ndarray, to_prepared: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Which voxels [n, 3] (D, H, W) have their middle in the prepared grid, bool [n]."""
    index = places[:, ::-1] @ to_prepared[:3, :3].T + to_prepared[:3, 3]  # W, H, D
    return ((index >= -0.5) & (index <= np.array(shape[::-1]) - 0.5)).all(axis=1)
