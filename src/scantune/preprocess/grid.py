"""Volumes from their own grid straight onto the wanted one: orientation, spacing, crop and padding in one pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scantune.io.arrays import Volume

#: Spacings whose ratio differs less from 1 than this are one spacing: over 512 voxels a shift of 0.05 voxels.
SAME = 1e-4
#: Standard deviation of a Gaussian whose full width at half maximum is 1.
_PER_FWHM = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))


@dataclass(frozen=True, eq=False)
class Grid:
    """Where voxels lie.

    Attributes:
        shape: (D, H, W).
        affine: float64 [4, 4], indices (W, H, D) to mm in RAS+.
    """

    shape: tuple[int, int, int]
    affine: np.ndarray


def target_grid(
    volume: Volume,
    spacing: Sequence[float] | None,
    size: Sequence[int] | None,
    center: Sequence[float] | None = None,
) -> Grid:
    """The wanted grid, its axes parallel to the volume's own (closest to R, A, S; an oblique scan stays oblique).

    Args:
        volume: the image.
        spacing: mm along R, A, S; None keeps the volume's own.
        size: voxels along R, A, S; None keeps its extent.
        center: (W, H, D) index of the volume that becomes the middle; None is the middle of the volume. Where the
            spacing stays it is moved by less than a voxel, so that nothing is interpolated.
    """
    own = np.array(volume.spacing)
    length = np.array(volume.array.shape[::-1])
    wanted = own if spacing is None else np.where(np.abs(np.array(spacing) / own - 1) < SAME, own, np.array(spacing))
    count = np.maximum(1, np.rint(length * own / wanted).astype(int)) if size is None else np.array(size)
    middle = (length - 1) / 2 if center is None else np.asarray(center, dtype=float)
    start = middle - (count - 1) / 2 * wanted / own  # index of the first voxel along W, H, D
    start = np.where(wanted == own, np.floor(start + 0.5), start)
    affine = volume.affine.copy()
    affine[:3, :3] = volume.affine[:3, :3] / own * wanted
    affine[:3, 3] = (volume.affine @ np.append(start, 1.0))[:3]
    return Grid((int(count[2]), int(count[1]), int(count[0])), affine)


def resample(volume: Volume, grid: Grid, *, interpolation: str = "linear", antialias: bool = True,
             fill: float = 0.0) -> np.ndarray:  # fmt: skip
    """The volume on a grid, float32 [D, H, W].

    Where the voxels of both coincide nothing is interpolated. Shrinking is preceded by a Gaussian whose width makes up
    for the ratio of spacings (Cardoso et al., MICCAI 2015): sd = sqrt(ratio² − 1) · FWHM⁻¹ voxels.

    Args:
        volume: the image.
        grid: where it shall be known.
        interpolation: "linear", "nearest" or "bspline" (cubic).
        antialias: smooth before shrinking; never with "nearest".
        fill: outside the volume.
    """
    shift = _whole_shift(volume, grid)
    if shift is not None:
        return _cut(volume.array, shift, grid.shape, fill)
    import SimpleITK as sitk

    stored, affine = volume.storage()  # array axes slowest first; affine columns fastest first
    own = _lengths(affine)
    if antialias and interpolation != "nearest":
        stored = _smoothed(stored, affine, grid)
    image = sitk.GetImageFromArray(stored)
    image.SetSpacing(own.tolist())
    image.SetDirection((affine[:3, :3] / own).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    wanted = _lengths(grid.affine)
    method = sitk.ResampleImageFilter()
    method.SetSize([int(n) for n in grid.shape[::-1]])
    method.SetOutputSpacing(wanted.tolist())
    method.SetOutputDirection((grid.affine[:3, :3] / wanted).ravel().tolist())
    method.SetOutputOrigin(grid.affine[:3, 3].tolist())
    method.SetInterpolator(
        {"linear": sitk.sitkLinear, "nearest": sitk.sitkNearestNeighbor, "bspline": sitk.sitkBSpline}[interpolation]
    )
    method.SetDefaultPixelValue(float(fill))
    method.SetOutputPixelType(sitk.sitkFloat32)
    return sitk.GetArrayFromImage(method.Execute(image))


def _lengths(affine: np.ndarray) -> np.ndarray:
    return np.sqrt((affine[:3, :3] ** 2).sum(axis=0))


def _whole_shift(volume: Volume, grid: Grid) -> tuple[int, int, int] | None:
    """Whole voxels (W, H, D) from the volume's first voxel to the grid's, or None where the grids do not coincide."""
    relative = np.linalg.inv(volume.affine) @ grid.affine
    if np.abs(relative[:3, :3] - np.eye(3)).max() > SAME:
        return None
    shift = relative[:3, 3]
    whole = np.rint(shift)
    return (int(whole[0]), int(whole[1]), int(whole[2])) if np.abs(shift - whole).max() < 1e-3 else None


def _cut(array: np.ndarray, shift: tuple[int, int, int], shape: tuple[int, int, int], fill: float) -> np.ndarray:
    """The part of ``array`` [D, H, W] that begins at ``shift`` (W, H, D), padded where there is none."""
    start = shift[::-1]
    result = np.full(shape, fill, np.float32)
    source, place = [], []
    for first, wanted, there in zip(start, shape, array.shape, strict=True):
        low, high = max(0, first), min(there, first + wanted)
        if low >= high:
            return result
        source.append(slice(low, high))
        place.append(slice(low - first, high - first))
    result[tuple(place)] = array[tuple(source)]
    return result


def _smoothed(stored: np.ndarray, affine: np.ndarray, grid: Grid) -> np.ndarray:
    """Gaussian along each stored axis that is about to be shrunk. [slow, middle, fast] -> the same."""
    import cv2

    own = _lengths(affine)
    # Spacing of the wanted grid along each stored axis: the axes are parallel up to order and sign.
    parallel = np.abs((affine[:3, :3] / own).T @ (grid.affine[:3, :3] / _lengths(grid.affine)))
    ratio = (parallel @ _lengths(grid.affine)) / own
    sigma = np.sqrt(np.maximum(ratio**2 - 1, 0)) * _PER_FWHM  # fast, middle, slow
    sigma[ratio < 1 + SAME] = 0
    if not sigma.any():
        return stored
    slow, middle, fast = stored.shape
    result = stored if not sigma[:2].any() else np.empty_like(stored)
    one = np.ones(1, np.float32)
    if sigma[:2].any():
        row, column = _kernel(sigma[0]), _kernel(sigma[1])
        for index in range(slow):
            cv2.sepFilter2D(stored[index], -1, row, column, dst=result[index], borderType=cv2.BORDER_REPLICATE)
    if sigma[2]:
        # All other axes as one row: the filter then runs along the slow axis only.
        flat = result.reshape(slow, middle * fast)
        flat = cv2.sepFilter2D(flat, -1, one, _kernel(sigma[2]), borderType=cv2.BORDER_REPLICATE)
        result = flat.reshape(slow, middle, fast)
    return result


def _kernel(sigma: float) -> np.ndarray:
    """Sampled Gaussian of sum 1, cut at three and a half standard deviations; [1] where there is nothing to smooth."""
    radius = max(1, math.ceil(3.5 * sigma)) if sigma > 0 else 0
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / max(sigma, 1e-9)) ** 2)
    return (weights / weights.sum()).astype(np.float32)
