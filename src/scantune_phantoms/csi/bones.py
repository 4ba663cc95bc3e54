"""Ribs, clavicles, spine, shoulder blades, upper arms: centimetres of water that they add."""

from __future__ import annotations

import numpy as np

from scantune_phantoms.csi.chest import Chest, Person
from scantune_phantoms.csi.frame import Frame, draw, ellipsoid, tubes
from scantune_phantoms.fields import step


def bones(rng: np.random.Generator, person: Person, frame: Frame, chest: Chest) -> np.ndarray:
    """All bones of the chest.

    Args:
        rng: the person's: the same state gives the same bones.
        person: whose.
        frame: the film.
        chest: on the same film.

    Returns:
        float32 [H, W], cm of water beyond the soft tissue they replace.
    """
    parts = [
        _ribs(rng, person, frame),
        _clavicles(rng, person, frame),
        _spine(person, chest),
        _shoulders(rng, person, frame, chest),
    ]
    return np.stack(parts).sum(axis=0).astype(np.float32)


def _ribs(rng: np.random.Generator, person: Person, frame: Frame) -> np.ndarray:
    """Ten pairs, as curves on the rib cage from the spine (behind) round the side to their front ends."""
    gap = (person.angle - person.apex) / 11.2
    points, lengths, radii = [], [], []
    for rib in range(1, 11):
        drop = person.slope * min(1.0, 0.3 + 0.17 * rib) + rng.normal(0, 0.15)
        start = person.apex - 0.9 + gap * (rib - 1) + rng.normal(0, 0.1)
        front = np.deg2rad(142 - 5 * max(0, rib - 5))
        turn = np.linspace(np.deg2rad(9), front, 260)
        y = start + drop * (1 - np.cos(turn)) / 2 - 0.5 * np.sin(turn)
        wide = np.maximum(person.cage(y), 5.0) + 0.25
        depth = person.depth / 2 * np.cos(turn)
        for side in (-1, 1):
            x = side * wide * np.sin(turn)
            length = np.sqrt(np.gradient(x) ** 2 + np.gradient(y) ** 2 + np.gradient(depth) ** 2)
            points.append(np.stack([x, y + rng.normal(0, 0.08)], axis=1))
            lengths.append(length)
            radii.append(np.where(turn > np.pi / 2, 0.62, 0.52) * (0.85 if rib < 3 else 1))
    at, length, radius = np.concatenate(points), np.concatenate(lengths), np.concatenate(radii)
    dense = tubes(frame, at, radius, length) - 0.62 * tubes(frame, at, radius - 0.13, length)
    return 0.95 * dense


def _clavicles(rng: np.random.Generator, person: Person, frame: Frame) -> np.ndarray:
    lines = []
    rise = rng.normal(1.6, 0.5)
    for side in (-1, 1):
        along = np.linspace(0, 1, 40)
        x = side * (1.9 + (person.half_width - 0.2) * along)
        y = person.apex + 3.1 + rng.normal(0, 0.15) - rise * along - 0.55 * np.sin(2 * np.pi * along)
        lines.append(np.stack([x, y], axis=1))
    return 1.5 * (draw(frame, lines, 0.58) - 0.6 * draw(frame, lines, 0.42))


def _spine(person: Person, chest: Chest) -> np.ndarray:
    """Vertebral bodies with discs between them, pedicles and spinous processes."""
    gap = (person.angle - person.apex) / 11.2
    phase = (chest.y - person.apex + 0.9) / gap
    within = phase - np.floor(phase) - 0.5
    half = 1.45 + 0.018 * (chest.y - person.apex)
    side = step(np.abs(chest.x) - half, 0.35, -0.35)
    body = side * (1.0 + 1.2 * step(np.abs(within), 0.5, 0.32))
    pedicle = np.hypot((np.abs(chest.x) - 0.95) / 0.33, (within + 0.12) * gap / 0.42)
    process = np.hypot(chest.x / 0.3, (within - 0.2) * gap / 0.6)
    return 0.5 * body + 0.5 * step(pedicle, 1.3, 0.7) + 0.5 * step(process, 1.3, 0.7)


def _shoulders(rng: np.random.Generator, person: Person, frame: Frame, chest: Chest) -> np.ndarray:
    """Shoulder blades beside or over the lungs, humeral heads, upper arms."""
    inward = rng.normal(0.6, 0.6)
    lines = []
    for side in (-1, 1):
        x = side * (person.half_width - 1.4 - inward + np.array([1.0, 0.2, 0.5, 2.2, 4.2]))
        y = person.apex + np.array([3.0, 6.0, 10.0, 14.2, 9.0])
        lines.append(np.stack([np.interp(np.linspace(0, 4, 60), np.arange(5), v) for v in (x, y)], axis=1))
    border = draw(frame, lines, 0.3)
    beyond = np.abs(chest.x)
    blade = ellipsoid(beyond, chest.y, (person.half_width + 1.2 - inward, person.apex + 8), (3.0, 6.0), 0.45)
    head = ellipsoid(beyond, chest.y, (person.half_width + 4.2, person.apex + 4.2), (2.5, 2.6), 2.6)
    middle = person.half_width + 5.4 + 0.1 * (chest.y - person.apex)
    shaft = (
        2.2
        * np.sqrt(np.clip(1 - ((beyond - middle) / 1.3) ** 2, 0, None))
        * step(chest.y, person.apex + 4, person.apex + 6)
    )
    return 0.6 * border + blade + np.maximum(head, shaft)
