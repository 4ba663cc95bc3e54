"""A classifier at another prevalence: predictive values and net benefit with the classes weighted to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from scantune.statistics.confusion import confusion_statistic
from scantune.statistics.decision import THRESHOLDS, decision_statistic
from scantune.tasks.classification.metrics import Data
from scantune.tasks.context import Context, band
from scantune.tasks.plan import MetricPlan, renamed, reweighted


def section(data: Data, context: Context) -> dict[str, Any]:
    """For each prevalence of the settings: ``precision`` (PPV), ``npv``, accuracy and the decision curve.

    Sensitivity, specificity and AUROC do not change where the prevalence alone does; calibration does.
    """
    rows = context.rows
    positive = data.target[rows] == data.positive
    if not 0 < positive.sum() < len(rows):
        return {}
    called = data.prediction[rows] == data.positive
    here = float(positive.mean())
    sections: dict[str, Any] = {}
    for share in data.settings.prevalences:
        weights = np.where(positive, share / here, (1 - share) / (1 - here))  # their mean is 1
        yes, no = (
            confusion_statistic(side.astype(np.int64), call.astype(np.int64), ("other", "own"), rows, 1)
            for side, call in ((positive, called), (~positive, ~called))
        )
        unbounded = {"precision": "unit", "npv": "unit"}  # of trials on both sides: no binomial
        statistics = [
            reweighted(renamed(yes, {"precision": "precision"}), weights, unbounded),
            reweighted(renamed(no, {"precision": "npv"}), weights, unbounded),
            reweighted(renamed(yes, {"accuracy": "accuracy"}), weights),
        ]
        decision = reweighted(decision_statistic(data.probabilities[rows, data.positive], positive, rows), weights)
        curve = context.figures(MetricPlan([decision], curve=True))
        sections[f"{share:g}"] = {
            "figures": context.figures(MetricPlan(statistics, reasons=_REASONS)),
            "decision": band(curve, "model", THRESHOLDS, "threshold")
            | {"all": band(curve, "all", THRESHOLDS, "threshold")["value"]},
        }
    return sections


_REASONS = {
    "precision": "undefined: no sample is called positive",
    "npv": "undefined: no sample is called negative",
}
