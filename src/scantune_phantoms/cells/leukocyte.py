"""Five white blood cells, told apart as at the microscope: nucleus, size, cytoplasm, granules.

Diameters after the textbook (neutrophil 12–14 µm, eosinophil 12–17, basophil 10–14, lymphocyte 8–12, reactive ones to
16, monocyte 14–20; a red cell has 7.5), where a pixel is 0.21 µm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from scantune_phantoms.cells import stain
from scantune_phantoms.cells.shapes import inside, strand, union, wavy
from scantune_phantoms.fields import clouds, step

Place = tuple[np.ndarray, np.ndarray]
MICRON = 1 / 0.21


@dataclass(frozen=True)
class Leukocyte:
    """One white cell: its optical density, float32 [H, W, 3], its body and nucleus, float32 [H, W] from 0 to 1."""

    optical: np.ndarray
    body: np.ndarray
    nucleus: np.ndarray


def _paint(amount: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return (amount[..., None] * colour).astype(np.float32)


def _chromatin(rng: np.random.Generator, nucleus: np.ndarray, clumps: float, coarsest: int = 12) -> np.ndarray:
    texture = 1 + clumps * clouds(rng, nucleus.shape, coarsest, 2)
    return nucleus * np.clip(texture, 0.45, 1.5)


def _granules(rng: np.random.Generator, shape: tuple[int, int], size: float, share: float) -> np.ndarray:
    """Round specks of about ``size`` pixels across that cover about ``share`` of the plane, 0–1."""
    import cv2

    sigma = size / 2.2
    strength = rng.uniform(0.7, 1.2, shape) * (rng.random(shape) < -np.log1p(-share) / (0.9 * size**2))
    specks = cv2.GaussianBlur(strength.astype(np.float32), (0, 0), sigma) * np.float32(2 * np.pi * sigma**2)
    return step(specks, 0.25, 0.85)


def _lobes(
    rng: np.random.Generator, place: Place, count: int, radius: float, spread: float, centre: tuple[float, float]
) -> np.ndarray:
    """Distance to ``count`` lobes along an arc, joined by threads."""
    turn, bow = rng.uniform(0, 2 * np.pi), rng.choice([-1, 1]) * rng.uniform(1.3, 2.4) / max(count - 1, 1)
    at, spots = np.array(centre), []
    for lobe in range(count):
        spots.append(at + rng.normal(0, 0.8, 2))
        heading = turn + lobe * bow
        at = at + spread * np.array([np.sin(heading), np.cos(heading)])
    spots = [spot - np.mean(spots, axis=0) + centre for spot in spots]
    parts = [wavy(rng, place, (s[0], s[1]), radius * rng.uniform(0.8, 1.2), waves=0.1, stretch=0.22) for s in spots]
    threads = [strand(place, (one[0], one[1]), (two[0], two[1]), rng.uniform(2.0, 4.5)) for one, two in pairwise(spots)]
    return union([*parts, *threads])


def _neutrophil(rng: np.random.Generator, place: Place) -> Leukocyte:
    radius = rng.uniform(6.0, 7.2) * MICRON
    body = inside(wavy(rng, place, (0, 0), radius, waves=0.03), 1.6)
    count = int(rng.choice([2, 3, 4, 5], p=[0.12, 0.42, 0.34, 0.12]))
    lobes = _lobes(
        rng,
        place,
        count,
        radius * (0.43 - 0.037 * count),
        radius * (0.74 - 0.065 * count),
        (rng.normal(0, 2), rng.normal(0, 2)),
    )
    nucleus = inside(lobes, 1.6) * body
    dust = _granules(rng, body.shape, 1.4, 0.3)
    optical = _paint(body, stain.LILAC) * 1.1 + _paint(body * dust, stain.PINK) * 0.32
    return Leukocyte(optical + _paint(_chromatin(rng, nucleus, 0.2), stain.NUCLEUS), body, nucleus)


def _eosinophil(rng: np.random.Generator, place: Place) -> Leukocyte:
    radius = rng.uniform(6.2, 7.6) * MICRON
    body = inside(wavy(rng, place, (0, 0), radius, waves=0.03), 1.6)
    count = int(rng.choice([2, 3], p=[0.84, 0.16]))
    aside = rng.normal(0, 5, 2)
    nucleus = inside(_lobes(rng, place, count, radius * 0.42, radius * 0.72, (aside[0], aside[1])), 1.6) * body
    taken = rng.uniform(0.2, 1.0)  # how well the granules took the stain: some pass for a neutrophil's
    beads = _granules(rng, body.shape, 3.4, 0.42)
    optical = _paint(body, stain.LILAC) * (1.1 - 0.5 * taken) + _paint(body * (0.3 + 0.7 * beads), stain.ORANGE) * taken
    optical *= (1 - 0.75 * nucleus)[..., None]
    return Leukocyte(optical + _paint(_chromatin(rng, nucleus, 0.12), stain.NUCLEUS) * 0.92, body, nucleus)


def _basophil(rng: np.random.Generator, place: Place) -> Leukocyte:
    radius = rng.uniform(5.2, 6.8) * MICRON
    body = inside(wavy(rng, place, (0, 0), radius, waves=0.04), 1.6)
    nucleus = inside(_lobes(rng, place, 2, radius * 0.46, radius * 0.6, (0, 0)), 2.5) * body
    grains = _granules(rng, body.shape, rng.uniform(3.4, 5.0), rng.uniform(0.16, 0.4)) * body
    optical = _paint(body, stain.PINK) * 0.7 + _paint(_chromatin(rng, nucleus, 0.1), stain.PALE_NUCLEUS) * 0.9
    return Leukocyte(optical + _paint(grains, stain.VIOLET) * rng.uniform(0.55, 0.85), body, nucleus)


def _lymphocyte(rng: np.random.Generator, place: Place) -> Leukocyte:
    reactive = rng.random() < 0.22  # larger, with more cytoplasm: the one that passes for a monocyte
    radius = rng.uniform(6.2, 7.8) * MICRON if reactive else rng.uniform(4.2, 5.8) * MICRON
    body = inside(wavy(rng, place, (0, 0), radius, waves=0.06 if reactive else 0.03, stretch=0.08), 1.6)
    share = rng.uniform(0.68, 0.8) if reactive else rng.uniform(0.8, 0.92)
    away = (1 - share) * radius * 0.8 * rng.normal(0, 1, 2).clip(-1, 1)
    outline = wavy(rng, place, (away[0], away[1]), radius * share, waves=0.05, stretch=0.1)
    if reactive and rng.random() < 0.5:
        outline = np.maximum(outline, _notch(rng, place, (away[0], away[1]), radius * share, 0.3))
    nucleus = inside(outline, 1.8) * body
    rim = _paint(body, stain.SKY) * rng.uniform(0.55, 1.15)
    return Leukocyte(
        rim + _paint(_chromatin(rng, nucleus, 0.22, 8), stain.NUCLEUS) * rng.uniform(0.8, 1.05), body, nucleus
    )


def _notch(
    rng: np.random.Generator, place: Place, centre: tuple[float, float], radius: float, depth: float
) -> np.ndarray:
    """Minus the distance to a bay in a round outline: the maximum with it cuts the bay out."""
    turn = rng.uniform(0, 2 * np.pi)
    reach = radius * (1.25 - depth)
    spot = (centre[0] + reach * np.sin(turn), centre[1] + reach * np.cos(turn))
    return -wavy(rng, place, spot, radius * 0.5, waves=0.08, stretch=0.25)


def _monocyte(rng: np.random.Generator, place: Place) -> Leukocyte:
    radius = rng.uniform(7.2, 9.0) * MICRON
    body = inside(wavy(rng, place, (0, 0), radius, waves=0.07, stretch=0.12), 1.8)
    away = radius * 0.14 * rng.normal(0, 1, 2).clip(-1, 1)
    outline = wavy(rng, place, (away[0], away[1]), radius * rng.uniform(0.62, 0.72), waves=0.08, stretch=0.16)
    outline = np.maximum(outline, _notch(rng, place, (away[0], away[1]), radius * 0.68, rng.uniform(0.1, 0.65)))
    nucleus = inside(outline, 2.2) * body
    holes = _granules(rng, body.shape, 4.0, rng.uniform(0.02, 0.12))
    dust = 0.85 + 0.3 * _granules(rng, body.shape, 1.4, 0.4)
    optical = _paint(body * dust * (1 - 0.7 * holes), stain.GREY_BLUE) * rng.uniform(0.8, 1.1)
    return Leukocyte(optical + _paint(_chromatin(rng, nucleus, 0.2, 10), stain.PALE_NUCLEUS), body, nucleus)


#: Class to how often it is drawn, about as hospitals' teaching sets have them, and what draws it.
KINDS: dict[str, tuple[float, Callable[[np.random.Generator, Place], Leukocyte]]] = {
    "basophil": (0.12, _basophil),
    "eosinophil": (0.16, _eosinophil),
    "lymphocyte": (0.24, _lymphocyte),
    "monocyte": (0.18, _monocyte),
    "neutrophil": (0.30, _neutrophil),
}
CLASSES = tuple(KINDS)

#: The class that a reader takes each for when in error.
MISTAKEN = {
    "basophil": "neutrophil",
    "eosinophil": "neutrophil",
    "lymphocyte": "monocyte",
    "monocyte": "lymphocyte",
    "neutrophil": "eosinophil",
}
