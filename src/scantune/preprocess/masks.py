"""Segmentation masks: several files to one of labels, and whether the labels are those stated."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scantune.records import ReadError


def merged(
    arrays: Sequence[np.ndarray], shape: tuple[int, ...], labels: Sequence[int] | None, empty: str
) -> np.ndarray:
    """One uint8 mask of ``shape`` from one mask of labels, or from several that each mark one label (1, 2, …).

    A mask of two values, 0 and 255, is 0 and 1 (as PNG and JPEG painters write it).

    Args:
        arrays: [1 or 3, *shape] or [*shape].
        shape: of the image.
        labels: labels that may stand in it, background 0 aside; None allows 1 … 255.
        empty: "exclude" refuses a mask in which nothing is marked.

    Raises:
        ReadError: another size than the image's, labels that are no whole numbers from 0 to 255 or not among
            ``labels``, overlapping masks, an empty mask where that is refused.
    """
    planes = [_plane(array, shape) for array in arrays]
    if len(planes) == 1:
        mask = planes[0]
    else:
        if (np.sum([plane > 0 for plane in planes], axis=0) > 1).any():
            raise ReadError("masks overlap, so no pixel's label is certain")
        mask = np.zeros(shape, np.uint8)
        for label, plane in enumerate(planes, start=1):
            mask[plane > 0] = label
    found = [int(value) for value in np.unique(mask) if value]
    if not found and empty == "exclude":
        raise ReadError("nothing is marked in the mask")
    wrong = sorted(set(found) - set(labels)) if labels is not None else []
    if wrong:
        raise ReadError(f"the mask has the labels {wrong}; stated are {sorted(labels or ())}")
    return mask


def _plane(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if array.ndim == len(shape) + 1:
        if array.shape[0] == 3 and not (np.array_equal(array[0], array[1]) and np.array_equal(array[0], array[2])):
            raise ReadError("the mask is a colour picture: one number a pixel is needed")
        array = array[0]
    if array.shape != tuple(shape):
        raise ReadError(f"the mask is {_times(array.shape)} where its image is {_times(shape)}")
    values = np.unique(array)
    if values.size <= 2 and values[0] == 0 and values[-1] == 255:
        return (array > 0).astype(np.uint8)
    if (values != np.floor(values)).any() or values[0] < 0 or values[-1] > 255:
        raise ReadError(f"mask values from {float(values[0]):g} to {float(values[-1]):g}: labels are whole, 0 to 255")
    return array.astype(np.uint8)


def _times(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape))
