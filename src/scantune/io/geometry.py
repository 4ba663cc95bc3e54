"""Affines: checks, the closest RAS+ order of axes, and whether two grids are the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune.io.arrays import Volume
from scantune.records import ReadError

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
MIN_SPACING, MAX_SPACING = 1e-4, 1e4  # mm; outside of these a header is broken
MAX_SHEAR = 2e-3  # cosine between two axes; 0.11 degrees
_LETTERS = ("RL", "AP", "SI")


@dataclass(frozen=True)
class Orientation:
    """How stored axes (i, j, k) become R, A, S.

    Attributes:
        source: for each of R, A, S the stored axis that runs closest to it.
        flipped: for each of R, A, S whether that stored axis runs the other way.
        codes: letters of the directions in which the stored axes grow, such as "LPS".
    """

    source: tuple[int, int, int]
    flipped: tuple[bool, bool, bool]
    codes: str


def spacing_of(affine: np.ndarray) -> np.ndarray:
    """Voxel sizes in mm along i, j, k."""
    return np.sqrt((affine[:3, :3] ** 2).sum(axis=0))


def shear_of(affine: np.ndarray) -> float:
    """Largest absolute cosine between two axes; 0 for a box."""
    unit = affine[:3, :3] / spacing_of(affine)
    cosines = unit.T @ unit
    return float(np.abs(cosines[np.triu_indices(3, 1)]).max())


def check_affine(affine: np.ndarray) -> None:
    """Refuse an affine that places no voxel.

    Raises:
        ReadError: not finite, no spacing, singular.
    """
    if not np.isfinite(affine).all():
        raise ReadError("the affine is not finite")
    spacing = spacing_of(affine)
    if (spacing < MIN_SPACING).any() or (spacing > MAX_SPACING).any():
        raise ReadError(f"the spacing {_figures(spacing)} mm is not one that a scanner gives")
    if abs(np.linalg.det(affine[:3, :3] / spacing)) < 1e-3:
        raise ReadError("the affine is singular: its axes do not span a volume", _figures(affine))


def orientation_of(affine: np.ndarray) -> Orientation:
    """The permutation and flips that bring stored axes closest to R, A, S.

    Each world axis takes the stored axis that maximises the product of the absolute direction cosines over all six
    permutations, so that oblique stacks near 45 degrees have one answer too.
    """
    unit = affine[:3, :3] / spacing_of(affine)  # rows R A S, columns i j k
    orders = [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
    source = max(
        orders, key=lambda order: float(np.prod([abs(unit[world, order[world]]) + 1e-9 for world in range(3)]))
    )
    flipped = tuple(bool(unit[world, source[world]] < 0) for world in range(3))
    codes = [""] * 3
    for world in range(3):
        codes[source[world]] = _LETTERS[world][flipped[world]]
    return Orientation(source, (flipped[0], flipped[1], flipped[2]), "".join(codes))


def orientation_from(codes: str) -> Orientation:
    """The orientation whose stored axes grow in these directions, such as "LPS"."""
    source = [next(axis for axis, code in enumerate(codes) if code in pair) for pair in _LETTERS]
    flipped = [codes[axis] == pair[1] for axis, pair in zip(source, _LETTERS, strict=True)]
    return Orientation((source[0], source[1], source[2]), (flipped[0], flipped[1], flipped[2]), codes)


def stored_order(array: np.ndarray, orientation: Orientation) -> np.ndarray:
    """An array in RAS+ order [D, H, W] in the order of its file [i, j, k], a view."""
    ras = array.transpose(2, 1, 0)  # D H W -> R A S
    for world in range(3):
        if orientation.flipped[world]:
            ras = np.flip(ras, world)
    first, second, third = (orientation.source.index(axis) for axis in range(3))
    return ras.transpose(first, second, third)


def ras_order(array: np.ndarray, orientation: Orientation) -> np.ndarray:
    """An array in the order of its file [i, j, k] in RAS+ order [D, H, W], a view; undoes :func:`stored_order`."""
    ras = array.transpose(orientation.source)  # i j k -> R A S
    for world in range(3):
        if orientation.flipped[world]:
            ras = np.flip(ras, world)
    return ras.transpose(2, 1, 0)  # R A S -> D H W


def to_ras(affine: np.ndarray, shape: tuple[int, int, int], orientation: Orientation) -> np.ndarray:
    """The affine after the permutation and flips of ``orientation``.

    Args:
        affine: of the stored axes (i, j, k).
        shape: lengths of the stored axes (i, j, k).
        orientation: of that affine.
    """
    turned = affine.copy()
    for world, axis in enumerate(orientation.source):
        column = affine[:3, axis]
        turned[:3, world] = -column if orientation.flipped[world] else column
        if orientation.flipped[world]:
            turned[:3, 3] += column * (shape[axis] - 1)
    return turned


def from_ras(affine: np.ndarray, shape: tuple[int, ...], orientation: Orientation) -> np.ndarray:
    """The affine of the stored axes (i, j, k) from the one after the permutation and flips, see :func:`to_ras`.

    Args:
        affine: of the axes R, A, S.
        shape: lengths of the stored axes (i, j, k).
        orientation: of the stored axes.
    """
    stored = affine.copy()
    for world, axis in enumerate(orientation.source):
        column = affine[:3, world]
        stored[:3, axis] = -column if orientation.flipped[world] else column
        if orientation.flipped[world]:
            stored[:3, 3] += column * (shape[axis] - 1)
    return stored


def same_geometry(one: Volume, other: Volume, tolerance: float = 0.1) -> tuple[bool, str]:
    """Whether two volumes lie on the same grid, and both grids in words.

    Args:
        one: the image.
        other: its mask.
        tolerance: how far a corner of the grid may be displaced, in voxels of the smallest spacing.

    Returns:
        True and a description, or False and what differs. The words may be written to outputs.
    """
    words = f"{_grid(one)} and {_grid(other)}"
    if one.array.shape != other.array.shape:
        return False, f"sizes differ: {words}"
    distance = corner_distance(one.affine, other.affine, one.array.shape[::-1])
    allowed = tolerance * min(*one.spacing, *other.spacing)
    if distance > allowed:
        return False, f"corners of the grids lie {distance:.3g} mm apart: {words}"
    return True, words


def corner_distance(one: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> float:
    """Largest distance in mm between the same corner of a grid under two affines. ``shape`` is (i, j, k)."""
    top = np.asarray(shape[:3]) - 1.0
    corners = np.array([[a, b, c, 1.0] for a in (0, top[0]) for b in (0, top[1]) for c in (0, top[2])])
    return float(np.linalg.norm((corners @ (one - other).T)[:, :3], axis=1).max())


def _grid(volume: Volume) -> str:
    size = "×".join(str(n) for n in volume.array.shape[::-1])
    return f"{size} at {_figures(volume.spacing)} mm from {_figures(volume.affine[:3, 3])}"


def _figures(values: object) -> str:
    return "(" + ", ".join(f"{value:.6g}" for value in np.asarray(values, dtype=float).ravel()) + ")"
