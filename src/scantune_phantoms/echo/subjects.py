"""Who is in the cohort, and what loops were taken of them."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np

from scantune_phantoms.echo.anatomy import Heart, draw_heart
from scantune_phantoms.echo.spoil import Faults, draw_faults, quality

#: Fictitious first names, burned into the picture beside the word SYNTHETIC.
NAMES = {
    "F": ("ALMA", "BRITA", "CELIA", "DORA", "EDDA", "FREYA", "GRETA", "HEDY", "INGA", "JUNO"),
    "M": ("ANTON", "BRUNO", "CASPAR", "DARIO", "EMIL", "FELIX", "GUSTAV", "HUGO", "IVAR", "JONAS"),
}


@dataclass(frozen=True)
class Loop:
    """One loop: its session (from 1) and date, how many frames, ms between them, beats a minute, its faults."""

    session: int
    date: datetime.date
    frames: int
    frame_time: float
    rate: float
    faults: Faults


@dataclass(frozen=True)
class Subject:
    """One person.

    Attributes:
        number: from 1.
        sex: "F" or "M".
        age: years.
        name: fictitious.
        scanner: of all their loops.
        heart: its measures.
        loops: taken of it.
    """

    number: int
    sex: str
    age: int
    name: str
    scanner: str
    heart: Heart
    loops: tuple[Loop, ...]


def draw_subject(
    rng: np.random.Generator, number: int, scanners: tuple[str, ...], *, harder: float = 0.0, confounder: bool = False
) -> Subject:
    """A person with one to three loops, in one or two sessions.

    Args:
        rng: of the person.
        number: from 1.
        scanners: of the site.
        harder: by which acoustic windows are worse than at site a.
        confounder: people with poor loops are imaged by the last of the scanners, the others by the first; else as it
            comes.
    """
    sex = "F" if rng.random() < 0.46 else "M"
    age = int(np.clip(rng.normal(61, 15), 19, 93))
    name = str(rng.choice(NAMES[sex]))
    heart = draw_heart(rng, large=sex == "M")
    window = float(np.clip(rng.beta(1.15, 0.95) - harder - 0.002 * (age - 61), 0, 1))
    rate = float(np.clip(rng.normal(70, 10), 48, 105))
    day = datetime.date(2015, 1, 1) + datetime.timedelta(days=int(rng.integers(0, 2500)))
    session = 1
    loops = []
    for at in range(int(rng.choice([1, 2, 3], p=[0.85, 0.12, 0.03]))):
        if at and rng.random() < 0.5:
            session, day = session + 1, day + datetime.timedelta(days=int(rng.integers(60, 700)))
        short = rng.random() < 0.05
        frames = int(rng.integers(6, 12)) if short else int(rng.integers(20, 37))
        frame_time = float(rng.choice([25.0, 33.333, 40.0], p=[0.25, 0.55, 0.2]))
        loops.append(Loop(session, day, frames, frame_time, rate + rng.normal(0, 3), draw_faults(rng, window)))
    poor = np.mean([quality(loop.faults) for loop in loops]) < 0.5
    last = rng.random() < ((0.93 if poor else 0.07) if confounder else 0.45)
    return Subject(number, sex, age, name, scanners[-1] if last else scanners[0], heart, tuple(loops))
