"""How far a predicted number is off."""

from __future__ import annotations

from scantune.plots.words import number
from scantune.tasks.errors import Verdict
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.regression.metrics import Data

COUNTED = "wrong by more than the clinically significant error"
"""What the samples that count as errors are."""

SIZED = True
"""Errors have a size, so that the largest are shown though none may count as one."""

OUTLINED = False
"""Errors are pictured beside their maps, not as outlines."""


def judge(data: Data, row: int, table: PredictionTable) -> Verdict:
    """The error of one sample; it counts where it is larger than ``significant_error``."""
    off = float(data.prediction[row] - data.target[row])
    wrong = bool(abs(off) > data.settings.significant_error)
    bounds = [table.text(name)[row] for name in ("lower", "upper") if name in table]
    interval = " to ".join(number(float(b)) for b in bounds) if len(bounds) == 2 and all(bounds) else ""
    return Verdict(
        size=abs(off),
        wrong=wrong,
        kind="too high" if off > 0 else "too low",
        target=number(data.target[row]),
        prediction=number(data.prediction[row]),
        interval=interval,
        error=("+" if off > 0 else "") + number(off),
    )
