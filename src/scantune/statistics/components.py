"""Connected components of a mask (neighbours by face, edge or corner)."""

from __future__ import annotations

import numpy as np


def beside_largest(mask: np.ndarray) -> np.ndarray:
    """What a mask marks beside its largest connected component.

    Args:
        mask: bool, 2D or 3D.

    Returns:
        bool of the same shape; of components of one size the first counts as the largest.
    """
    box, components, sizes = _components(mask)
    beside = np.zeros(mask.shape, bool)
    if len(sizes) > 1:
        beside[box] = (components > 0) & (components != 1 + int(sizes.argmax()))
    return beside


def smaller(mask: np.ndarray, least: float) -> np.ndarray:
    """What a mask marks in connected components of fewer than ``least`` pixels or voxels.

    Args:
        mask: bool, 2D or 3D.
        least: number of pixels or voxels, also a fraction.

    Returns:
        bool of the same shape.
    """
    box, components, sizes = _components(mask)
    small = np.zeros(mask.shape, bool)
    if len(sizes):
        small[box] = np.append(False, sizes < least * (1 - 1e-9))[components]  # 4 of 0.1 mm³ are not below 0.4 mm³
    return small


def _components(mask: np.ndarray) -> tuple[tuple[slice, ...], np.ndarray, np.ndarray]:
    """The box that a mask marks something in, the numbers of its components there (0: none), and their sizes."""
    from scipy import ndimage

    marked = [np.flatnonzero(mask.any(axis=tuple(set(range(mask.ndim)) - {axis}))) for axis in range(mask.ndim)]
    if not all(len(places) for places in marked):
        return (slice(0, 0),) * mask.ndim, np.zeros((0,) * mask.ndim, int), np.zeros(0, int)
    box = tuple(slice(places[0], places[-1] + 1) for places in marked)  # memory for it alone
    components, count = ndimage.label(mask[box], np.ones((3,) * mask.ndim, int))
    return box, components, np.bincount(components.ravel(), minlength=count + 1)[1:]
