"""A field of the smear: one white cell near the middle, red cells around it, platelets, dirt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune_phantoms.cells import stain
from scantune_phantoms.cells.leukocyte import KINDS, MICRON
from scantune_phantoms.cells.shapes import grid, inside, wavy
from scantune_phantoms.fields import clouds, step

#: Pixels of the picture as it is drawn; cells are this picture's middle, scaled to what is asked for.
DRAWN = 128


@dataclass(frozen=True)
class Slide:
    """What all fields of one smear share.

    Attributes:
        crowd: how many red cells lie in a field.
        stain: strength of the stain.
        pallor: of the red cells' middle, 0–1.
        focus: further blur, pixels.
    """

    crowd: float
    stain: float
    pallor: float
    focus: float


def draw_slide(rng: np.random.Generator) -> Slide:
    """A smear as they come."""
    return Slide(rng.uniform(5, 13), rng.uniform(0.75, 1.2), rng.uniform(0.25, 0.6), rng.gamma(1.2, 0.45))


def field(
    rng: np.random.Generator, kind: str, slide: Slide, scanner: stain.Scanner, *, size: int, mark: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """One picture.

    Args:
        rng: of the picture.
        kind: one of `leukocyte.CLASSES`.
        slide: that it lies on.
        scanner: that looks.
        size: height and width, pixels.
        mark: the pointer's tip at the lower edge that some microscopes' pictures have: the planted shortcut.

    Returns:
        uint8 RGB [size, size, 3]; uint8 [size, size], 1 in the white cell's body and 2 in its nucleus.
    """
    import cv2

    rows, columns = grid(DRAWN)
    off = rng.normal(0, 4, 2)
    place = ((rows - off[0]) / scanner.zoom, (columns - off[1]) / scanner.zoom)
    cell = KINDS[kind][1](rng, place)
    optical = _red_cells(rng, place, slide, cell.body) * (1 - 0.9 * cell.body)[..., None]
    optical += cell.optical + _platelets(rng, place, cell.body)
    optical += 0.012 * np.abs(clouds(rng, rows.shape, 6, 3))[..., None]
    picture = stain.develop(rng, optical * slide.stain, scanner, focus=slide.focus)
    if mark:
        picture[DRAWN - 20 :, 8:26] = _pointer(picture[DRAWN - 20 :, 8:26])
    area = np.where(cell.nucleus > 0.5, 2, (cell.body > 0.5)).astype(np.uint8)
    picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return picture, cv2.resize(area, (size, size), interpolation=cv2.INTER_NEAREST)


def _red_cells(
    rng: np.random.Generator, place: tuple[np.ndarray, np.ndarray], slide: Slide, body: np.ndarray
) -> np.ndarray:
    """Density of discs with a pale middle, pushed off the white cell; where two overlap, both count."""
    total = np.zeros((*body.shape, 3), np.float32)
    keep_off = float(np.sqrt(body.sum() / np.pi))
    spots: list[np.ndarray] = []
    for _ in range(4 * int(slide.crowd)):
        spot = rng.uniform(-82, 82, 2)
        radius = rng.normal(3.7, 0.25) * MICRON
        near_cell = np.hypot(*spot) < keep_off + 0.82 * radius
        if near_cell or any(np.hypot(*(spot - other)) < 1.55 * radius for other in spots):
            continue
        spots.append(spot)
        if len(spots) > slide.crowd:
            break
        outline = wavy(rng, place, (spot[0], spot[1]), radius, waves=0.03, stretch=0.12)
        hollow = slide.pallor * rng.uniform(0.7, 1.2) * step(outline, -0.25 * radius, -0.85 * radius)
        edge = 0.12 * np.exp(-(((outline + 1.5) / 1.6) ** 2))
        total += (inside(outline, 1.5) * (0.9 + edge - hollow))[..., None] * stain.RED_CELL * rng.uniform(0.85, 1.15)
    return total


def _platelets(rng: np.random.Generator, place: tuple[np.ndarray, np.ndarray], body: np.ndarray) -> np.ndarray:
    total = np.zeros((*body.shape, 3), np.float32)
    for _ in range(rng.poisson(1.2)):
        spot = rng.uniform(-60, 60, 2)
        shape = inside(wavy(rng, place, (spot[0], spot[1]), rng.uniform(0.9, 1.5) * MICRON, waves=0.12, stretch=0.3), 2)
        grainy = np.clip(1 + 0.35 * clouds(rng, body.shape, 24, 1), 0.3, 1.7)
        total += (shape * grainy * (1 - body))[..., None] * stain.PLATELET
    return total


def _pointer(corner: np.ndarray) -> np.ndarray:
    """A dark tip that points up and right into the corner [20, 18, 3]."""
    rows, columns = np.mgrid[0:20, 0:18]
    tip = inside(np.abs(columns - (17 - 0.8 * rows)).astype(np.float32) - 0.28 * rows, 1.5)
    return np.rint(corner * (1 - 0.85 * tip[..., None])).astype(np.uint8)
