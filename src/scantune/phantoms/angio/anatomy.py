"""What the beam passes besides the arteries: chest wall, lungs, heart, diaphragm, spine and ribs, as cm of water."""

from __future__ import annotations

import numpy as np

from scantune.phantoms.angio.heart import Heart
from scantune.phantoms.angio.projection import Aim, draw
from scantune.phantoms.fields import clouds, enlarge, step

_MIDLINE = -2.2  # x of spine and sternum: the base of the heart lies left of it
_AERATED = 0.76  # by which lung is lighter than water


def chord(
    rays: np.ndarray, beam: np.ndarray, centre: tuple[float, float, float], half: tuple[float, float, float]
) -> np.ndarray:
    """Path length of parallel rays [H, W, 3] along ``beam`` through an ellipsoid: [H, W], cm."""
    scale = np.array(half)
    start, way = (rays - np.array(centre)) / scale, beam / scale
    a, b = float(way @ way), start @ way
    return 2 * np.sqrt(np.clip(b**2 - a * ((start**2).sum(axis=-1) - 1), 0, None)) / a


def chest(rng: np.random.Generator, build: np.random.Generator, aim: Aim, heart: Heart, breath: float) -> np.ndarray:
    """Everything but arteries and devices.

    Args:
        rng: of the frame.
        build: of the person: the same draws for each of their frames.
        aim: where the C-arm stands.
        heart: at this moment of the beat.
        breath: depth of inspiration, 0–1; it moves the diaphragm down.

    Returns:
        float32 [H, W], cm of water.
    """
    coarse = Aim(aim.primary, aim.secondary, aim.size // 4, 4 * aim.pixel, aim.target)
    rays, beam = coarse.rays(), coarse.axes[2]
    girth = build.normal(1, 0.06)
    body = chord(rays, beam, (_MIDLINE, -0.5, -3), (16.5 * girth, 10.8 * girth, 70.0))
    right = chord(rays, beam, (_MIDLINE - 7.6, 0.4, 1), (6.6, 9.2, 15.5))
    left = chord(rays, beam, (_MIDLINE + 8.6, 0.6, 1), (6.2, 9.0, 15.0))
    dome = build.normal(0, 0.6) - 2.2 * breath
    liver = chord(rays, beam, (_MIDLINE - 6.2, -0.5, -18.2 + dome), (10.2, 9.0, 12.0))
    stomach = chord(rays, beam, (_MIDLINE + 8.2, 0.8, -19.0 + dome), (8.2, 8.6, 11.2))
    shadow = heart.chord(rays, beam)
    air = np.clip(right + left - 0.6 * shadow - 0.75 * (liver + stomach), 0, None)
    fine = (aim.size, aim.size)
    air_fine = enlarge(air.astype(np.float32), fine)
    soft = enlarge((body - _AERATED * air + 0.42 * shadow).astype(np.float32), fine)
    # the domes' edges are sharp: lung touches them
    edge = np.clip(enlarge(np.clip(liver, 0, 3).astype(np.float32), fine), 0, 3)
    edge += np.clip(enlarge(np.clip(stomach, 0, 3).astype(np.float32), fine), 0, 3)
    marbled = clouds(rng, fine, 5, 5, 0.62) * (0.10 + 0.045 * air_fine)
    return np.clip(soft + 0.5 * edge + marbled + _markings(build, aim, air_fine) + bones(build, aim), 1.0, None)


def _markings(build: np.random.Generator, aim: Aim, air: np.ndarray) -> np.ndarray:
    """Vessels of the lung, blurred by their own motion: float32 [H, W], cm."""
    import cv2

    lines = []
    for side in (-1, 1):
        root = np.array([_MIDLINE + side * 3.6, 1.5, 2.0])
        for _ in range(15):
            end = root + np.array([side * build.uniform(1, 11), build.uniform(-7, 7), build.uniform(-11, 9)])
            knots = np.stack([root, 0.5 * (root + end) + build.normal(0, 0.9, 3), end])
            lines.append(smoothed(knots, 0.2))
    drawn = draw(aim, lines, 0.13, 0.75) + draw(aim, lines[::2], 0.22, 0.6)
    return cv2.GaussianBlur(drawn, (0, 0), 1.3) * step(air, 1.0, 6.0)


def smoothed(knots: np.ndarray, spacing: float) -> np.ndarray:
    """A curve through about the ``knots`` [N, 3], its corners rounded."""
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    at = np.linspace(0, run[-1], max(12, int(run[-1] / spacing)))
    line = np.stack([np.interp(at, run, knots[:, axis]) for axis in range(3)], axis=1)
    half = max(1, len(at) // (2 * len(knots)))
    kernel = np.hanning(2 * half + 3)[1:-1]
    kernel /= kernel.sum()
    padded = np.concatenate([2 * line[:1] - line[half:0:-1], line, 2 * line[-1:] - line[-2 : -half - 2 : -1]])
    return np.stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in range(3)], axis=1)


