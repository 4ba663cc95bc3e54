"""A sheared volume resampled upright, if requested."""

from __future__ import annotations

import numpy as np

from scantune.io import geometry
from scantune.io.arrays import Volume

#: Share of a voxel's neighbours, by weight, that must have been measured for it to count as measured.
HALF = 0.5


def resample_upright(volume: Volume, *, labels: bool = False) -> Volume:
    """Resample a sheared grid (gantry tilt) linearly onto a box with the same in-plane axes.

    The new slice axis is perpendicular to the slices' own two axes; the box holds every voxel of the sheared grid, and
    what lies outside of that is marked as empty and takes the volume's minimum (air in CT).

    Args:
        volume: in RAS+ order, its affine sheared.
        labels: its values are labels: each voxel takes that of the nearest one, 0 outside. An image and its mask on one
            sheared grid lie on one box.

    Returns:
        A volume whose affine's axes are perpendicular, spacing as along the sheared grid's perpendicular distances.
    """
    import SimpleITK as sitk

    upright = _box(volume.affine)
    low, size = _extent(volume, upright)
    upright[:3, 3] += upright[:3, :3] @ low
    # indices of the new grid to indices of the old one: SimpleITK can then work without a direction matrix
    mapping = np.linalg.inv(volume.affine) @ upright
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(mapping[:3, :3].ravel().tolist())
    transform.SetTranslation(mapping[:3, 3].tolist())
    outside, measured = float(volume.array.min()), np.ones(volume.array.shape, np.float32)
    method = sitk.sitkNearestNeighbor if labels else sitk.sitkLinear

    def upon(array: np.ndarray, beyond: float) -> np.ndarray:
        picture = sitk.GetImageFromArray(np.ascontiguousarray(array, dtype=np.float32))
        grid = [int(n) for n in size], transform, method, [0.0] * 3, [1.0] * 3, _UNTURNED
        return sitk.GetArrayFromImage(sitk.Resample(picture, *grid, beyond))

    facts = dict(volume.facts)
    facts["upright"] = True
    words = "nearest labels" if labels else "linear"
    facts["notes"] = [*facts.get("notes", []), f"the grid was sheared (gantry tilt); resampled upright, {words}"]
    if labels:
        return Volume(upon(volume.array, 0.0), upright, facts)
    if volume.empty is None:
        share, values = upon(measured, 0.0), upon(volume.array, outside)
    else:  # tissue beside padding stays tissue: padding has no part in the mean of neighbours
        measured[volume.empty] = 0.0
        share, values = upon(measured, 0.0), upon(volume.array * measured, 0.0)
        np.divide(values, share, out=values, where=share > 0)
    empty = share < HALF
    values[empty] = outside
    return Volume(values, upright, facts, empty if empty.any() else None)


_UNTURNED = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]


def _box(affine: np.ndarray) -> np.ndarray:
    """The affine with its one sheared axis put perpendicular to the two others."""
    spacing = geometry.spacing_of(affine)
    unit = affine[:3, :3] / spacing
    cosines = np.abs(unit.T @ unit) - np.eye(3)
    pairs = [(0, 1), (0, 2), (1, 2)]
    perpendicular = min(pairs, key=lambda pair: cosines[pair])  # the slice's own axes are perpendicular
    tilted = 3 - sum(perpendicular)
    normal = np.cross(unit[:, perpendicular[0]], unit[:, perpendicular[1]])
    normal /= np.linalg.norm(normal)
    step = float(normal @ affine[:3, tilted])  # signed distance between slices
    upright = affine.copy()
    upright[:3, tilted] = normal * step
    return upright


def _extent(volume: Volume, upright: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First index and size of the grid of ``upright`` that holds every voxel centre of ``volume``."""
    top = np.array(volume.array.shape[::-1]) - 1.0
    corners = np.array([[a, b, c, 1.0] for a in (0, top[0]) for b in (0, top[1]) for c in (0, top[2])])
    inside = (np.linalg.inv(upright) @ volume.affine @ corners.T)[:3]
    low = np.floor(inside.min(axis=1) + 1e-3)
    high = np.ceil(inside.max(axis=1) - 1e-3)
    return low, (high - low + 1).astype(int)
