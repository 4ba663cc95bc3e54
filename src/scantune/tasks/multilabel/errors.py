"""In how many of its findings a sample is called wrong."""

from __future__ import annotations

import numpy as np

from scantune.tasks.errors import Judgement, Verdict, as_text
from scantune.tasks.multilabel.metrics import Data
from scantune.tasks.multilabel.words import NONE, listed
from scantune.tasks.predictions import PredictionTable

COUNTED = "wrong in at least one finding"
"""What the samples that count as errors are."""

SIZED = False
"""Only samples with a wrong finding are shown."""

OUTLINED = False
"""Errors are pictured beside their maps, not as outlines."""


def assess(data: Data, row: int, table: PredictionTable) -> Verdict:
    """The error of one sample: how little probability the states have that are called wrong, added up."""
    target, p, called = data.target[row], data.probabilities[row], data.called[row]
    known = np.isfinite(target)
    present = known & (target == 1)
    missed, extra = present & ~called, known & ~present & called
    wrong = int((missed | extra).sum())
    size = float(np.where(missed, 1 - p, 0).sum() + np.where(extra, p, 0).sum())
    kind = "right"
    if wrong:
        kind = "missed" if not extra.any() else "false alarm" if not missed.any() else "missed and false alarm"
    names = np.array(data.findings, dtype=object)
    unknown = int((~known).sum())
    truth = ", ".join(names[present]) or NONE
    return Verdict(
        size=size,
        wrong=wrong > 0,
        kind=kind,
        target=f"{truth} ({unknown} unknown)" if unknown else truth,
        prediction=listed(data.findings, p.tolist(), called.tolist()),
        error=f"{wrong} of {int(known.sum())} findings" if wrong else "",
    )


def judgements(data: Data, table: PredictionTable) -> list[Judgement]:
    """Each finding, by the column ``set`` of a table or, without one, by the thresholds of this model."""
    return [
        Judgement(
            {f"p/{name}": ""},
            as_text(data.called[:, place].astype(float)),
            as_text(data.target[:, place]),
            "call",
            data.thresholds[name],
            name,
            called=name,
        )
        for place, name in enumerate(data.findings)
    ]
