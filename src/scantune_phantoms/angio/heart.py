"""The heart's surface, on which the arteries run, and rays through it.

Body coordinates are centimetres from the middle of the heart's base: x to the patient's left, y to the back, z up.
On the surface a point has a latitude, 0 at the base (the groove between atria and ventricles) and 1 at the apex, and a
longitude in degrees, 0 in front above, 90 at the left, 180 below, −90 at the right.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Heart:
    """One heart at one moment of the beat.

    Attributes:
        axes: [3, 3], rows are unit vectors: base to apex, to longitude 0, to longitude 90.
        length: base to apex, cm.
        height: of the base towards longitude 0, cm.
        left: half width of the base towards longitude 90, cm.
        right: half width of the base towards longitude −90, cm.
    """

    axes: np.ndarray
    length: float
    height: float
    left: float
    right: float

    @property
    def middle(self) -> np.ndarray:
        """Where the C-arm turns about: [3], cm."""
        return 0.38 * self.length * self.axes[0]

    def surface(self, latitude: np.ndarray, longitude: np.ndarray, depth: np.ndarray | float = 1.0) -> np.ndarray:
        """Points on the surface (``depth`` 1) or below it.

        Args:
            latitude: [N], −0.4 to 1.1.
            longitude: [N], degrees.
            depth: share of the way from the long axis to the surface.

        Returns:
            [N, 3], cm.
        """
        angle = np.deg2rad(longitude)
        along, out = np.sin(0.5 * np.pi * latitude), np.cos(0.5 * np.pi * latitude) * depth
        side = np.sin(angle)
        width = np.where(side > 0, self.left, self.right)
        return (
            self.length * along[:, None] * self.axes[0]
            + (self.height * out * np.cos(angle))[:, None] * self.axes[1]
            + (width * out * side)[:, None] * self.axes[2]
        )

    def chord(self, origin: np.ndarray, direction: np.ndarray) -> np.ndarray:
        """Path length of parallel rays through heart and pericardial fat, an ellipsoid.

        Args:
            origin: [..., 3], a point on each ray.
            direction: [3], unit vector of all rays.

        Returns:
            [...], cm.
        """
        half = np.array([0.66 * self.length, 1.12 * self.height, 0.56 * (self.left + self.right)])
        centre = 0.36 * self.length * self.axes[0] + 0.5 * (self.left - self.right) * self.axes[2]
        to_unit = self.axes / half[:, None]  # ellipsoid to unit ball
        start, way = (origin - centre) @ to_unit.T, to_unit @ direction
        a, b = float(way @ way), start @ way
        inside = b**2 - a * ((start**2).sum(axis=-1) - 1)
        return 2 * np.sqrt(np.clip(inside, 0, None)) / a


def draw_heart(rng: np.random.Generator, *, female: bool) -> Heart:
    """A person's heart in diastole."""
    size = (0.93 if female else 1.0) * rng.normal(1, 0.06)
    lean = rng.normal(0, 0.07, 3)
    axis = np.array([0.62, -0.52, -0.58]) + lean
    axis /= np.linalg.norm(axis)
    up = np.array([0.0, 0.0, 1.0]) - axis[2] * axis
    up /= np.linalg.norm(up)
    leftward = -np.cross(axis, up)
    axes = np.stack([axis, up, leftward])
    length, height, left, right = size * np.array([8.6, 3.7, 4.2, 5.0]) * rng.normal(1, 0.04, 4)
    return Heart(axes, float(length), float(height), float(left), float(right))


def beating(heart: Heart, systole: float) -> Heart:
    """The same heart contracted by ``systole``, 0 (diastole) to 1."""
    return Heart(
        heart.axes,
        heart.length * (1 - 0.1 * systole),
        heart.height * (1 - 0.13 * systole),
        heart.left * (1 - 0.13 * systole),
        heart.right * (1 - 0.13 * systole),
    )
