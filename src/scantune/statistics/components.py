"""Connected components of a mask."""

from __future__ import annotations

import numpy as np


def beside_largest(mask: np.ndarray) -> np.ndarray:
    """What a mask marks beside its largest connected component (neighbours by face, edge or corner).

    Args:
        mask: bool, 2D or 3D.

    Returns:
        bool of the same shape; of components of one size the first counts as the largest.
    """
    from scipy import ndimage

    beside = np.zeros(mask.shape, bool)
    marked = [np.flatnonzero(mask.any(axis=tuple(set(range(mask.ndim)) - {axis}))) for axis in range(mask.ndim)]
    if not all(len(places) for places in marked):
        return beside
    box = tuple(slice(places[0], places[-1] + 1) for places in marked)  # memory for it alone
    components, count = ndimage.label(mask[box], np.ones((3,) * mask.ndim, int))
    if count > 1:
        largest = int(np.bincount(components[components > 0]).argmax())
        beside[box] = (components > 0) & (components != largest)
    return beside
