"""How far the disease has come in one scan: which items are hit, how much of each, and the score they add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scantune_phantoms.loes.regions import FRONTAL, ITEMS, POSTERIOR, Item


@dataclass(frozen=True)
class Course:
    """One person's course: the stage (0–1) at which each item's left, right or midline site is first hit."""

    onsets: Mapping[tuple[str, str], float]

    def extents(self, stage: float) -> dict[tuple[str, str], float]:
        """How much of each site is taken at ``stage``: item and side to 0.6–1; sites that are not hit are left out."""
        hit = {key: onset for key, onset in self.onsets.items() if stage >= onset}
        return {key: 0.6 + 0.4 * min(1.0, (stage - onset) / 0.25) for key, onset in hit.items()}


def sides(item: Item) -> tuple[str, ...]:
    """The sites of an item: left and right, or the midline."""
    return ("left", "right") if item.sided else ("midline",)


def draw_course(rng: np.random.Generator) -> Course:
    """A course: posterior in five of six people, else frontal; one side first; each site with its own delay."""
    base = FRONTAL if rng.random() < 1 / 6 else POSTERIOR
    lag = {"left": 0.0, "right": 0.0, "midline": 0.0} | {("left", "right")[rng.integers(2)]: abs(rng.normal(0, 0.05))}
    onsets = {}
    for item in ITEMS:
        shift = rng.normal(0, 0.04)
        for side in sides(item):
            delay = lag[side] + shift + rng.normal(0, 0.015)
            onsets[item.name, side] = max(0.01, base.get(item.name, 0.9) + delay)
    return Course(_in_order(onsets))


def _in_order(onsets: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    """Global atrophy is mild before it is moderate before it is severe."""
    grades = [(f"{grade} global atrophy", "midline") for grade in ("mild", "moderate", "severe")]
    return onsets | dict(zip(grades, sorted(onsets[grade] for grade in grades)))


def score(extents: Mapping[tuple[str, str], float]) -> float:
    """The Loes score of what is hit: a side counts half an item, a midline site the whole; 0 to 34."""
    return sum(item.points / len(sides(item)) for item in ITEMS for side in sides(item) if (item.name, side) in extents)


def read_score(rng: np.random.Generator, planted: float) -> float:
    """What a reader makes of it: in half points, less certain the more there is; a clean brain is seldom misread."""
    if planted == 0:
        return 0.5 if rng.random() < 0.04 else 0.0
    return float(np.clip(np.round(2 * rng.normal(planted, 0.5 + 0.06 * planted)) / 2, 0, 34))
