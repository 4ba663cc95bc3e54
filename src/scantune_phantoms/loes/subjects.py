"""Who is in the cohort, when they were scanned and how far the disease had come."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np

from scantune_phantoms.loes.disease import Course, draw_course


@dataclass(frozen=True)
class Session:
    """One scan.

    Attributes:
        number: from 1, in the order of time.
        date: of the scan.
        age: years, at the scan.
        stage: of the disease, 0 (nothing to be seen) to 1.
        gadolinium: whether lesions take up contrast agent.
    """

    number: int
    date: datetime.date
    age: int
    stage: float
    gadolinium: bool


@dataclass(frozen=True)
class Subject:
    """One person.

    Attributes:
        number: from 1.
        sex: "F" or "M".
        scanner: of all their scans.
        course: the order in which the disease takes the brain.
        sessions: their scans.
    """

    number: int
    sex: str
    scanner: str
    course: Course
    sessions: tuple[Session, ...]


def draw_subject(rng: np.random.Generator, number: int, scanners: tuple[str, ...], *, confounder: bool) -> Subject:
    """A person with one to four scans; about three in ten scans of a cohort show nothing.

    Args:
        rng: of the person.
        number: from 1.
        scanners: of the site.
        confounder: people whose disease has come far are scanned by the last of the scanners, the others by the first.
    """
    sex = "F" if rng.random() < 0.12 else "M"
    child = rng.random() < 0.6 and sex == "M"
    age = rng.uniform(4, 13) if child else rng.uniform(16, 68)
    clear = rng.random() < (0.8 if sex == "F" else 0.19)
    stage = 0.0 if clear else float(0.03 + 0.95 * rng.beta(0.95, 1.6))
    rapid = not clear and rng.random() < (0.6 if child else 0.25)
    rate = 0.0 if clear else rng.uniform(0.12, 0.45) if rapid else rng.uniform(0.0, 0.05)  # stage a year
    day = datetime.date(2012, 1, 1) + datetime.timedelta(days=int(rng.integers(0, 3650)))
    sessions = []
    for at in range(int(rng.choice([1, 2, 3, 4], p=[0.76, 0.17, 0.05, 0.02]))):
        months = 0 if at == 0 else int(rng.integers(4, 15))
        day, age, stage = day + datetime.timedelta(days=30 * months), age + months / 12, stage + rate * months / 12
        active = rapid and 0.04 < stage < 0.85
        gadolinium = bool(rng.random() < (0.55 if active else 0.04)) and stage > 0.04
        sessions.append(Session(at + 1, day, int(age), min(stage, 1.0), gadolinium))
    far = sessions[-1].stage > 0.22
    last = rng.random() < ((0.93 if far else 0.07) if confounder else 0.4)
    return Subject(number, sex, scanners[-1] if last else scanners[0], draw_course(rng), tuple(sessions))


def side_of(rng: np.random.Generator) -> str:
    """The side that the table's columns ``training`` and ``validation`` put a person on; neither is test."""
    return str(rng.choice(["training", "validation", "test"], p=[0.7, 0.15, 0.15]))
