"""Cohorts with a known truth, of one and several samples a subject: what :mod:`benchmarks.coverage` draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from scantune.tasks.scoring import settings_of

SIZES = (15, 30, 60, 200)

Make = Callable[[np.random.Generator, int, bool], dict[str, np.ndarray]]


def owners(rng: np.random.Generator, subjects: int, repeats: bool) -> np.ndarray:
    """The subject of each sample: one each, or unequally 1 to 6."""
    return np.repeat(np.arange(subjects), rng.choice([1, 1, 2, 3, 4, 6], subjects) if repeats else 1)


def normal(error: float) -> Make:
    """Normal scores, and errors of some size; subjects have errors of their own."""

    def made(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
        s = owners(rng, subjects, repeats)
        target = rng.normal(10, 5, subjects)[s] + rng.normal(0, 1.5, len(s))
        errors = rng.normal(0, 1.5, subjects)[s] + rng.normal(0, 1.2, len(s))
        return {"subject_id": s, "target": target, "prediction": 1 + 0.9 * target + error * errors}

    return made


def skewed(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
    """Skewed scores in half points, with ties, whose errors are skewed and grow with the score."""
    s = owners(rng, subjects, repeats)
    level = rng.gamma(2, 5, subjects)
    target = np.round(2 * np.maximum(level[s] + rng.normal(0, 1.5, len(s)), 0)) / 2
    own, each = (rng.gamma(4, 1, subjects) - 4) / 2, (rng.gamma(4, 1, len(s)) - 4) / 2
    return {
        "subject_id": s,
        "target": target,
        "prediction": target + 0.5 + (1.2 * own[s] + each) * (1 + 0.05 * level)[s],
    }


def binary(share: float, distance: float) -> Make:
    """Two classes of a share of the subjects, scores a distance apart; calibrated."""

    def made(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
        s = owners(rng, subjects, repeats)
        y = (rng.random(subjects) < share)[s]
        own = 0.6 if repeats else 0.0
        score = distance * y + own * rng.normal(size=subjects)[s] + math.sqrt(1 - own**2) * rng.normal(size=len(s))
        p = 1 / (1 + np.exp(-(distance * score - distance**2 / 2 + math.log(share / (1 - share)))))
        return {"subject_id": s, "target": y.astype(int), "p/0": 1 - p, "p/1": p}

    return made


def graded(noise: float, cuts: tuple[float, ...] = (-0.5, 0.4, 1.2)) -> Make:
    """Six zones of four grades, read with some noise; zones of one film go together, some are ungradable."""

    def made(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
        s = owners(rng, subjects, repeats)
        level = rng.normal(0, 1, subjects)[s]
        skill = rng.normal(0, 0.4, subjects)[s]
        columns: dict[str, np.ndarray] = {"subject_id": s}
        for zone in settings_of("zones").zones:
            grade = level + rng.normal(0, 0.6, len(s))
            seen = grade + noise * (skill / 1.5 + rng.normal(0, 1, len(s)))
            y, predicted = (np.digitize(v, cuts) for v in (grade, seen))
            y = np.where(rng.random(len(s)) < 0.04, 4, y)
            predicted = np.where((y == 4) & (rng.random(len(s)) < 0.7), 4, predicted)
            columns[f"target/{zone}"] = y
            p = np.full((len(s), 5), 0.05)
            p[np.arange(len(s)), predicted] = 0.8
            columns |= {f"p/{zone}/{c}": p[:, k] for k, c in enumerate(("0", "1", "2", "3", "ungradable"))}
        return columns

    return made


def several(classes: int, distance: float) -> Make:
    """Classes alike in number, scores a distance apart."""

    def made(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
        s = owners(rng, subjects, repeats)
        y = rng.permutation(np.arange(subjects) % classes)[s]
        score = 0.5 * rng.normal(size=(subjects, classes))[s] + 0.85 * rng.normal(size=(len(s), classes))
        score[np.arange(len(s)), y] += distance
        p = np.exp(distance * score)
        p /= p.sum(1, keepdims=True)
        return {"subject_id": s, "target": y} | {f"p/{k}": p[:, k] for k in range(classes)}

    return made


def findings(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
    """Three findings of 50, 30 and 20 % of the subjects, which go together."""
    s = owners(rng, subjects, repeats)
    shared = rng.normal(size=subjects)
    columns: dict[str, np.ndarray] = {"subject_id": s}
    for name, share in (("a", 0.5), ("b", 0.3), ("c", 0.2)):
        limit = NormalDist().inv_cdf(1 - share)
        y = (0.6 * shared + 0.8 * rng.normal(size=subjects) > limit)[s]
        score = 1.8 * y + 0.6 * rng.normal(size=subjects)[s] + 0.8 * rng.normal(size=len(s))
        columns |= {f"target/{name}": y.astype(int)}
        columns |= {f"p/{name}": 1 / (1 + np.exp(-(1.8 * score - 1.62 + math.log(share / (1 - share)))))}
    return columns


def followed(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
    """Exponential times with a risk, a third censored; probabilities from the true hazard."""
    s = owners(rng, subjects, repeats)
    risk = rng.normal(0, 1, subjects)
    until, end = rng.exponential(3 / np.exp(risk)), rng.uniform(1.5, 9, subjects)
    seen = risk[s] + rng.normal(0, 0.5, len(s))
    task = settings_of("survival")
    columns = {"subject_id": s, "prediction": seen}
    columns |= dict(zip(task.columns, (np.minimum(until, end)[s], (until <= end)[s].astype(int)), strict=True))
    for name, horizon in zip(task.probability_columns(), task.horizons, strict=True):
        columns[name] = 1 - np.exp(-horizon / 3 * np.exp(seen))
    return columns


def masks(rng: np.random.Generator, subjects: int, repeats: bool) -> dict[str, np.ndarray]:
    """Dice near its upper end with a tail of failures, distances with a long one."""
    s = owners(rng, subjects, repeats)
    hard = rng.beta(2, 9, subjects)[s]
    dice = np.clip(1 - hard * rng.uniform(0.5, 1.5, len(s)), 0, 1)
    hd95 = 30 * hard * rng.gamma(2, 0.5, len(s)) + 1
    return {"subject_id": s, "dice": dice, "iou": dice / (2 - dice), "hd95": hd95}


@dataclass(frozen=True)
class Scenario:
    """Cohorts of one kind, and the task that scores them."""

    name: str
    task: str
    make: Make
    sizes: tuple[int, ...] = SIZES


SCENARIOS = (
    Scenario("scores, normal", "regression", normal(1.0)),
    Scenario("scores, weak agreement", "regression", normal(4.0)),
    Scenario("scores, almost without error", "regression", normal(0.3)),
    Scenario("scores, skewed", "regression", skewed),
    Scenario("two classes, AUROC .87", "classification", binary(0.4, 1.6)),
    Scenario("two classes, 20 % positive, AUROC .98", "classification", binary(0.2, 2.9), (30, 60, 200)),
    Scenario("two classes, 10 % positive, AUROC .92", "classification", binary(0.1, 2.0), (60, 200)),
    Scenario("ten classes", "classification", several(10, 2.5), (60, 200)),
    Scenario("ten classes, almost without error", "classification", several(10, 4.0), (60, 200)),
    Scenario("three findings", "multilabel", findings, (30, 60, 200)),
    Scenario("survival", "survival", followed, (30, 60, 200)),
    Scenario("graded zones", "zones", graded(0.45)),
    Scenario("graded zones, weak agreement", "zones", graded(1.5)),
    Scenario("graded zones, mostly the lowest grade", "zones", graded(0.45, (0.8, 1.4, 1.9))),
    Scenario("masks", "segmentation", masks),
)
