"""Outlines of cells as signed distances in pixels, negative inside: lobes, wavy rounds, their soft union."""

from __future__ import annotations

import numpy as np


def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each pixel from the picture's middle: float32 [H, W] each."""
    line = np.arange(size, dtype=np.float32) - (size - 1) / 2
    rows, columns = np.meshgrid(line, line, indexing="ij")
    return rows, columns


def wavy(
    rng: np.random.Generator,
    place: tuple[np.ndarray, np.ndarray],
    centre: tuple[float, float],
    radius: float,
    *,
    waves: float = 0.05,
    stretch: float = 0.1,
) -> np.ndarray:
    """Distance to a round outline that is stretched and wavy, about right near it.

    Args:
        rng: draws the waves.
        place: from `grid`.
        centre: row, column.
        radius: mean, pixels.
        waves: their height in radii.
        stretch: greatest elongation in radii.
    """
    rows, columns = place[0] - centre[0], place[1] - centre[1]
    angle = np.arctan2(rows, columns)
    outline = np.full_like(angle, radius) * (1 + rng.uniform(0, stretch) * np.cos(2 * (angle - rng.uniform(0, np.pi))))
    for order in (3, 4, 5, 7):
        outline += radius * waves * rng.normal() / order**0.5 * np.cos(order * angle + rng.uniform(0, 2 * np.pi)) / 1.5
    return np.hypot(rows, columns) - outline


def union(distances: list[np.ndarray], soft: float = 1.2) -> np.ndarray:
    """The nearest of several outlines, joined with a fillet of about ``soft`` pixels."""
    nearest = np.min(distances, axis=0)
    return nearest - soft * np.log(sum(np.exp(-(distance - nearest) / soft) for distance in distances))


def strand(
    place: tuple[np.ndarray, np.ndarray], start: tuple[float, float], end: tuple[float, float], width: float
) -> np.ndarray:
    """Distance to a straight thread of ``width`` pixels between two points."""
    along = np.subtract(end, start)
    rows, columns = place[0] - start[0], place[1] - start[1]
    share = np.clip((rows * along[0] + columns * along[1]) / max(float(along @ along), 1e-6), 0, 1)
    return np.hypot(rows - share * along[0], columns - share * along[1]) - width / 2


def inside(distance: np.ndarray, soft: float = 1.0) -> np.ndarray:
    """1 inside, 0 outside, a ramp of ``soft`` pixels between: float32."""
    return np.clip(0.5 - distance / soft, 0, 1).astype(np.float32)
