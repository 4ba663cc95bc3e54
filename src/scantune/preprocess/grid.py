"""Volumes from their own grid straight onto the wanted one: orientation, spacing, crop and padding in one pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scantune.io.arrays import Volume
from scantune.io.upright import HALF

#: Spacings whose ratio differs less from 1 than this are one spacing: over 512 voxels a shift of 0.05 voxels.
SAME = 1e-4
#: Rows of the weights multiplied at once along the slow, middle and fast axis of memory: fastest as measured.
BLOCKS = (4, 8, 32)
#: Standard deviation of a Gaussian whose full width at half maximum is 1.
_PER_FWHM = 1.0 / (2.0 * math.sqrt(2.0 * math.log(2.0)))


@dataclass(frozen=True, eq=False)
class Grid:
    """Positions of voxels.

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
    """The target grid, its axes parallel to the volume's own (closest to R, A, S; an oblique scan stays oblique).

    Args:
        volume: the image.
        spacing: mm along R, A, S; None keeps the volume's own.
        size: voxels along R, A, S; None keeps its extent.
        center: (W, H, D) index of the volume that becomes the middle; None is the middle of the volume. Where the
            spacing stays it is moved by less than a voxel, so that nothing is interpolated.
    """
    source_spacing = np.array(volume.spacing)
    length = np.array(volume.array.shape[::-1])
    target_spacing = (
        source_spacing
        if spacing is None
        else np.where(np.abs(np.array(spacing) / source_spacing - 1) < SAME, source_spacing, np.array(spacing))
    )
    count = (
        np.maximum(1, np.rint(length * source_spacing / target_spacing).astype(int)) if size is None else np.array(size)
    )
    middle = (length - 1) / 2 if center is None else np.asarray(center, dtype=float)
    start = middle - (count - 1) / 2 * target_spacing / source_spacing  # index of the first voxel along W, H, D
    start = np.where(target_spacing == source_spacing, np.floor(start + 0.5), start)
    affine = volume.affine.copy()
    affine[:3, :3] = volume.affine[:3, :3] / source_spacing * target_spacing
    affine[:3, 3] = (volume.affine @ np.append(start, 1.0))[:3]
    return Grid((int(count[2]), int(count[1]), int(count[0])), affine)


def resample(volume: Volume, grid: Grid, *, interpolation: str = "linear", antialias: bool = True,
             fill: float | None = None) -> np.ndarray:  # fmt: skip
    """The volume on another grid, float32 [D, H, W].

    Where the voxels of both coincide nothing is interpolated. Else, where the axes are parallel, each is one product
    with a banded matrix that smooths and interpolates at once: trilinear interpolation is separable. The values are
    those of SimpleITK's linear resampling to rounding, in a fraction of its time. Shrinking is preceded by a Gaussian
    that makes up for the ratio of spacings (Cardoso et al., MICCAI 2015): sd = sqrt(ratio² − 1) · FWHM⁻¹ voxels.

    Args:
        volume: the image.
        grid: where it shall be known; a grid turned or sheared against the volume's is sampled by SimpleITK.
        interpolation: "linear", "nearest" or "bspline" (cubic, by SimpleITK).
        antialias: smooth before shrinking; never with "nearest".
        fill: outside the volume, that is beyond half a voxel from its outermost voxels' middles; None is its smallest
            value.
    """
    relative = np.linalg.inv(volume.affine) @ grid.affine  # indices of the grid -> indices of the volume, W H D
    if np.abs(relative[:3, :3] - np.diag(np.diag(relative[:3, :3]))).max() > SAME:
        return _turned(volume.array, relative, grid.shape, interpolation, antialias, fill)
    shift = _integer_shift(relative)
    if shift is not None:
        return _cut(volume.array, shift, grid.shape, float(volume.array.min()) if fill is None else fill)
    axes = [
        _Axis(length, target_length, float(relative[2 - axis, 2 - axis]), float(relative[2 - axis, 3]))
        for axis, (length, target_length) in enumerate(zip(volume.array.shape, grid.shape, strict=True))
    ]
    result = _WAYS[interpolation](volume.array, axes, antialias)
    for axis, sampling in enumerate(axes):
        if not sampling.inside.all():
            fill = float(volume.array.min()) if fill is None else fill
            result[(slice(None),) * axis + (~sampling.inside,)] = fill
    return result


def resample_measured(
    volume: Volume, grid: Grid, *, interpolation: str = "linear", antialias: bool = True
) -> tuple[np.ndarray, np.ndarray | None]:
    """As `resample`, and which voxels of the grid are empty (padding): those of less than half of measured neighbours.

    The others are the mean of their measured neighbours alone (normalized convolution; Knutsson and Westin, CVPR 1993),
    so that no value between tissue and padding arises. Empty ones take the lowest measured value.

    Returns:
        float32 [D, H, W], and bool [D, H, W] or None where the volume has no empty voxels.
    """
    if volume.empty is None:
        return resample(volume, grid, interpolation=interpolation, antialias=antialias), None
    measured = (~volume.empty).astype(np.float32)
    low = float(volume.array.min())
    place: dict[str, Any] = {"interpolation": interpolation, "antialias": antialias}
    share = resample(Volume(measured, volume.affine), grid, fill=0.0, **place)
    values = resample(Volume((volume.array - np.float32(low)) * measured, volume.affine), grid, fill=0.0, **place)
    empty = share < HALF
    np.divide(values, share, out=values, where=~empty)
    values += np.float32(low)
    values[empty] = low
    return values, empty


