"""A heart in the apical four-chamber plane: its measures, and its chambers and walls at a moment of the cycle.

The heart's own frame: u (cm) across, to the left ventricle's side wall; v (cm) along the left ventricle's axis from its
apex (0) through the mitral ring (``length``) into the atrium.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

WAIST = 0.6  # where the left ventricle is widest, share of its length
_BELOW = 0.64  # half axis of its lower half ellipse, share of its length
_DISCS = np.pi * (WAIST * 2 / 3 + (1 - WAIST) - (1 - WAIST) ** 3 / (3 * _BELOW**2))  # volume = this × width² × length


@dataclass(frozen=True)
class Heart:
    """Measures at the end of diastole, cm.

    Attributes:
        length: of the left ventricle, apex to mitral ring.
        width: half of the left ventricle's, at its widest.
        wall: thickness.
        ejection: fraction of the volume that it ejects, 0–1.
        right: half width of the right ventricle.
        left_atrium: half width.
        right_atrium: half width.
        atria: length of the atria below the mitral ring.
        leaflet: thickness of the valves.
    """

    length: float
    width: float
    wall: float
    ejection: float
    right: float
    left_atrium: float
    right_atrium: float
    atria: float
    leaflet: float

    def volume(self, pose: Pose) -> float:
        """Of the left ventricle in ml, a body of revolution (the method of discs in one plane)."""
        return float(_DISCS * pose.width**2 * pose.length)


@dataclass(frozen=True)
class Pose:
    """The left ventricle at one moment: contraction (0–1), length, half width and wall (cm), valves' opening (0–1)."""

    contraction: float
    length: float
    width: float
    wall: float
    opening: float


def draw_heart(rng: np.random.Generator, *, large: bool) -> Heart:
    """A heart; about one in six beats weakly, and then is wider.

    Args:
        rng: of the person.
        large: a man's.
    """
    weak = rng.random() < 0.17
    ejection = rng.uniform(0.2, 0.45) if weak else rng.normal(0.61, 0.05)
    scale = float(rng.normal(1.04 if large else 0.97, 0.05))
    width = 2.25 * scale * float(rng.uniform(1.05, 1.35) if weak else rng.normal(1, 0.06))
    return Heart(
        length=8.3 * scale * float(rng.normal(1, 0.04)),
        width=width,
        wall=float(np.clip(rng.normal(0.95, 0.12), 0.7, 1.4)),
        ejection=float(np.clip(ejection, 0.15, 0.75)),
        right=2.0 * scale * float(rng.normal(1, 0.1)),
        left_atrium=1.95 * scale * float(rng.normal(1, 0.09)),
        right_atrium=1.9 * scale * float(rng.normal(1, 0.09)),
        atria=4.3 * scale * float(rng.normal(1, 0.08)),
        leaflet=float(np.clip(rng.normal(0.13, 0.02), 0.09, 0.2)),
    )


def posed(heart: Heart, contraction: float, opening: float) -> Pose:
    """The heart at a moment: the ring comes down to the apex, the wall comes in and thickens; muscle keeps its area."""
    length = heart.length * (1 - 0.26 * heart.ejection * contraction)
    left = 1 - heart.ejection * contraction  # share of the end-diastolic volume
    width = heart.width * math.sqrt(left * heart.length / length)
    outer = (heart.width + heart.wall) ** 2 - heart.width**2
    wall = math.sqrt(width**2 + outer * (heart.length / length) ** 0.5) - width
    return Pose(contraction, length, width, wall, opening)


def ellipse(u: np.ndarray, v: np.ndarray, across: float, along: float | np.ndarray) -> np.ndarray:
    """Distance from an ellipse about the origin, cm, below 0 inside (first order; exact on the outline)."""
    k0 = np.sqrt((u / across) ** 2 + (v / along) ** 2)
    k1 = np.sqrt((u / across**2) ** 2 + (v / (along * along)) ** 2) + 1e-4
    return k0 * (k0 - 1) / k1


