"""A mask on a grid of its own: refused, or placed on the grid of its image by the affines of both."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from scantune.io.arrays import Volume
from scantune.io.geometry import same_geometry
from scantune.records import ReadError

PLACED = "placed"
"""Name of the fact of a mask that tells how it was placed on its image: lines of text."""

Placing = Literal["refuse", "part", "place"]
"""A mask on another grid than its image: refuse it, take what is on voxels of the image, or take any."""

_ALIGNED = 0.05  # share of a voxel up to which two grids count as aligned
_REMEDY = (
    "resample the mask onto the grid of its image, each voxel the nearest label (SimpleITK.Resample(mask, image, "
    "SimpleITK.Transform(), SimpleITK.sitkNearestNeighbor)), or use the image that it was drawn on"
)
_KEY = (
    "set the input's key 'mask_grid: place' if both headers are right, so that each voxel takes the nearest label, or "
)


def onto_image(mask: Volume, image: Volume, placing: Placing = "refuse") -> Volume:
    """A mask on its image's grid: the label of the mask's voxel in which each voxel of the image has its middle.

    What the mask does not cover is 0. A mask on the image's own grid is returned as it is; of another one that is
    placed, the fact `PLACED` tells the grids, how many marked voxels lie outside of the image, and labels that none of
    its voxels has.

    Args:
        mask: labels, 0 where nothing is marked.
        image: the volume that it belongs to.
        placing: which masks on another grid are taken. A part of the image's own voxels, as segmentations of DICOM and
            3D Slicer store what is marked alone, is no other grid for ``part`` and gets no fact.

    Raises:
        ReadError: ``placing`` does not take it; it has the size of the image and another place, so that either header
            may be wrong; or nothing of it, or nothing that is marked, lies within the image.
    """
    same, words = same_geometry(image, mask)
    if same:
        return mask
    part = placing == "part" and is_part(mask, image)
    if image.array.shape == mask.array.shape and not part:
        raise ReadError(f"mask and image differ in geometry: {words}; {_REMEDY}")
    grids = words.removeprefix("sizes differ: ")
    if placing != "place" and not part:
        raise ReadError(f"mask and image differ in geometry: {grids}; {_KEY}{_REMEDY}")
    labels, covered = _nearest(mask, image)
    if part:
        return replace(mask, array=labels, affine=image.affine)
    places = np.argwhere(mask.array != 0)
    if not covered or (len(places) and not labels.any()):
        what = "the mask" if not covered else "all that is marked in it"
        raise ReadError(f"{what} lies outside of its image: {grids}; use the image that it was drawn on")
    notes = [f"the mask is on another grid and was placed on the image's, each voxel the nearest label: {grids}"]
    beyond = int((~_within(places, mask, image)).sum())
    if beyond:
        notes.append(f"{beyond} of {len(places)} marked voxels of the mask lie outside of the image and do not count")
    lost = sorted({int(value) for value in np.unique(mask.array)} - {int(value) for value in np.unique(labels)} - {0})
    if lost:
        notes.append(f"no voxel of the image has the mask's labels {', '.join(map(str, lost))}, which are too small")
    return replace(mask, array=labels, affine=image.affine, facts={**mask.facts, PLACED: notes})


def is_part(mask: Volume, image: Volume) -> bool:
    """Whether every marked voxel of a mask is a voxel of the image."""
    to_image = np.linalg.inv(image.affine) @ mask.affine
    aligned = np.abs(to_image[:3, :3] - np.eye(3)).max() * max(mask.array.shape) <= _ALIGNED
    shift = to_image[:3, 3]
    places = np.argwhere(mask.array != 0)
    return bool(aligned and np.abs(shift - np.rint(shift)).max() <= _ALIGNED and _within(places, mask, image).all())


def refuse_gaps(mask: Volume, image: Volume) -> None:
    """Raise where a mask has only every second (third, …) slice of its image.

    A segmentation may leave out slices without a mark, so that it is not known whether those between are marked.

    Raises:
        ReadError: with what would be right.
    """
    to_image = np.linalg.inv(image.affine) @ mask.affine
    steps = np.abs(to_image[:3, :3])
    aligned = np.abs(to_image[:3] - np.rint(to_image[:3])).max() <= _ALIGNED
    if aligned and np.rint(steps).sum() > 3:
        raise ReadError(
            "the segmentation has not every slice of its image, and slices that it leaves out may be without a mark or "
            f"between two: save it with all slices, or {_REMEDY}"
        )


def _nearest(mask: Volume, image: Volume) -> tuple[np.ndarray, bool]:
    """Labels [D, H, W] on the image's grid, and whether any of its voxels lies within the mask's grid."""
    to_mask = np.linalg.inv(mask.affine) @ image.affine
    depth, height, width = image.array.shape
    labels = np.zeros(image.array.shape, mask.array.dtype)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    covered = False
    for k in range(depth):
        i, j, d = (
            np.floor(to_mask[a, 0] * columns + to_mask[a, 1] * rows + (to_mask[a, 2] * k + to_mask[a, 3] + 0.5)).astype(
                int
            )
            for a in range(3)
        )
        inside = (i >= 0) & (i < mask.array.shape[2]) & (j >= 0) & (j < mask.array.shape[1])
        inside &= (d >= 0) & (d < mask.array.shape[0])
        if inside.any():
            covered = True
            labels[k][inside] = mask.array[d[inside], j[inside], i[inside]]
    return labels, covered


def _within(places: np.ndarray, mask: Volume, image: Volume) -> np.ndarray:
    """Which voxels [N, 3] (D, H, W) of the mask have their middle in the image, bool [N]."""
    to_image = np.linalg.inv(image.affine) @ mask.affine
    index = places[:, ::-1] @ to_image[:3, :3].T + to_image[:3, 3]
    beyond = 0.5 + _ALIGNED
    return ((index >= -beyond) & (index <= np.array(image.array.shape[::-1]) - 1 + beyond)).all(axis=1)
