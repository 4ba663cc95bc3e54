"""Marked voxels of a mask on its own grid, placed on the grid of its image."""

from __future__ import annotations

import numpy as np

from scantune.io.arrays import Volume
from scantune.records import ReadError

_BESIDE = 0.05  # share of a voxel that a segmentation's grid may lie beside the image's
_OTHER_VOXELS = "the segmentation is on other voxels than its image: resample it onto the image first"


def onto_image(marked: np.ndarray, values: np.ndarray, affine: np.ndarray, image: Volume) -> np.ndarray:
    """Labels on an image's grid, of which the mask may cover a part. Each marked voxel must be one of the image's.

    Args:
        marked: [N, 3] indices of marked voxels on the mask's grid.
        values: [N] their labels, above 0.
        affine: from these indices to mm in RAS.
        image: the volume that it belongs to.

    Returns:
        uint16 [D, H, W].

    Raises:
        ReadError: it lies on other voxels or beside the image.
    """
    labels = np.zeros(image.array.shape, np.uint16)
    if not len(marked):
        return labels
    to_image = np.linalg.inv(image.affine) @ affine
    steps = np.abs(to_image[:3, :3])
    places = marked @ to_image[:3, :3].T + to_image[:3, 3]
    rounded = np.rint(places)
    if np.abs(places - rounded).max() > _BESIDE or np.abs(steps - np.rint(steps)).max() > _BESIDE:
        raise ReadError(_OTHER_VOXELS)
    w, h, d = rounded.astype(int).T
    _check_within(np.stack([d, h, w], axis=1), labels.shape)
    labels[d, h, w] = values
    if int((labels > 0).sum()) != len(marked) or np.rint(steps).sum() != 3:
        raise ReadError(_OTHER_VOXELS)
    return labels


def _check_within(places: np.ndarray, shape: tuple[int, ...]) -> None:
    if (places < 0).any() or (places >= np.array(shape)).any():
        raise ReadError("the segmentation reaches beyond its image")
