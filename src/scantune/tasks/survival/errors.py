"""How far the predicted probability of the event is from what happened."""

from __future__ import annotations

import math

import numpy as np

from scantune.plots.words import fixed, number
from scantune.tasks.errors import Judgement, Verdict, as_text
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.survival.metrics import Data
from scantune.tasks.survival.words import in_words

COUNTED = "wrong by the last horizon at a probability of 0.5 (samples censored before it are not counted)"
"""What the samples that count as errors are."""

SIZED = True
"""Errors have a size, so that the largest are shown though none may count as one."""

OUTLINED = False
"""Errors are pictured beside their maps, not as outlines."""


def assess(data: Data, row: int, table: PredictionTable) -> Verdict:
    """The error of one sample by the last horizon: 1 − p where the event came by then, p where it did not.

    Undefined where follow-up ended before, or the table has no probabilities.
    """
    settings, horizon = data.settings, data.settings.horizons[-1]
    time, event, p = float(data.time[row]), bool(data.event[row]), float(data.probabilities[row, -1])
    by_then = event and time <= horizon
    known = by_then or time > horizon
    size = (1 - p if by_then else p) if known else math.nan
    wrong = size > 0.5
    return Verdict(
        size=size,
        wrong=wrong,
        kind=("event not expected" if by_then else "event expected, none came") if wrong else "",
        target=f"{'event' if event else 'censored'} at {number(time)} {settings.unit}",
        prediction=in_words(p, horizon, settings.unit) if p == p else f"risk score {number(data.prediction[row])}",
        error=fixed(size, 2) if size == size else "",
    )


def judgements(data: Data, table: PredictionTable) -> list[Judgement]:
    """The event by the last horizon at a probability above 0.5; unknown where follow-up ended before."""
    horizon, p = data.settings.horizons[-1], data.probabilities[:, -1]
    by_then = data.event & (data.time <= horizon)
    truth = np.where(by_then | (data.time > horizon), by_then.astype(float), np.nan)
    answers = np.where(np.isfinite(p), (p > 0.5).astype(float), np.nan)
    column = data.settings.probability_columns()[-1]
    limit = float(np.nextafter(0.5, 1))
    return [Judgement({column: ""}, as_text(answers), as_text(truth), "call", limit)]
