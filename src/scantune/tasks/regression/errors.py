"""How far a predicted number is off."""

from __future__ import annotations

import math

import numpy as np

from scantune.plots.words import number
from scantune.statistics.agreement import ROUNDING
from scantune.tasks.errors import Judgement, Verdict, as_text
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.regression.metrics import Data, Several
from scantune.tasks.regression.settings import Regression
from scantune.tasks.regression.words import each, measured

COUNTED = "wrong by more than the clinically significant error"
"""What the samples that count as errors are."""


def counts(settings: Regression) -> bool:
    """Whether any error is called significant."""
    return any(measure.significant_error is not None for measure in settings.measures().values())


SIZED = True
"""Errors have a size, so that the largest are shown though none may count as one."""

OUTLINED = False
"""Errors are pictured beside their maps, not as outlines."""


def assess(data: Data | Several, row: int, table: PredictionTable) -> Verdict:
    """The error of one sample; it counts where it is larger than ``significant_error``.

    Of several targets it counts where one of them does; its size is the largest error, each in units of its
    ``significant_error``, or without one of the standard deviation of its target.
    """
    if isinstance(data, Data):
        return _verdict(data, row, table)
    verdicts = {one.name: _verdict(one, row, table) for one in data.parts.values()}
    sizes = {one.name: verdicts[one.name].size / _unit(one) for one in data.parts.values()}
    known = {name: size for name, size in sizes.items() if np.isfinite(size)}
    if not known:
        return Verdict(float("nan"), False, "", "", each({name: one.answer for name, one in verdicts.items()}))
    largest = max(known, key=lambda name: known[name])
    return Verdict(
        size=known[largest],
        wrong=any(verdicts[name].wrong for name in known),
        kind=each({name: verdicts[name].kind for name in known if verdicts[name].wrong or name == largest}),
        target=each({name: verdicts[name].target for name in known}),
        prediction=each({name: one.answer for name, one in verdicts.items()}),
        error=each({name: verdicts[name].error for name in known}),
    )


def _unit(data: Data) -> float:
    """What makes errors in several targets comparable."""
    known = data.target[np.isfinite(data.target)]
    return data.settings.significant_error or (float(known.std()) if len(known) else 0.0) or 1.0


def _verdict(data: Data, row: int, table: PredictionTable) -> Verdict:
    """The error in one target."""
    off = float(data.prediction[row] - data.target[row])
    wrong = bool(abs(off) > (data.settings.significant_error or math.inf) + ROUNDING)
    bounds = [table.text(f"{end}{data.suffix}")[row] for end in ("lower", "upper") if f"{end}{data.suffix}" in table]
    interval = " to ".join(number(float(b)) for b in bounds) if len(bounds) == 2 and all(bounds) else ""
    return Verdict(
        size=abs(off),
        wrong=wrong,
        kind="too high" if off > 0 else "too low",
        target=measured(data.target[row], data.settings),
        prediction=measured(data.prediction[row], data.settings),
        interval=interval,
        error=("+" if off > 0 else "") + measured(off, data.settings),
    )


def judgements(data: Data | Several, table: PredictionTable) -> list[Judgement]:
    """Each number, wrong by more than ``significant_error``."""
    return [
        Judgement(
            {f"prediction{one.suffix}": ""},
            as_text(one.prediction),
            as_text(one.target),
            "near",
            one.settings.significant_error,
            one.name if one.suffix else "",
        )
        for one in data.parts.values()
    ]
