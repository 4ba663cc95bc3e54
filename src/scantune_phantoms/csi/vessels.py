"""Pulmonary vessels and airways: trees that grow from the hila, thicker where a zone is congested."""

from __future__ import annotations

import numpy as np

from scantune_phantoms.csi.chest import Chest, Person
from scantune_phantoms.csi.frame import Frame, draw, ellipsoid, tubes

_STEP = 0.32  # cm
_GENERATIONS = 60


def hilum(person: Person, side: int) -> tuple[float, float]:
    """x, y of the right (0) or left (1) hilum; the left stands higher."""
    return ((-3.3, person.apex + 11.0), (3.4, person.apex + 10.1))[side]


def vessels(rng: np.random.Generator, person: Person, frame: Frame, chest: Chest, engorged: np.ndarray) -> np.ndarray:
    """Blood in the lungs' vessels.

    Args:
        rng: the person's: the same state gives the same trees.
        person: whose.
        frame: the film.
        chest: on the same film.
        engorged: [H, W] 0–1, by which vessels are distended; upper ones are thin where it is 0.

    Returns:
        float32 [H, W], cm of water.
    """
    total = np.zeros(frame.shape, np.float32)
    for side in (0, 1):
        points, radii = _grow(rng, person, side)
        at = np.rint(frame.to_pixels(points)).astype(int)
        height, width = frame.shape
        row, column = np.clip(at[:, 0], 0, height - 1), np.clip(at[:, 1], 0, width - 1)
        swollen = engorged[row, column]
        upright = np.interp(points[:, 1] - person.apex, [2, 11, 20], [0.66, 1.0, 1.28])
        radii = radii * (upright * (1 - swollen) + 1.5 * swollen)
        seen = (radii > 0.045 - 0.015 * swollen) & (chest.lung[row, column] > 0.8)
        total += tubes(frame, points[seen], radii[seen], np.full(int(seen.sum()), _STEP))
        centre = hilum(person, side)
        total += ellipsoid(chest.x, chest.y, centre, (1.5, 2.5), 2.6, -0.35 if side else 0.35)
    return total


def _grow(rng: np.random.Generator, person: Person, side: int) -> tuple[np.ndarray, np.ndarray]:
    """One lung's tree: pieces' middles [N, 2] and radii [N], cm. Tips beyond the lung are cut off later."""
    outward = -1 if side == 0 else 1
    count = 17
    heading = np.linspace(-1.45, 1.4, count) + rng.normal(0, 0.09, count)  # 0 is straight outwards, + downwards
    start = np.array(hilum(person, side))
    at = start + rng.normal(0, 0.5, (count, 2)) * (0.5, 1.3)
    radius = rng.uniform(0.27, 0.44, count)
    points, radii = [], []
    for _ in range(_GENERATIONS):
        heading = heading + rng.normal(0, 0.09, len(heading))
        at = at + _STEP * np.stack([outward * np.cos(heading), np.sin(heading)], axis=1)
        radius = radius * 0.972
        points.append(at)
        radii.append(radius)
        branching = (rng.random(len(radius)) < 0.17) & (radius > 0.05)
        angle = rng.uniform(0.3, 0.95, len(radius)) * rng.choice([-1, 1], len(radius))
        twig = rng.uniform(0.55, 0.85, len(radius))
        at = np.concatenate([at, at[branching]])
        heading = np.concatenate([heading - 0.3 * angle * branching, (heading + angle)[branching]])
        radius = np.concatenate([radius * np.where(branching, 0.9, 1), (radius * twig)[branching]])
        alive = radius > 0.035
        at, heading, radius = at[alive], heading[alive], radius[alive]
        if not len(at):
            break
    return np.concatenate(points), np.concatenate(radii)


def airways(person: Person, frame: Frame) -> np.ndarray:
    """Air in the windpipe and main bronchi, cm."""
    carina = person.apex + 9.2
    x = person.trachea
    trachea = np.array([[0.2 * x, -6.0], [x * 0.6, person.apex], [x, carina]])
    right, left = np.array([[x, carina], [-2.6, carina + 2.4]]), np.array([[x, carina], [3.4, carina + 1.9]])
    return draw(frame, [trachea], 0.85) + 0.8 * draw(frame, [right, left], 0.5)
