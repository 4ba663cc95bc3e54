"""Where the film lies over the body, and tubes (bones, vessels, wires) projected onto it.

Body coordinates are centimetres: x to the picture's right (the patient's left), 0 at the spine; y downwards, 0 at the
lower neck.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np


@dataclass(frozen=True)
class Frame:
    """A film over the body.

    Attributes:
        shape: H, W.
        pixel: edge of a pixel, cm.
        centre: x, y of the film's middle in body coordinates.
        angle: by which the body is turned on the film, radians.
    """

    shape: tuple[int, int]
    pixel: float
    centre: tuple[float, float]
    angle: float = 0.0

    def grid(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y of every pixel: float32 [H, W] each."""
        height, width = self.shape
        rows, columns = np.mgrid[:height, :width].astype(np.float32)
        right = (columns - (width - 1) / 2) * self.pixel
        down = (rows - (height - 1) / 2) * self.pixel
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return right * cos + down * sin + self.centre[0], down * cos - right * sin + self.centre[1]

    def to_pixels(self, points: np.ndarray) -> np.ndarray:
        """[N, 2] x, y to [N, 2] row, column."""
        x, y = points[:, 0] - self.centre[0], points[:, 1] - self.centre[1]
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        right, down = x * cos - y * sin, y * cos + x * sin
        height, width = self.shape
        return np.stack([down / self.pixel + (height - 1) / 2, right / self.pixel + (width - 1) / 2], axis=1)


@cache
def _disc(level: int, levels_per_octave: int = 3) -> np.ndarray:
    """A disc of radius 0.35 · 2^(level / 3) pixels with a soft rim: [K, K] float32."""
    radius = 0.35 * 2 ** (level / levels_per_octave)
    half = math.ceil(radius + 0.5)
    rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
    disc = np.clip(radius + 0.5 - np.hypot(rows, columns), 0, 1)
    return (disc * (math.pi * radius**2 / disc.sum())).astype(np.float32)


def tubes(frame: Frame, points: np.ndarray, radius: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Path length through round tubes.

    A disc of unit density drawn along a line adds up to the chord 2·sqrt(R² − d²) of a tube, so short pieces do.

    Args:
        frame: the film.
        points: [N, 2] x, y of the pieces' middles, no further apart than about a radius.
        radius: [N], cm.
        length: [N] of each piece, cm; times a density where the tube is not water.

    Returns:
        float32 [H, W], cm.
    """
    import cv2

    height, width = frame.shape
    total = np.zeros(frame.shape, np.float32)
    if not len(points):
        return total
    at = frame.to_pixels(points)
    level = np.clip(np.rint(3 * np.log2(np.maximum(radius / frame.pixel, 0.35) / 0.35)), 0, 16).astype(int)
    exact = (radius / frame.pixel / (0.35 * 2 ** (level / 3))) ** 2  # keeps the tube's volume between levels
    inside = (at[:, 0] > 1) & (at[:, 0] < height - 2) & (at[:, 1] > 1) & (at[:, 1] < width - 2)
    for one in np.unique(level[inside]):
        chosen = inside & (level == one)
        rows, columns = at[chosen].T
        top, left = np.floor(rows).astype(int), np.floor(columns).astype(int)
        down, right = rows - top, columns - left
        weight = (length * exact)[chosen]
        impulses = np.zeros(height * width, np.float32)
        for row, column, share in (
            (top, left, (1 - down) * (1 - right)),
            (top, left + 1, (1 - down) * right),
            (top + 1, left, down * (1 - right)),
            (top + 1, left + 1, down * right),
        ):
            impulses += np.bincount(row * width + column, weight * share, height * width).astype(np.float32)
        total += cv2.filter2D(impulses.reshape(frame.shape), -1, _disc(int(one)), borderType=cv2.BORDER_CONSTANT)
    return total


def along(points: np.ndarray, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """A polyline [N, 2] cut into pieces: their middles [M, 2] and lengths [M], cm."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    run = np.concatenate([[0.0], np.cumsum(steps)])
    count = max(2, int(run[-1] / spacing))
    at = (np.arange(count) + 0.5) * run[-1] / count
    middles = np.stack([np.interp(at, run, points[:, 0]), np.interp(at, run, points[:, 1])], axis=1)
    return middles, np.full(count, run[-1] / count)


def draw(frame: Frame, lines: list[np.ndarray], radius: float, density: float = 1.0) -> np.ndarray:
    """Polylines as tubes of one radius and density: float32 [H, W], cm of water."""
    pieces = [along(line, max(0.6 * frame.pixel, 0.3 * radius)) for line in lines]
    if not pieces:
        return np.zeros(frame.shape, np.float32)
    points = np.concatenate([middles for middles, _ in pieces])
    lengths = np.concatenate([length for _, length in pieces])
    return tubes(frame, points, np.full(len(points), radius), density * lengths)


def ellipsoid(
    x: np.ndarray,
    y: np.ndarray,
    centre: tuple[float, float],
    axes: tuple[float, float],
    chord: float,
    angle: float = 0.0,
) -> np.ndarray:
    """Path length through an ellipsoid: ``chord`` cm in its middle, 0 outside its outline.

    Args:
        x: of each pixel, cm.
        y: of each pixel, cm.
        centre: x, y.
        axes: half axes of the outline.
        chord: cm in the middle.
        angle: by which the first axis is turned from x towards y, radians.
    """
    cos, sin = math.cos(angle), math.sin(angle)
    right, down = x - centre[0], y - centre[1]
    first, second = (right * cos + down * sin) / axes[0], (down * cos - right * sin) / axes[1]
    return chord * np.sqrt(np.clip(1 - first**2 - second**2, 0, None))