def beyond(volume: Volume, grid: Grid) -> np.ndarray | None:
    """Which voxels of a grid lie outside of a volume, more than half a voxel from its outermost voxels' middles.

    Returns:
        bool [D, H, W]; None where all lie inside.
    """
    relative = np.linalg.inv(volume.affine) @ grid.affine  # indices of the grid -> indices of the volume, W H D
    coordinates = np.ogrid[tuple(slice(n) for n in grid.shape)][::-1]  # W, H, D
    inside = np.ones((1, 1, 1), bool)
    for row, length in zip(relative[:3], volume.array.shape[::-1], strict=True):
        place = sum((c * step for c, step in zip(coordinates, row[:3], strict=True) if abs(step) > SAME), row[3])
        inside = inside & (place >= -0.5) & (place < length - 0.5)
    return None if inside.all() else np.broadcast_to(~inside, grid.shape)


class _Axis:
    """Places of a grid's voxels along one axis of the volume.

    Attributes:
        length: voxels of the volume.
        ratio: step of the grid in voxels of the volume.
        start: continuous index of the grid's first voxel.
        places: continuous index of each voxel of the grid, moved to the border where it is outside.
        inside: whether it lies within half a voxel of the volume's.
    """

    def __init__(self, length: int, target_length: int, ratio: float, start: float) -> None:
        places = start + ratio * np.arange(target_length)
        self.length, self.ratio, self.start = length, ratio, start
        self.inside = (places >= -0.5) & (places < length - 0.5)
        self.places = np.clip(places, 0, length - 1)

    def weights(self, antialias: bool) -> np.ndarray:
        """float32 [wanted, length], rows sum to 1: linear interpolation of the volume, smoothed where it shrinks."""
        rows = np.arange(self.places.size)
        low = np.minimum(self.places.astype(int), self.length - 1)
        high = np.minimum(low + 1, self.length - 1)
        part = self.places - low
        kernel = _kernel(self.ratio) if antialias else np.ones(1)
        radius = kernel.size // 2
        matrix = np.zeros((rows.size, self.length))
        for offset, weight in zip(range(-radius, radius + 1), kernel, strict=True):  # beyond the border: the border
            np.add.at(matrix, (rows, np.clip(low + offset, 0, self.length - 1)), weight * (1 - part))
            np.add.at(matrix, (rows, np.clip(high + offset, 0, self.length - 1)), weight * part)
        return matrix.astype(np.float32)


def _kernel(ratio: float) -> np.ndarray:
    """Sampled Gaussian of sum 1 for shrinking by ``ratio``, cut at 3.5 standard deviations; [1] without shrinking."""
    if ratio < 1 + SAME:
        return np.ones(1)
    sigma = math.sqrt(ratio**2 - 1) * _PER_FWHM
    radius = max(1, math.ceil(3.5 * sigma))
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return weights / weights.sum()


def _linear(array: np.ndarray, axes: Sequence[_Axis], antialias: bool) -> np.ndarray:
    """Slab by slab along the slowest axis of memory, all three products while the slab lies in the CPU's cache."""
    order = sorted(range(3), key=lambda axis: -abs(array.strides[axis]))
    stored = array.transpose(order)
    slow, middle, fast = (_bands(axes[axis].weights(antialias), BLOCKS[at]) for at, axis in enumerate(order))
    count = tuple(axes[axis].places.size for axis in order)
    result = np.empty(count, np.float32)
    most = max(last - first for _, (first, last), _ in slow)
    buffer = np.empty((most, *stored.shape[1:]), np.float32)
    planes = np.empty((BLOCKS[0], *stored.shape[1:]), np.float32)
    rows = np.empty((BLOCKS[0], count[1], stored.shape[2]), np.float32)
    for (start, end), (first, last), weights in slow:
        np.copyto(buffer[: last - first], stored[first:last], casting="unsafe")  # whatever dtype and direction it has
        done = end - start
        np.matmul(weights, buffer[: last - first].reshape(last - first, -1), out=planes[:done].reshape(done, -1))
        _along(planes[:done], middle, rows[:done])
        _along_last(rows[:done], fast, result[start:end])
    return np.ascontiguousarray(result.transpose(np.argsort(order)))


_Band = tuple[tuple[int, int], tuple[int, int], np.ndarray]


