"""Metal and plastic in the beam: the catheter, and in some people sternal wires, a pacing lead, electrodes."""

from __future__ import annotations

import numpy as np

from scantune_phantoms.angio.anatomy import _MIDLINE, smoothed
from scantune_phantoms.angio.heart import Heart
from scantune_phantoms.angio.projection import Aim, draw

DEVICES = ("sternal wires", "pacing lead", "electrodes")


def catheter_course(rng: np.random.Generator, ostium: np.ndarray, *, radial: bool) -> np.ndarray:
    """From the groin up the aorta and over the arch, or from the right arm, to the ostium: [N, 3], cm."""
    toward = np.array([_MIDLINE - 1.4, -1.6, 7.4])
    wall = 0.55 * ostium + 0.45 * np.array([-0.9, -0.2, 2.2]) + rng.normal(0, 0.25, 3)
    root = [toward, 0.5 * (toward + wall) + rng.normal(0, 0.3, 3), wall + np.array([0, 0, 0.5]), wall, ostium]
    if radial:
        start = [np.array([_MIDLINE - 7.0, -1.0, 17.0]), np.array([_MIDLINE - 2.6, -0.8, 12.0])]
    else:
        back = rng.normal(6.0, 0.5)
        start = [
            np.array([_MIDLINE + 1.6, back, -22.0]),
            np.array([_MIDLINE + 1.8, back, -6.0]),
            np.array([_MIDLINE + 2.2, back, 7.0]),
            np.array([_MIDLINE + 1.2, 2.6, 11.2]),
            np.array([_MIDLINE - 0.8, -0.6, 10.2]),
        ]
    line = smoothed(np.stack(start + root), 0.1)
    return np.concatenate([line, ostium[None]])


def catheter(aim: Aim, course: np.ndarray, filled: float) -> tuple[np.ndarray, np.ndarray]:
    """A 6 French catheter: its wall as cm of water, its lumen as cm of iodine mixture, float32 [H, W] each."""
    wall = 2.6 * (draw(aim, [course], 0.098) - 0.7 * draw(aim, [course], 0.078))
    return np.clip(wall, 0, None) * 1.9, draw(aim, [course], 0.07, filled)


def reflux(rng: np.random.Generator, aim: Aim, ostium: np.ndarray, strength: float) -> np.ndarray:
    """Contrast that washes back into the aortic sinus: float32 [H, W], cm of iodine mixture."""
    import cv2

    cusp = np.array([-0.9, -0.2, 2.6])
    drift = rng.normal(0, 0.25, (4, 3))
    knots = np.stack([ostium, 0.5 * (ostium + cusp), cusp, cusp + np.array([-0.5, -0.5, 1.8])]) + drift
    puff = draw(aim, [smoothed(knots, 0.1)], rng.uniform(0.25, 0.5), strength)
    return cv2.GaussianBlur(puff, (0, 0), rng.uniform(4, 7))


def metal(build: np.random.Generator, aim: Aim, heart: Heart, present: tuple[str, ...]) -> np.ndarray:
    """What the person carries, as cm of water: float32 [H, W]."""
    drawers = {"sternal wires": _wires, "pacing lead": _lead, "electrodes": _electrodes}
    total = np.zeros((aim.size, aim.size), np.float32)
    for name in DEVICES:
        if name in present:
            total += drawers[name](build, aim, heart)
    return total


def _wires(build: np.random.Generator, aim: Aim, heart: Heart) -> np.ndarray:
    lines = []
    for z in np.arange(-8, 10, 2.6):
        angle = np.linspace(0, 2 * np.pi, 40)
        tilt = build.normal(0, 0.25)
        x = _MIDLINE + build.normal(0, 0.1) + 1.0 * np.cos(angle)
        loop = np.stack([x, -10.2 + 0.55 * np.sin(angle), z + build.normal(0, 0.2) + tilt * np.cos(angle)], axis=1)
        tail = np.array([[_MIDLINE, -10.8, z], [_MIDLINE + build.normal(0, 0.2), -11.0, z - 0.5]])
        lines += [loop, tail]
    return draw(aim, lines, 0.045, 26.0)


def _lead(build: np.random.Generator, aim: Aim, heart: Heart) -> np.ndarray:
    middle, tip = heart.surface(np.array([0.3, 0.86]), np.array([-90.0, -95.0]), 0.55)
    knots = np.stack([np.array([_MIDLINE - 2.0, 0.5, 16.0]), np.array([_MIDLINE - 2.4, 0.8, 4.0]), middle, tip])
    line = smoothed(knots + build.normal(0, 0.2, (4, 3)), 0.1)
    return draw(aim, [line], 0.07, 9.0) + draw(aim, [line[-14:-9], line[-4:]], 0.1, 16.0)


def _electrodes(build: np.random.Generator, aim: Aim, heart: Heart) -> np.ndarray:
    total = np.zeros((aim.size, aim.size), np.float32)
    for _ in range(3):
        at = np.array([_MIDLINE + build.uniform(-4, 12), -10.6, build.uniform(-10, 8)])
        snap = np.stack([at, at + np.array([0, 0.25, 0])])
        cable = np.stack([at, at + build.normal(0, 3, 3) * [1, 0.2, 1], at + np.array([9, 0, build.uniform(-8, 8)])])
        total += draw(aim, [snap], 0.42, 2.6) + draw(aim, [smoothed(cable, 0.1)], 0.06, 7.0)
    return total
