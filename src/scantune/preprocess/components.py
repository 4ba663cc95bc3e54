"""Connected parts of a head or a brain (neighbours by face)."""

from __future__ import annotations

import numpy as np


def largest(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask, bool; of parts of one size the first."""
    from scipy import ndimage

    labels, count = ndimage.label(mask)
    if count < 2:
        return mask
    return labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
