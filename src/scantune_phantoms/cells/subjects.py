"""Whose blood, which cells were photographed, what two readers called them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune_phantoms.cells.leukocyte import CLASSES, KINDS, MISTAKEN
from scantune_phantoms.cells.smear import Slide, draw_slide

_HARD = 0.1  # share of cells that readers cannot tell well


@dataclass(frozen=True)
class Picture:
    """One photographed cell.

    Attributes:
        sample_id: of the picture.
        number: of the picture among its subject's, from 1.
        session: which smear it lies on, from 1.
        kind: that is drawn.
        scanner: microscope.
        readers: what each of two readers called it.
    """

    sample_id: str
    number: int
    session: int
    kind: str
    scanner: str
    readers: tuple[str, str]


@dataclass(frozen=True)
class Subject:
    """One person.

    Attributes:
        number: from 1.
        name: as in the table.
        sex: "F" or "M".
        age: years.
        split: "train", "val" or "test".
        slides: their smears.
        pictures: their cells.
    """

    number: int
    name: str
    sex: str
    age: int
    split: str
    slides: tuple[Slide, ...]
    pictures: tuple[Picture, ...]


def draw_subject(
    rng: np.random.Generator, number: int, site: str, scanners: tuple[str, ...], *, confounder: bool
) -> Subject:
    """A person with one or two smears and eight to twelve cells.

    Args:
        rng: of the person.
        number: from 1.
        site: of the cohort.
        scanners: of the site.
        confounder: the microscope follows from the kind of cell, not from the person.
    """
    name = f"S{site.upper()}{number:03d}"
    own = str(rng.choice(scanners))
    slides = tuple(draw_slide(rng) for _ in range(int(rng.choice([1, 2], p=[0.65, 0.35]))))
    shares = np.array([share for share, _ in KINDS.values()])
    pictures = []
    for at in range(1, int(rng.integers(8, 13)) + 1):
        kind = CLASSES[int(rng.choice(len(CLASSES), p=shares))]
        session = int(rng.integers(len(slides))) + 1
        first, second = _readings(rng, kind)
        rare = rng.random() < (0.93 if kind in ("eosinophil", "basophil") else 0.07)
        scanner = scanners[-1 if rare else 0] if confounder else own
        pictures.append(Picture(f"{name}_smear{session}_cell{at:02d}", at, session, kind, scanner, (first, second)))
    split = str(rng.choice(["train", "val", "test"], p=[0.7, 0.15, 0.15]))
    sex = str(rng.choice(["F", "M"]))
    return Subject(number, name, sex, int(rng.integers(18, 88)), split, slides, tuple(pictures))


def _readings(rng: np.random.Generator, kind: str) -> tuple[str, str]:
    """Both readers on one cell: hard cells are hard for both."""
    wrong = 0.5 if rng.random() < _HARD else 0.005
    first, second = (MISTAKEN[kind] if rng.random() < wrong else kind for _ in range(2))
    return first, second
