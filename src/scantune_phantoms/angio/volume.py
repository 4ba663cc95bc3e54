"""The same hearts as small volumes: CT coronary angiography in Hounsfield units, arteries filled, and their mask."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune import io
from scantune_phantoms.angio.frame import Pieces, anatomy_of, cut
from scantune_phantoms.angio.heart import Heart
from scantune_phantoms.angio.subjects import Subject
from scantune_phantoms.cohort import generator
from scantune_phantoms.fields import smooth_3d

_EXTENT = 12.8  # cm along each edge
_HU = {"lung": -830.0, "fat": -90.0, "muscle": 105.0, "blood": 300.0, "tissue": 40.0, "liver": 95.0, "spine": 260.0}


@dataclass(frozen=True, eq=False)
class Scan:
    """A volume, its mask (1 in the vessels) and the greatest narrowing (share of the diameter)."""

    volume: io.Volume
    mask: io.Volume
    stenosis: float


def make_volume(seed: int, site: str, subject: Subject, *, size: int) -> Scan:
    """Both arteries of a subject in diastole, ``size`` voxels along each edge of 12.8 cm."""
    (heart, left), (_, right) = (anatomy_of(seed, site, subject, artery) for artery in ("LCA", "RCA"))
    rng = generator(seed, "angio", site, subject.number, "volume")
    voxel = _EXTENT / size
    corner = heart.middle + rng.normal(0, 0.3, 3) + 0.5 * _EXTENT * np.array([1, 1, -1])  # of R A S: x and y turn round
    share = np.maximum(*(_share(cut(tree, heart), corner, voxel, size) for tree in (left, right)))
    tissue = _tissue(rng, heart, corner, voxel, size)
    enhanced = rng.normal(390, 40) * (1 if site == "a" else 0.75)
    values = tissue + share * (enhanced - tissue)
    noise = rng.standard_normal((size,) * 3, dtype=np.float32)
    values = _blurred(values, 0.5) + (28 if site == "a" else 52) * _blurred(noise, 0.6) * 2.2
    affine = np.diag([10 * voxel, 10 * voxel, 10 * voxel, 1.0])
    affine[:3, 3] = 10 * (np.array([-corner[0], -corner[1], corner[2]]) + 0.5 * voxel)
    mask = (share > 0.2).astype(np.float32)
    return Scan(io.Volume(values.astype(np.float32), affine), io.Volume(mask, affine), max(left.worst, right.worst))


def _places(corner: np.ndarray, voxel: float, size: int) -> np.ndarray:
    """Body coordinates (x to the left, y to the back, z up) of all voxels: float64 [D, H, W, 3]."""
    line = (np.arange(size) + 0.5) * voxel
    z, y, x = np.meshgrid(corner[2] + line, corner[1] - line, corner[0] - line, indexing="ij")
    return np.stack([x, y, z], axis=-1)


def _share(pieces: Pieces, corner: np.ndarray, voxel: float, size: int) -> np.ndarray:
    """By how much each voxel is filled by vessel, 0–1: float32 [D, H, W]."""
    at = (pieces.points - corner) * np.array([-1, -1, 1]) / voxel - 0.5  # i j k
    radius = np.maximum(pieces.radius / voxel, 0.05)
    filled = np.full(size**3, -1.0, np.float32)
    reach = int(np.ceil(radius.max() + 1))
    offsets = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    base = np.rint(at).astype(int)
    for offset in offsets:
        cell = base + offset
        inside = ((cell >= 0) & (cell < size)).all(axis=1)
        depth = radius[inside] - np.linalg.norm(cell[inside] - at[inside], axis=1)
        i, j, k = cell[inside].T
        np.maximum.at(filled, (k * size + j) * size + i, depth.astype(np.float32))
    return np.clip(filled + 0.5, 0, 1).reshape(size, size, size)


def _tissue(rng: np.random.Generator, heart: Heart, corner: np.ndarray, voxel: float, size: int) -> np.ndarray:
    """Heart muscle with its chambers, fat around it, lung, liver, spine: float32 [D, H, W], HU."""
    places = _places(corner, voxel, size)
    rough = smooth_3d(rng, (size,) * 3, (7, 7, 7))
    local = places @ heart.axes.T  # [..., along, up, left]

    def ball(centre: tuple[float, float, float], half: tuple[float, float, float]) -> np.ndarray:
        return np.sqrt((((local - np.array(centre)) / np.array(half)) ** 2).sum(axis=-1)) + 0.02 * rough

    def soft(distance: np.ndarray, edge: float = 0.03) -> np.ndarray:
        return 1 / (1 + np.exp((distance - 1) / edge))

    length, height, left, right = heart.length, heart.height, heart.left, heart.right
    skew = 0.5 * (left - right)
    layers = [
        (_HU["fat"], soft(ball((0.34 * length, 0, skew), (0.72 * length, 1.2 * height, 0.6 * (left + right))))),
        (_HU["muscle"], soft(ball((0.3 * length, 0, skew), (0.68 * length, 0.93 * height, 0.46 * (left + right))))),
        (_HU["blood"], soft(ball((0.36 * length, 0, 0.45 * left), (0.46 * length, 0.5 * height, 0.42 * left)))),
        (0.6 * _HU["blood"], soft(ball((0.3 * length, 0, -0.5 * right), (0.44 * length, 0.68 * height, 0.3 * right)))),
    ]
    values = np.full((size,) * 3, _HU["lung"]) + 35 * rough
    liver = 1 / (1 + np.exp((places[..., 2] + 6.6 + 0.06 * places[..., 0] ** 2 * 0.3 + 0.3 * rough) / 0.12))
    values += liver * (_HU["liver"] - values)
    for level, share in layers:
        values += share * (level + 8 * rough - values)
    spine = 1 / (1 + np.exp((np.hypot(places[..., 0] + 2.2, places[..., 1] - 7.4) - 1.8) / 0.1))
    values += spine * (_HU["spine"] - values)
    return values.astype(np.float32)


def _blurred(values: np.ndarray, sigma: float) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(values, sigma, mode="nearest")
