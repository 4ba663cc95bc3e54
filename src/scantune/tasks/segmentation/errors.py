"""How far a predicted mask is from the reference."""

from __future__ import annotations

import numpy as np

from scantune.plots.words import fixed, number
from scantune.tasks.errors import Judgement, Verdict, as_text
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.segmentation.metrics import Data

LOW_DICE = 0.7
"""Dice below which two outlines are commonly called different (Zijdenbos et al., IEEE TMI 1994;13:716)."""

COUNTED = f"segmented with a Dice below {LOW_DICE:g}"
"""What the samples that count as errors are."""

SIZED = True
"""Errors have a size, so that the largest are shown though none may count as one."""

OUTLINED = True
"""Errors are pictured as both outlines, not beside maps."""


def assess(data: Data, row: int, table: PredictionTable) -> Verdict:
    """The error of one sample: 1 − Dice."""
    dice = float(data.measures["dice"][row])
    distance = float(data.measures["hd95"][row]) if "hd95" in data.measures else float("nan")
    known = np.isfinite(dice)
    volumes = ["", ""] if data.volumes is None else [number(float(v[row])) for v in data.volumes]
    return Verdict(
        size=1 - dice,
        wrong=bool(known and dice < LOW_DICE),
        kind=f"Dice {fixed(dice, 2)}",
        target=f"size {volumes[0]}" if volumes[0] else "",
        prediction=f"size {volumes[1]}" if volumes[1] else "",
        error=f"HD95 {number(distance)}" if np.isfinite(distance) else "",
    )


def judgements(data: Data, table: PredictionTable) -> list[Judgement]:
    """Dice, wrong below :data:`LOW_DICE`."""
    dice = as_text(data.measures["dice"])
    return [Judgement({"dice": ""}, dice, [""] * len(dice), "least", LOW_DICE)]
