"""Who is in the cohort, which artery and view each frame shows, and how narrow the arteries are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scantune_phantoms.angio.devices import DEVICES

#: Artery to usual views: primary and secondary angle in degrees, and how often they are taken.
VIEWS = {
    "LCA": ((-30.0, -18.0, 0.28), (-10.0, 34.0, 0.24), (40.0, 24.0, 0.22), (46.0, -28.0, 0.14), (-38.0, 14.0, 0.12)),
    "RCA": ((36.0, 0.0, 0.5), (24.0, 20.0, 0.22), (-32.0, 0.0, 0.28)),
}


@dataclass(frozen=True)
class Shot:
    """One frame: artery, primary and secondary angle in degrees."""

    artery: str
    primary: float
    secondary: float

    @property
    def view(self) -> str:
        """LAO where the detector is at the patient's left, else RAO."""
        return "LAO" if self.primary > 0 else "RAO"


@dataclass(frozen=True)
class Subject:
    """One person.

    Attributes:
        number: from 1.
        sex: "F" or "M".
        age: years.
        scanner: of all their frames.
        severities: artery to the narrowing of each of its lesions, share of the diameter.
        tortuosity: about 1.
        left_dominant: the circumflex feeds the heart's lower wall.
        radial: the catheter comes by the arm.
        devices: that they carry.
        shots: their frames.
    """

    number: int
    sex: str
    age: int
    scanner: str
    severities: dict[str, list[float]]
    tortuosity: float
    left_dominant: bool
    radial: bool
    devices: tuple[str, ...]
    shots: tuple[Shot, ...]


def draw_subject(rng: np.random.Generator, number: int, scanners: tuple[str, ...], *, confounder: bool) -> Subject:
    """A person with one to three frames.

    Args:
        rng: of the person.
        number: from 1.
        scanners: of the site.
        confounder: people with a narrowing of half the diameter or more are filmed by the last of the scanners, the
            others by the first; else as it comes.
    """
    sex = "F" if rng.random() < 0.36 else "M"
    age = int(np.clip(rng.normal(64 + 4 * (sex == "F"), 10.5), 32, 91))
    severities = {artery: _lesions(rng, age) for artery in VIEWS}
    shots = []
    for _ in range(int(rng.choice([1, 2, 3], p=[0.52, 0.36, 0.12]))):
        artery = "LCA" if rng.random() < 0.62 else "RCA"
        usual = VIEWS[artery]
        primary, secondary, _ = usual[int(rng.choice(len(usual), p=[p for _, _, p in usual]))]
        shots.append(Shot(artery, primary + rng.normal(0, 4), secondary + rng.normal(0, 4)))
    ill = max((s for shot in shots for s in severities[shot.artery]), default=0.0) >= 0.5
    last = rng.random() < ((0.93 if ill else 0.07) if confounder else 0.4)
    chance = (0.1, 0.06, 0.3)
    return Subject(
        number, sex, age, scanners[-1] if last else scanners[0], severities,
        float(np.clip(rng.lognormal(0.1, 0.28) + 0.006 * (age - 60), 0.5, 2.2)), bool(rng.random() < 0.1),
        bool(rng.random() < 0.55), tuple(name for name, p in zip(DEVICES, chance) if rng.random() < p), tuple(shots),
    )  # fmt: skip


def _lesions(rng: np.random.Generator, age: int) -> list[float]:
    count = int(rng.poisson(0.75 + 0.012 * (age - 60)))
    severities = [float(np.clip(rng.beta(2.0, 1.9), 0.15, 0.92)) for _ in range(min(count, 3))]
    if severities and rng.random() < 0.06:
        severities[0] = 1.0
    return severities
