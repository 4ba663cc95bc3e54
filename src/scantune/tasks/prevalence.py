"""A classifier at another prevalence: predictive values and net benefit with the classes weighted to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scantune.statistics.confusion import confusion_statistic
from scantune.statistics.decision import THRESHOLDS, decision_statistic
from scantune.tasks.context import Context, Detection, band
from scantune.tasks.plan import MetricPlan, renamed, reweighted


def section(detections: Mapping[str, Detection], prevalences: Sequence[float], context: Context) -> dict[str, Any]:
    """For each prevalence: ``precision`` (PPV), ``npv``, accuracy and the decision curve.

    Sensitivity, specificity and AUROC do not change where the prevalence alone does; calibration does.

    Args:
        detections: by class: the positive one where there are two, else each against the rest; or each finding.
        prevalences: shares of the class, each of its own.
        context: of the table.

    Returns:
        By prevalence ``figures`` and ``decision``; of several detections, by ``by_class`` and their name.
    """
    both = {name: d for name, d in detections.items() if 0 < d.positive[d.rows].sum() < len(d.rows)}
    if not both:
        return {}
    sections: dict[str, Any] = {}
    for share in prevalences:
        parts = {name: _weighted(detection, share, context) for name, detection in both.items()}
        sections[f"{share:g}"] = next(iter(parts.values())) if len(detections) == 1 else {"by_class": parts}
    return sections


def _weighted(detection: Detection, share: float, context: Context) -> dict[str, Any]:
    rows = detection.rows
    p, positive, called = (v[rows] for v in (detection.probability, detection.positive, detection.called))
    here = float(positive.mean())
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
    curve = context.figures(MetricPlan([reweighted(decision_statistic(p, positive, rows), weights)], curve=True))
    return {
        "figures": context.figures(MetricPlan(statistics, reasons=_REASONS)),
        "decision": band(curve, "model", THRESHOLDS, "threshold")
        | {"all": band(curve, "all", THRESHOLDS, "threshold")["value"]},
    }


_REASONS = {
    "precision": "undefined: no sample is called positive",
    "npv": "undefined: no sample is called negative",
}