def _bands(weights: np.ndarray, block: int) -> list[_Band]:
    """Blocks of rows of ``weights`` [out, in]: their rows, the columns that are not 0, and the weights of both."""
    bands = []
    for start in range(0, weights.shape[0], block):
        rows = weights[start : start + block]
        used = np.flatnonzero(rows.any(axis=0))
        first, last = int(used[0]), int(used[-1]) + 1
        bands.append(((start, start + len(rows)), (first, last), np.ascontiguousarray(rows[:, first:last])))
    return bands


def _along(array: np.ndarray, bands: Sequence[_Band], out: np.ndarray) -> None:
    """The product along the middle axis."""
    for (start, end), (first, last), weights in bands:
        np.matmul(weights, array[:, first:last], out=out[:, start:end])


def _along_last(array: np.ndarray, bands: Sequence[_Band], out: np.ndarray) -> None:
    """The product along the last axis."""
    flat, flat_out = array.reshape(-1, array.shape[2]), out.reshape(-1, out.shape[2])
    for (start, end), (first, last), weights in bands:
        np.matmul(flat[:, first:last], weights.T, out=flat_out[:, start:end])


def _nearest(array: np.ndarray, axes: Sequence[_Axis], antialias: bool) -> np.ndarray:
    index = [np.minimum(np.floor(axis.places + 0.5).astype(int), axis.length - 1) for axis in axes]
    return array[np.ix_(*index)].astype(np.float32)


def _smoothed(array: np.ndarray, ratios: Sequence[float]) -> np.ndarray:
    """The same grid, with the Gaussian that precedes shrinking each axis (D, H, W) by a ratio."""
    if all(ratio < 1 + SAME for ratio in ratios):
        return array
    axes = [_Axis(length, length, 1.0, 0.0) for length in array.shape]
    for axis, ratio in zip(axes, ratios, strict=True):
        axis.ratio = ratio
    return _linear(array, axes, True)


def _turned(
    array: np.ndarray,
    relative: np.ndarray,
    shape: tuple[int, int, int],
    interpolation: str,
    antialias: bool,
    fill: float | None,
) -> np.ndarray:
    """On a grid whose indices (W, H, D) an affine matrix takes to the array's."""
    import SimpleITK as sitk

    fill = float(array.min()) if fill is None else fill
    if antialias and interpolation != "nearest":
        array = _smoothed(array, np.linalg.norm(relative[:3, :3], axis=1)[::-1].tolist())
    transform = sitk.AffineTransform(relative[:3, :3].ravel().tolist(), relative[:3, 3].tolist())
    method = sitk.ResampleImageFilter()
    method.SetSize(list(shape[::-1]))
    method.SetTransform(transform)
    method.SetInterpolator(_SITK[interpolation])
    method.SetDefaultPixelValue(fill)
    method.SetOutputPixelType(sitk.sitkFloat32)
    return sitk.GetArrayFromImage(method.Execute(sitk.GetImageFromArray(np.ascontiguousarray(array, dtype=np.float32))))


#: Interpolation → SimpleITK's enumeration (sitkNearestNeighbor, sitkLinear, sitkBSpline).
_SITK = {"nearest": 1, "linear": 2, "bspline": 3}


def _cubic(array: np.ndarray, axes: Sequence[_Axis], antialias: bool) -> np.ndarray:
    """Cubic B-splines by SimpleITK, in index space."""
    import SimpleITK as sitk

    if antialias:
        array = _smoothed(array, [sampling.ratio for sampling in axes])
    method = sitk.ResampleImageFilter()
    method.SetSize([axis.places.size for axis in axes[::-1]])
    method.SetOutputSpacing([axis.ratio for axis in axes[::-1]])
    method.SetOutputOrigin([axis.start for axis in axes[::-1]])
    method.SetInterpolator(sitk.sitkBSpline)
    method.SetOutputPixelType(sitk.sitkFloat32)
    return sitk.GetArrayFromImage(method.Execute(sitk.GetImageFromArray(np.ascontiguousarray(array, dtype=np.float32))))


_WAYS = {"linear": _linear, "nearest": _nearest, "bspline": _cubic}


def _integer_shift(relative: np.ndarray) -> tuple[int, int, int] | None:
    """Whole voxels (W, H, D) from the volume's first voxel to the grid's, or None where the grids do not coincide."""
    if np.abs(relative[:3, :3] - np.eye(3)).max() > SAME:
        return None
    shift = relative[:3, 3]
    rounded = np.rint(shift)
    return (int(rounded[0]), int(rounded[1]), int(rounded[2])) if np.abs(shift - rounded).max() < 1e-3 else None


def _cut(array: np.ndarray, shift: tuple[int, int, int], shape: tuple[int, int, int], fill: float) -> np.ndarray:
    """The part of ``array`` [D, H, W] that begins at ``shift`` (W, H, D), padded outside of it."""
    start = shift[::-1]
    result = np.full(shape, fill, np.float32)
    source, place = [], []
    for first, target_length, length in zip(start, shape, array.shape, strict=True):
        low, high = max(0, first), min(length, first + target_length)
        if low >= high:
            return result
        source.append(slice(low, high))
        place.append(slice(low - first, high - first))
    result[tuple(place)] = array[tuple(source)]
    return result