def bones(build: np.random.Generator, aim: Aim) -> np.ndarray:
    """Spine and ribs: float32 [H, W], cm of water."""
    return _spine(build, aim) + _ribs(build, aim)


def _spine(build: np.random.Generator, aim: Aim) -> np.ndarray:
    """Vertebral bodies with end plates, discs between them, pedicles and spinous processes."""
    right, down = aim.grid()
    place = aim.to_pixels(np.array([[_MIDLINE, 7.6, aim.target[2]]]))[0][0]
    middle = (place[1] - (aim.size - 1) / 2) * aim.pixel
    bend = build.normal(0, 0.012)
    across = right - middle - bend * down**2 * 0.3
    period = 2.75 * build.normal(1, 0.04)
    phase = ((down + build.uniform(0, period)) / period) % 1.0  # 0 at the upper end plate
    waist = 1.72 - 0.16 * np.sin(np.pi * np.clip(phase / 0.8, 0, 1))
    inside = np.sqrt(np.clip(1 - (across / waist) ** 4, 0, None))
    disc = step(phase, 0.8, 0.86) * step(phase, 1.0, 0.95)
    plates = np.exp(-(((phase - 0.03) / 0.025) ** 2)) + np.exp(-(((phase - 0.8) / 0.025) ** 2))
    cortex = np.exp(-(((np.abs(across) - waist + 0.09) / 0.09) ** 2))
    pedicle = np.exp(-((((np.abs(across) - 0.92) / 0.26) ** 2 + ((phase - 0.3) / 0.13) ** 2) ** 2))
    process = np.exp(-(((across / 0.2) ** 2 + ((phase - 0.62) / 0.2) ** 2) ** 2))
    body = inside * (2.0 - 1.1 * disc + 0.6 * plates)
    return (body + 0.5 * cortex * (1 - disc) * (inside > 0) + 0.8 * pedicle + 0.7 * process).astype(np.float32)


def _ribs(build: np.random.Generator, aim: Aim) -> np.ndarray:
    """Ribs from the spine round to the front, hollow; behind and in front of the heart at once."""
    pitch = build.normal(2.9, 0.12)
    slope = build.normal(5.6, 0.6)
    shift = build.uniform(0, pitch)
    lines = []
    for side in (-1, 1):
        for number in range(-3, 9):
            angle = np.linspace(0.12, 2.45, 60)
            x = _MIDLINE + side * 14.4 * np.sin(angle)
            y = -0.4 + 9.4 * np.cos(angle)
            z = 11.0 - pitch * number + shift - slope * (angle / np.pi) ** 0.8 * 1.5 + 0.35 * np.sin(2.1 * angle)
            lines.append(np.stack([x, y, z], axis=1))
    near = [line for line in lines if _touches(aim, line)]
    return np.clip(draw(aim, near, 0.52, 0.85) - draw(aim, near, 0.38, 0.62), 0, None)


def _touches(aim: Aim, line: np.ndarray) -> bool:
    centres, _ = aim.to_pixels(line)
    return bool(((centres > -20) & (centres < aim.size + 20)).all(axis=1).any())
