"""A saliency map as a NIfTI file for overlay on the scan."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from scantune import io
from scantune.explain.saliency import Saliency
from scantune.records import ScantuneError


def write_nifti(
    path: Path | str,
    saliency: Saliency,
    affine: np.ndarray,
    *,
    scan: tuple[Sequence[int], np.ndarray] | None = None,
    stored: str | None = None,
) -> None:
    """Write the map in the coordinates of the scan (mm).

    Args:
        path: ending in .nii or .nii.gz.
        saliency: with a map [D, H, W] in the grid of the network's input.
        affine: of that grid, index (i, j, k) to mm in RAS. The file has that grid; viewers align it by
            coordinates.
        scan: shape [D, H, W] and affine of the scan, to interpolate the map onto its voxels, 0 outside.
        stored: directions of the axes of the scan's file ("LPS"), also used for the overlay. None is RAS.

    Raises:
        ScantuneError: the map is undefined, not a volume, or outside the scan.
    """
    if saliency.map is None:
        raise ScantuneError(f"saliency map: undefined ({saliency.reason}); no file is written")
    if saliency.map.ndim != 3:
        raise ScantuneError(f"saliency map: NIfTI requires [D, H, W], not {list(saliency.map.shape)}")
    values, place = saliency.map, np.asarray(affine, np.float64)
    if scan is not None:
        values, place = resample(values, place, scan[0], scan[1]), np.asarray(scan[1], np.float64)
        if not values.any():
            raise ScantuneError("saliency map: no voxel of the scan is inside it; are both affines of the same sample?")
    if stored is not None:
        values, place = as_stored(values, place, stored)
    io.write_nifti(Path(path), io.Volume(values.astype(np.float32), place, {}))


_WORLD = {"R": 0, "L": 0, "A": 1, "P": 1, "S": 2, "I": 2}


def as_stored(values: np.ndarray, affine: np.ndarray, directions: str) -> tuple[np.ndarray, np.ndarray]:
    """A volume in RAS with axes permuted and mirrored to ``directions``; positions of voxels do not change.

    Args:
        values: [D, H, W].
        affine: of the volume.
        directions: of the axes i, j, k of the file, such as "LPS".

    Returns:
        The array, its axes k, j, i of the file, and its affine.
    """
    world = [_WORLD[letter] for letter in directions]
    turned = values.transpose(2, 1, 0).transpose(world)  # D H W -> R A S -> i j k
    back = np.zeros((4, 4))
    back[3, 3] = 1
    for axis, (letter, source) in enumerate(zip(directions, world)):
        mirrored = letter in "LPI"
        back[source, axis] = -1 if mirrored else 1
        back[source, 3] = turned.shape[axis] - 1 if mirrored else 0
        turned = np.flip(turned, axis) if mirrored else turned
    return np.ascontiguousarray(turned.transpose(2, 1, 0)), affine @ back


def resample(values: np.ndarray, affine: np.ndarray, shape: Sequence[int], onto: np.ndarray) -> np.ndarray:
    """Values [D, H, W] with ``affine`` on another grid of ``shape`` and affine ``onto``; linear, 0 outside.

    Returns:
        float32 [D', H', W'].
    """
    index = np.linalg.inv(affine) @ np.asarray(onto, np.float64)  # (i', j', k') of the new grid to (i, j, k)
    new, old = (np.array(list(s)[::-1], np.float64) for s in (shape, values.shape))  # W, H, D
    # torch counts from −1 to 1 over the field: index = ((c + 1)·n − 1) / 2
    to_index, to_unit = np.eye(4), np.eye(4)
    to_index[:3, :3], to_index[:3, 3] = np.diag(new / 2), (new - 1) / 2
    to_unit[:3, :3], to_unit[:3, 3] = np.diag(2 / old), (1 - old) / old
    theta = torch.from_numpy((to_unit @ index @ to_index)[:3])[None].float()
    grid = F.affine_grid(theta, [1, 1, *(int(n) for n in shape)], align_corners=False)
    x = torch.from_numpy(np.ascontiguousarray(values, np.float32))[None, None]
    return F.grid_sample(x, grid, padding_mode="zeros", align_corners=False)[0, 0].numpy()
