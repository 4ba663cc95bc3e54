"""What the beam passes besides the arteries: chest wall, lungs, heart, diaphragm, spine and ribs, as cm of water."""

from __future__ import annotations

import numpy as np

from scantune_phantoms.angio.heart import Heart
from scantune_phantoms.angio.projection import Aim, draw
from scantune_phantoms.fields import clouds, enlarge, smooth_2d, step

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
    cavity = chord(rays, beam, (_MIDLINE, 0.2, 1), (14.4, 9.5, 16.5))
    middle = chord(rays, beam, (_MIDLINE + 0.6, 1.2, 0), (build.uniform(2.6, 3.4), 6.0, 80.0))
    dome = build.normal(0, 0.6) - 2.2 * breath
    liver = chord(rays, beam, (_MIDLINE - 6.2, -0.5, -18.2 + dome), (10.2, 9.0, 12.0))
    stomach = chord(rays, beam, (_MIDLINE + 8.2, 0.8, -19.0 + dome), (8.2, 8.6, 11.2))
    shadow = heart.chord(rays, beam)
    warp = [0.5 / coarse.pixel * smooth_2d(build, shadow.shape, (5, 5)) for _ in range(2)]
    shadow, middle = (_soft(_bent(field, *warp), 0.35 / coarse.pixel) for field in (shadow, middle))
    air = np.clip(cavity - 0.75 * shadow - 0.55 * middle - 0.75 * (liver + stomach), 0, None)
    fine = (aim.size, aim.size)
    air_fine = enlarge(_soft(air.astype(np.float32), 0.3 / coarse.pixel), fine)
    soft = enlarge((body - _AERATED * air + 0.12 * shadow).astype(np.float32), fine)
    # the domes' edges are sharp: lung touches them
    edge = sum(np.clip(enlarge(organ.astype(np.float32), fine), 0, 3) for organ in (liver, stomach))
    edge = _soft(np.asarray(edge, np.float32), 0.07 / aim.pixel)
    marbled = clouds(rng, fine, 5, 5, 0.62) * (0.10 + 0.045 * air_fine)
    return np.clip(soft + 0.5 * edge + marbled + _markings(build, aim, air_fine) + bones(build, aim), 1.0, None)


def _bent(field: np.ndarray, right: np.ndarray, down: np.ndarray) -> np.ndarray:
    """The field as it is ``right`` and ``down`` pixels from each pixel: float32 [H, W]."""
    import cv2

    rows, columns = np.mgrid[: field.shape[0], : field.shape[1]].astype(np.float32)
    return cv2.remap(
        field.astype(np.float32), columns + right, rows + down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _soft(field: np.ndarray, sigma: float) -> np.ndarray:
    import cv2

    return cv2.GaussianBlur(field, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


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
    tilt, bow = build.normal(0, 0.05), build.uniform(-0.03, 0.05)
    level = down + tilt * across + bow * across**2 + build.uniform(0, period)
    phase = (level / period) % 1.0  # 0 at the upper end plate
    sag = build.uniform(0.7, 1.15, 40)[np.clip((level // period).astype(int) + 20, 0, 39)]
    waist = 1.72 - 0.16 * np.sin(np.pi * np.clip(phase / 0.8, 0, 1))
    inside = np.sqrt(np.clip(1 - (across / waist) ** 4, 0, None))
    disc = step(phase, 0.8, 0.86) * step(phase, 1.0, 0.95)
    plates = np.exp(-(((phase - 0.03) / 0.025) ** 2)) + np.exp(-(((phase - 0.8) / 0.025) ** 2))
    cortex = np.exp(-(((np.abs(across) - waist + 0.09) / 0.09) ** 2))
    pedicle = np.exp(-((((np.abs(across) - 0.92) / 0.26) ** 2 + ((phase - 0.3) / 0.13) ** 2) ** 2))
    process = np.exp(-(((across / 0.2) ** 2 + ((phase - 0.62) / 0.2) ** 2) ** 2))
    body = inside * (1.9 - 0.9 * disc + 0.4 * plates)
    bone = body + 0.3 * cortex * (1 - disc) * (inside > 0) + 0.7 * pedicle + 0.6 * process
    coarse = clouds(build, right.shape, 9, 4, 0.7)
    return _soft((1.15 * sag * bone * (1 + 0.12 * coarse)).astype(np.float32), 0.06 / aim.pixel)


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
