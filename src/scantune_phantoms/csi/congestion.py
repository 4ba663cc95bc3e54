"""What congestion adds to a film, by degree: distended vessels, interstitial lines, alveolar haze, effusion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scantune_phantoms.csi.chest import AIR, Chest, Person, diaphragm, spread
from scantune_phantoms.csi.frame import Frame, draw, ellipsoid
from scantune_phantoms.csi.vessels import hilum
from scantune_phantoms.fields import clouds, grain, smooth_2d, step


@dataclass(frozen=True)
class Findings:
    """Maps [H, W] float32.

    Attributes:
        engorged: 0–1, how far vessels are distended.
        interstitial: cm of water in septa, cuffs and haze.
        filled: share of the lung in the path whose air is replaced by water, 0–1.
        effusion: share of the lung that lies under or behind fluid, 0–1.
    """

    engorged: np.ndarray
    interstitial: np.ndarray
    filled: np.ndarray
    effusion: np.ndarray


def findings(
    rng: np.random.Generator,
    person: Person,
    frame: Frame,
    chest: Chest,
    severity: Mapping[str, float],
    fluid: tuple[float, float],
    expiration: float,
) -> Findings:
    """Congestion on one film.

    Args:
        rng: of the film.
        person: whose.
        frame: the film.
        chest: on the same film.
        severity: zone to degree, 0 (none) over 1 (redistribution), 2 (interstitial) to 3 (alveolar) and a little more.
        fluid: height of the right and left effusion above the costophrenic angle, cm.
        expiration: by how much the diaphragm stands high.
    """
    degree = spread(person, chest, dict(severity), expiration)
    interstitial = step(degree, 1.0, 2.0)
    alveolar = step(degree, 2.0, 3.1)
    water = interstitial * _reticulum(rng, frame, chest) + _septa(rng, person, frame, degree)
    water += step(degree, 0.6, 2.0) * _cuffs(rng, person, frame)
    return Findings(
        engorged=step(degree, 0.1, 1.05),
        interstitial=(water * (chest.lung > 0.3)).astype(np.float32),
        filled=_consolidation(rng, person, frame, chest, alveolar) + 0.1 * step(degree, 0.2, 2.0),
        effusion=_effusion(rng, person, chest, fluid, expiration),
    )


def _reticulum(rng: np.random.Generator, frame: Frame, chest: Chest) -> np.ndarray:
    """A net of thickened septa: ridges of smooth noise at two scales, and faint haze."""
    coarse = smooth_2d(rng, frame.shape, (frame.shape[0] // 9, frame.shape[1] // 9))
    fine = smooth_2d(rng, frame.shape, (frame.shape[0] // 5, frame.shape[1] // 5))
    net = 0.55 * step(np.abs(coarse), 0.35, 0.0) + 0.45 * step(np.abs(fine), 0.4, 0.0)
    patchy = np.clip(1 + 0.35 * clouds(rng, frame.shape, 3, 3), 0.3, 1.8)
    return patchy * (net + 0.8) * np.clip(chest.lung / 8, 0, 1)


def _septa(rng: np.random.Generator, person: Person, frame: Frame, degree: np.ndarray) -> np.ndarray:
    """Kerley B lines at the side walls of the lower zones, Kerley A lines fanning up from the hila."""
    lines = []
    for side in (-1, 1):
        for _ in range(16):
            y = rng.uniform(person.dome[0] - 9.5, person.dome[0] + 1.0)
            wall = float(person.cage(np.asarray(y))) - rng.uniform(0.15, 0.5)
            reach, tilt = rng.uniform(0.9, 2.0), rng.normal(0.05, 0.12)
            lines.append(np.array([[side * wall, y], [side * (wall - reach), y + tilt * reach]]))
        x, y = hilum(person, int(side > 0))
        for _ in range(7):
            heading, near, far = rng.uniform(-1.3, -0.1), rng.uniform(1.5, 3.5), rng.uniform(4.5, 7.5)
            bend = rng.normal(0, 0.08)
            steps = [(near, heading), ((near + far) / 2, heading + bend), (far, heading)]
            lines.append(np.array([[x + side * r * np.cos(a), y + r * np.sin(a)] for r, a in steps]))
    return step(degree, 1.2, 1.9) * np.clip(draw(frame, lines, 0.075, 7.0), 0, 1.4)


def _cuffs(rng: np.random.Generator, person: Person, frame: Frame) -> np.ndarray:
    """Bronchi seen end on, their walls thickened: small rings round the hila."""
    circle = np.linspace(0, 2 * np.pi, 24)
    lines = []
    for side in (0, 1):
        x, y = hilum(person, side)
        for _ in range(5):
            centre = (x + (1.6 * rng.normal() + 1.7) * (-1 if side == 0 else 1), y + 2.4 * rng.normal())
            radius = rng.uniform(0.22, 0.38)
            lines.append(np.stack([centre[0] + radius * np.cos(circle), centre[1] + radius * np.sin(circle)], axis=1))
    return np.clip(draw(frame, lines, 0.09, 4.5), 0, 1.3)


def _consolidation(
    rng: np.random.Generator, person: Person, frame: Frame, chest: Chest, amount: np.ndarray
) -> np.ndarray:
    """Fluffy patches that run together, densest round the hila."""
    texture = clouds(rng, frame.shape, 5, 4) + 0.15 * grain(rng, frame.shape, 1.2)
    near = sum(
        ellipsoid(chest.x, chest.y, (1.7 * x, y + 1.5), (8.5, 10.0), 1.0)
        for x, y in (hilum(person, 0), hilum(person, 1))
    )
    bias = -1.1 + 1.8 * amount + 0.8 * near
    patches = step(texture + bias, -0.2, 1.9)
    return (amount * (0.08 + 0.5 * patches)).astype(np.float32)


def _effusion(
    rng: np.random.Generator, person: Person, chest: Chest, fluid: tuple[float, float], expiration: float
) -> np.ndarray:
    """Fluid that fills from the costophrenic angle, its edge rising to the side wall."""
    share = np.zeros(chest.x.shape, np.float32)
    for side, height in enumerate(fluid):
        if height <= 0:
            continue
        wall = np.clip(person.cage(chest.y) - np.abs(chest.x), 0, None)
        bottom = diaphragm(person, np.asarray((2 * side - 1) * 0.9 * person.half_width), expiration) + 1.6
        level = bottom - height + 1.0 - 2.6 * np.exp(-wall / 1.6) + 0.05 * rng.normal()
        mine = (chest.x < 0) if side == 0 else (chest.x >= 0)
        share = np.where(mine, step(chest.y, level - 0.9, level + 1.8), share)
    return share.astype(np.float32)


def wet(chest: Chest, signs: Findings, vessel: np.ndarray) -> np.ndarray:
    """Water that the lungs hold beyond their air: vessels, septa, filled air spaces and fluid; float32 [H, W], cm.

    No more than the air that was there: what is filled hides its vessels.
    """
    dry = (1 - np.clip(signs.filled, 0, 0.9)) * (1 - signs.effusion)
    room = AIR * chest.lung
    return (room * (1 - dry) + np.minimum(dry * (AIR * vessel + signs.interstitial), room)).astype(np.float32)
