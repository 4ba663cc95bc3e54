"""In how many zones, and by how many grades, a film is wrong."""

from __future__ import annotations

import numpy as np

from scantune.tasks.errors import Judgement, Verdict
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.zones.metrics import Data

COUNTED = "wrong in at least one zone"
"""What the samples that count as errors are."""

SIZED = False
"""Only samples with a wrong zone are shown."""

OUTLINED = False
"""Errors are pictured beside their maps, not as outlines."""


def assess(data: Data, row: int, table: PredictionTable) -> Verdict:
    """The error of one sample: its zones' distances in grades, added up; ungradable is one step from any grade."""
    grades = data.settings.grades
    truth, predicted = data.target[row], data.probabilities[row].argmax(1)
    both = (truth < grades) & (predicted < grades)
    steps = np.where(both, np.abs(truth - predicted), (truth != predicted).astype(int))
    wrong = int((truth != predicted).sum())

    def graded(codes: np.ndarray) -> str:
        return " ".join("–" if code >= grades else str(int(code)) for code in codes)

    return Verdict(
        size=float(steps.sum()),
        wrong=wrong > 0,
        kind=f"{wrong} of {len(truth)} zones" if wrong else "right",
        target=graded(truth),
        prediction=graded(predicted),
        error=f"{int(steps.sum())} grades in all",
    )


def judgements(data: Data, table: PredictionTable) -> list[Judgement]:
    """The grade of each zone with the largest probability."""
    names, zones = list(data.settings.classes), data.settings.zones
    return [
        Judgement(
            {f"p/{zone}/{name}": name for name in names},
            [names[code] for code in data.prediction[:, place].tolist()],
            [names[code] for code in data.target[:, place].tolist()],
            "class",
            name=zone,
        )
        for place, zone in enumerate(zones)
    ]
