"""Planes of a volume in radiological convention, with the letters of their sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Plane:
    """One plane of a volume.

    Attributes:
        name: "axial", "coronal" or "sagittal".
        left: letter at the left edge (the right of the subject in axial and coronal planes).
        right: letter at the right edge.
        axis: array axis of [D, H, W] perpendicular to the plane.
    """

    name: str
    left: str
    right: str
    axis: int

    def cut(self, volume: np.ndarray, at: int) -> np.ndarray:
        """The plane [rows, columns] at index ``at``, oriented for display."""
        rows = np.take(volume, at, axis=self.axis)
        return rows[::-1, ::-1]  # to rows from superior or anterior, columns from right or anterior

    def place(self, point: tuple[int, int, int], shape: tuple[int, ...]) -> tuple[int, int]:
        """Row and column of a voxel (d, h, w) in the plane as displayed."""
        row, column = (axis for axis in range(3) if axis != self.axis)
        return shape[row] - 1 - point[row], shape[column] - 1 - point[column]

    def aspect(self, spacing: tuple[float, ...] | None) -> float:
        """Height of an element divided by its width; ``spacing`` is along D, H, W."""
        if spacing is None:
            return 1.0
        row, column = (axis for axis in range(3) if axis != self.axis)
        return spacing[row] / spacing[column]


AXIAL = Plane("axial", "R", "L", 0)
CORONAL = Plane("coronal", "R", "L", 1)
SAGITTAL = Plane("sagittal", "A", "P", 2)

CONVENTION = "Radiological convention: the patient's right is on the left of axial and coronal planes."


def maximum(values: np.ndarray) -> tuple[int, int, int]:
    """Voxel (d, h, w) of the maximum; among several the one nearest to their centre."""
    places = np.argwhere(values == values.max())
    nearest = np.abs(places - places.mean(axis=0)).sum(axis=1).argmin()
    d, h, w = (int(n) for n in places[nearest])
    return d, h, w


def millimetres(point: tuple[int, int, int], affine: np.ndarray) -> tuple[float, float, float]:
    """Voxel (d, h, w) in mm, RAS."""
    x, y, z = (affine @ np.array([point[2], point[1], point[0], 1.0]))[:3]
    return float(x), float(y), float(z)