def segment(u: np.ndarray, v: np.ndarray, start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """Distance from a segment, cm."""
    across, along = float(end[0] - start[0]), float(end[1] - start[1])  # Python's own keep float32
    share = np.clip(((u - start[0]) * across + (v - start[1]) * along) / (across**2 + along**2), 0, 1)
    return np.hypot(u - start[0] - share * across, v - start[1] - share * along)


@dataclass(frozen=True)
class Scene:
    """Distances (cm, below 0 inside) from the parts of the heart; all [R, A] float32.

    Attributes:
        cavity: from the blood's edge.
        body: from the heart's outer surface.
        left: from the left ventricle's inner surface.
        muscle: from the ventricles' walls, as against the thin walls of the atria.
        valves: from the leaflets and their hinges.
    """

    cavity: np.ndarray
    body: np.ndarray
    left: np.ndarray
    muscle: np.ndarray
    valves: np.ndarray


def scene(heart: Heart, pose: Pose, u: np.ndarray, v: np.ndarray, rough: np.ndarray) -> Scene:
    """The parts of the heart about each point.

    Args:
        heart: its measures.
        pose: its moment.
        u, v: the points, cm, float32.
        rough: unevenness of the inner surface, cm.
    """
    length, width, wall = pose.length, pose.width, pose.wall
    middle = WAIST * length
    along = np.where(v < middle, middle, _BELOW * length).astype(np.float32)
    left = ellipse(u, v - middle, width, along) + rough
    thin = 1 - 0.35 * np.clip(1 - v / (0.3 * heart.length), 0, 1)  # the apex is thinner
    outer = ellipse(u, v - middle, width + wall, along + wall * thin)
    outer = np.maximum(outer, v - length - 0.25)
    lv = np.maximum(left, v - length - 0.15)
    # The right ventricle lies around the septum; its ring moves more than the left one's.
    ring = length - 0.35 - 0.25 * pose.contraction
    rv_width = heart.right * (1 - 0.22 * pose.contraction)
    centre = -(heart.width + 0.35 * heart.wall) - 0.62 * heart.right + 0.3 * (heart.right - rv_width)
    skew = u - centre + 0.2 * (v - 0.68 * length)  # its apex leans on the septum
    rv_shape = ellipse(skew, v - 0.69 * length, rv_width, 0.47 * length)
    rv = np.maximum(np.maximum(rv_shape + 1.5 * rough, v - ring - 0.15), -outer)
    rv_outer = np.maximum(rv_shape - 0.38, v - ring - 0.2)
    # The atria fill while the rings come down; their far wall stays.
    floor = heart.length + heart.atria
    swollen = 1 + 0.1 * pose.contraction
    la_centre, la_half = 0.46 * (length + floor), 0.5 * (floor - 0.92 * length)
    la_shape = ellipse(u - 0.1, v - la_centre, heart.left_atrium * swollen, la_half)
    ra_u = -0.1 - heart.left_atrium - heart.right_atrium - 0.12
    ra_shape = ellipse(u - ra_u, v - la_centre + 0.2, heart.right_atrium * (2 - swollen), 0.95 * la_half)
    la = np.maximum(la_shape, length - 0.15 - v)
    ra = np.maximum(ra_shape, ring - 0.15 - v)
    muscle = np.minimum(outer, rv_outer)
    body = np.minimum(muscle, np.minimum(la_shape, ra_shape) - 0.22)
    papillary = ellipse(u - 0.82 * width, v - 0.52 * length, 0.34, 0.85) - 0.25 * rough
    cavity = np.minimum(np.minimum(np.maximum(lv, -papillary), rv), np.minimum(la, ra))
    valves = _valves(heart, pose, u, v, (centre, rv_width, ring))
    return Scene(cavity, body, left, muscle, valves)


def _valves(heart: Heart, pose: Pose, u: np.ndarray, v: np.ndarray, right: tuple[float, float, float]) -> np.ndarray:
    """Distance from the four leaflets: two bent segments each, from the hinge to the tip."""
    centre, rv_width, ring = right
    half = 0.78 * pose.width
    crux = -half - 0.5 * pose.wall
    far = centre - 0.9 * rv_width
    leaflets = (
        ((-half, pose.length), 1.0, 1.25 * half),
        ((half, pose.length), -1.0, 0.82 * half),
        ((crux, ring), -1.0, 0.42 * (crux - far)),
        ((far, ring), 1.0, 0.62 * (crux - far)),
    )
    first, second = math.radians(8 + 66 * pose.opening), math.radians(22 + 72 * pose.opening)
    nearest = np.full(u.shape, 9.0, np.float32)
    about = (np.abs(v - pose.length + 1.2) < 2.2) & (np.abs(u - 0.5 * (far + half)) < 0.5 * (half - far) + 0.5)
    u, v = u[about], v[about]
    closest = np.full(u.shape, 9.0, np.float32)
    for hinge, side, reach in leaflets:
        bend = (hinge[0] + side * 0.5 * reach * math.cos(first), hinge[1] - 0.5 * reach * math.sin(first))
        tip = (bend[0] + side * 0.55 * reach * math.cos(second), bend[1] - 0.55 * reach * math.sin(second))
        closest = np.minimum(closest, segment(u, v, hinge, bend))
        closest = np.minimum(closest, segment(u, v, bend, tip) + 0.02)
    nearest[about] = closest
    return nearest - 0.5 * heart.leaflet
