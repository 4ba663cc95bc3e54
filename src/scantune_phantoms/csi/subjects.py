"""Who is in the cohort and how ill; what a reader makes of each zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scantune_phantoms.csi.chest import ZONES
from scantune_phantoms.csi.devices import DEVICES

_GAIN = {"sup": 0.78, "mid": 1.0, "inf": 1.12}
_READER = 0.2  # SD of a reader's impression of a zone, in grades


@dataclass(frozen=True)
class Subject:
    """One person.

    Attributes:
        number: from 1.
        sex: "F" or "M".
        age: years.
        scanner: of all their films.
        severity: for each film, zone to degree, 0 to 3.4.
        fluid: for each film, height of the right and left effusion, cm.
        devices: on all their films.
    """

    number: int
    sex: str
    age: int
    scanner: str
    severity: tuple[Mapping[str, float], ...]
    fluid: tuple[tuple[float, float], ...]
    devices: tuple[str, ...]


def draw_subject(rng: np.random.Generator, number: int, scanners: tuple[str, ...], *, confounder: bool) -> Subject:
    """A person with one film, or two with treatment between them.

    Args:
        rng: of the person.
        number: from 1.
        scanners: of the site; the last is the mobile unit where there are several.
        confounder: the ill are filmed by the mobile unit, the well by the other; else one in three by the mobile unit.
    """
    ill = rng.random() > 0.34
    stage = float(np.clip(rng.beta(1.4, 1.3) * 3.5, 0.1, 3.3)) if ill else abs(float(rng.normal(0, 0.12)))
    films = 2 if rng.random() < 0.2 else 1
    lean = rng.normal(0, 0.15)
    own = {zone: rng.normal(0, 0.22) for zone in ZONES}
    severity, fluid = [], []
    for film in range(films):
        now = stage * (1 if film == 0 else rng.uniform(0.15, 0.7))
        share = min(1.0, now / 0.6)  # who is well is well in every zone
        degrees = {
            zone: float(
                np.clip(now * _GAIN[zone[-3:]] + share * (own[zone] + (lean if zone[0] == "r" else -lean)), 0, 3.4)
            )
            for zone in ZONES
        }
        severity.append(degrees)
        right = max(0.0, rng.normal(2.9 * (now - 1.2), 2.0)) if now > 0.9 else 0.0
        left = max(0.0, 0.75 * right + rng.normal(-0.4, 1.2)) if now > 0.9 else 0.0
        fluid.append((min(right, 10.5), min(left, 10.5)))
    mobile = rng.random() < ((0.92 if stage > 1.0 else 0.08) if confounder else 0.33)
    scanner = scanners[-1] if mobile else scanners[0]
    chance = (0.07, 0.15 if mobile else 0.1, 0.3 if mobile else 0.06, 0.16 if mobile else 0.03, 0.08)
    present = tuple(name for name, p in zip(DEVICES, chance) if rng.random() < p)
    age = int(np.clip(rng.normal(60 + 5 * min(stage, 2), 15), 19, 94))
    sex = "F" if rng.random() < 0.46 else "M"
    return Subject(number, sex, age, scanner, tuple(severity), tuple(fluid), present)


def read_zones(
    rng: np.random.Generator, severity: Mapping[str, float], hidden: Mapping[str, float]
) -> dict[str, int | None]:
    """One reader's grades: 0 to 3, None where more than about a third of the zone cannot be judged."""
    grades: dict[str, int | None] = {}
    for zone in ZONES:
        impression, doubt = rng.normal(severity[zone], _READER), rng.normal(0, 0.03)
        grades[zone] = None if hidden[zone] + doubt > 0.36 else int(np.clip(np.floor(impression + 0.5), 0, 3))
    return grades


def mean_score(grades: Mapping[str, int | None]) -> float | None:
    """Mean over the zones that are graded; None where there is none."""
    known = [grade for grade in grades.values() if grade is not None]
    return sum(known) / len(known) if known else None


def acute(rng: np.random.Generator, severity: Mapping[str, float]) -> int:
    """Whether the person turns out to have acute heart failure: 1 or 0, likelier the more congestion there is."""
    mean = float(np.mean(list(severity.values())))
    return int(rng.random() < 1 / (1 + np.exp(-3.0 * (mean - 1.15))))
