"""What scatters: how bright each point of the body is at a moment, and the grain that moves along with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune_phantoms.echo.anatomy import Heart, Pose, Scene, ellipse, scene
from scantune_phantoms.echo.scanner import Sector
from scantune_phantoms.fields import clouds, step

_TILE = 512  # edge of the grain's tile, samples; it repeats
_GRAIN = 0.06  # cm between its samples

# dB about the muscle of the ventricles.
BLOOD, OUTSIDE, ATRIAL, PERICARDIUM, VALVE = -36.0, -12.0, -1.0, 19.0, 9.0


@dataclass(frozen=True)
class Placement:
    """Where the heart lies for the probe.

    Attributes:
        across, down: of the apex, cm.
        tilt: of its long axis, radians; positive leads the atria to the left of the screen.
        squeeze: share of the long axis that the plane shows; 1 runs through the apex.
    """

    across: float
    down: float
    tilt: float
    squeeze: float


@dataclass(frozen=True)
class Grain:
    """Scatterers of one person, fixed to the tissue.

    Attributes:
        tile: float32 [H, W, 4]: real and imaginary part of the echo, unevenness of surfaces, large-scale brightness.
    """

    tile: np.ndarray

    def at(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """Its values at points of the tissue, cm: [R, A, 4]."""
        import cv2

        columns, rows = (u / _GRAIN + 0.37 * _TILE).astype(np.float32), (v / _GRAIN + 0.2 * _TILE).astype(np.float32)
        return cv2.remap(self.tile, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def make_grain(rng: np.random.Generator) -> Grain:
    """Draw a person's scatterers."""
    tile = rng.standard_normal((_TILE, _TILE, 4), dtype=np.float32)
    tile[..., 2] = clouds(rng, (_TILE, _TILE), 24, 3)
    tile[..., 3] = clouds(rng, (_TILE, _TILE), 14, 4)
    return Grain(tile)


def to_heart(sector: Sector, placement: Placement, heart: Heart) -> tuple[np.ndarray, np.ndarray]:
    """Each sample of the sector in the heart's frame: u and v in cm, [R, A]."""
    cos, sin = np.cos(placement.tilt), np.sin(placement.tilt)
    across, down = sector.x - placement.across, sector.z - placement.down
    u, v = cos * across + sin * down, cos * down - sin * across
    longest = heart.length * placement.squeeze
    stretched = np.where(v < longest, v / placement.squeeze, v - longest + heart.length)
    return u.astype(np.float32), np.where(v < 0, v, stretched).astype(np.float32)


def material(heart: Heart, pose: Pose, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the tissue that is now at (u, v) lies at the end of diastole."""
    floor = heart.length + heart.atria
    ring = heart.length - pose.length
    share = np.where(v < pose.length, v / pose.length, (floor + 1 - v) / (floor + 1 - pose.length))
    at_rest = v + ring * np.clip(share, 0, 1)
    near = np.exp(-np.clip(np.abs(u) - pose.width, 0, None) / 1.4) * np.clip(np.abs(u) / pose.width, 0, 1)
    inward = (heart.width - pose.width) * near * step(v, 1.25 * heart.length, 0.8 * heart.length)
    return (u + np.sign(u) * inward).astype(np.float32), at_rest.astype(np.float32)


def echoes(
    heart: Heart, pose: Pose, grain: Grain, sector: Sector, u: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The scattered wave before the machine's point spread.

    Args:
        heart: its measures.
        pose: its moment.
        grain: of the tissue.
        sector: geometry of the beams.
        u, v: samples in the heart's frame, from `to_heart`.

    Returns:
        Real and imaginary part of what solid tissue sends back, float32 [R, A, 2] (muscle has unit power), and the
        blood's share of each sample, 0–1 [R, A].
    """
    rest_u, rest_v = material(heart, pose, u, v)
    values = grain.at(rest_u, rest_v)
    parts = scene(heart, pose, u, v, 0.07 * values[..., 2])
    level, blood = _level(heart, pose, parts, sector, u, v)
    level = level + values[..., 3] * np.where(parts.body < 0, 2.4, 4.5).astype(np.float32)
    return values[..., :2] * (10 ** (level / 20)).astype(np.float32)[..., None], blood


def _level(
    heart: Heart, pose: Pose, parts: Scene, sector: Sector, u: np.ndarray, v: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """dB about muscle of each sample, and the blood's share of it."""
    gap = (sector.depth - 0.15) / (len(sector.radius) - 1)
    facing = np.abs(np.gradient(parts.body, axis=0)) / gap  # 1 where the beam meets the surface at right angles
    facing = np.clip(facing, 0, 1)
    blood = step(parts.cavity, 0.09, -0.09)
    inside = step(parts.body, 0.1, -0.1)
    wall = np.where(parts.muscle < 0, -2.5 + 4.0 * facing - 1.2 * np.clip(parts.left, 0, 2), ATRIAL - 4 + 6 * facing)
    # Septum and rings are collagenous and shine; the inner surface is lined by a brighter edge.
    septum = np.exp(-(((u + pose.width + 0.5 * pose.wall) / (0.55 * pose.wall)) ** 2)) * step(v, 0.5, 3.0)
    rings = step(np.abs(v - pose.length), 0.8, 0.1)
    wall = wall + 4.5 * septum * step(v, pose.length + 0.6, pose.length) + 3.0 * rings
    wall = wall + (2.0 + 4.0 * facing) * np.exp(-((parts.cavity / 0.16) ** 2))
    # The septum between the atria is thin in its middle.
    fossa = ellipse(u + heart.left_atrium, v - heart.length - 0.45 * heart.atria, 0.7, 0.8)
    wall = wall - 12 * step(fossa, 0.2, -0.3)
    lung = step(u, 2.0, 5.0) + step(u, -3.0, -7.0)
    outside = OUTSIDE - 1.5 * np.clip(parts.body, 0, 12) - 5 * lung
    thick = 0.28 + 0.5 * facing**2  # behind the atria it runs into the tissue of the back
    around = PERICARDIUM * (0.3 + 0.7 * facing) * np.exp(-((np.clip(parts.body - 0.15, 0, None) / thick) ** 2))
    far = np.clip(v / heart.length - 0.1, 0.15, 1)
    outside = outside + around * far
    level = outside + inside * (wall - outside)
    level = level + blood * (BLOOD - level)
    valve = step(parts.valves, 0.05, -0.05)
    level = level + valve * (VALVE * (0.35 + 0.65 * facing) - 3 - level)
    return level.astype(np.float32), blood * (1 - valve)
