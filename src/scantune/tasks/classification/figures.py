"""The figures of a classification."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scantune import plots
from scantune.plots import lettering
from scantune.tasks.figures import Drawn, FigureInput, bands

MARKED = ("youden", "sensitivity", "specificity")
"""Operating points that are marked on curves: the first of each kind; the report's table has them all."""

CAPTIONS = {
    "confusion": ("Confusion matrix", "Rows: reference standard. Columns: prediction."),
    "roc": ("ROC", "Sensitivity against 1 − specificity; with several classes, each against all others."),
    "precision_recall": ("Precision–recall", "PPV against sensitivity; with several classes, each against all others."),
    "decision_curve": ("Decision curve", "Net benefit by threshold probability."),
    "reliability": (
        "Reliability",
        "Observed frequency against predicted probability; the diagonal is perfect calibration.",
    ),
}
"""Name of a figure to its title and caption, in the order of the report."""


def draw(inputs: FigureInput) -> Drawn:
    """Name to figure."""
    data, rows = inputs.data, inputs.rows
    target, probability = data.target[rows], data.probabilities[rows]
    counts = np.zeros((len(data.classes),) * 2, int)
    np.add.at(counts, (target, probability.argmax(1)), 1)
    if data.positive is not None:
        selected = [(data.positive, "auroc", "auprc")]
    else:
        selected = [(k, f"auroc/{name}", f"auprc/{name}") for k, name in enumerate(data.classes)]

    def curves(which: int) -> list[Any]:
        return [
            plots.Scored(
                target == entry[0], probability[:, entry[0]], data.classes[entry[0]], inputs.figures.get(entry[which])
            )
            for entry in selected
        ]

    roc, precision_recall = bands(inputs.metrics, "roc"), bands(inputs.metrics, "precision_recall")
    level = inputs.confidence
    drawn = {
        "confusion": plots.confusion(counts, data.classes),
        "reliability": plots.reliability(
            _before_and_after(inputs), metrics=_calibration(inputs.figures), confidence=level
        ),
    }
    if data.positive is None:
        drawn["roc"] = plots.roc_by_class(curves(1), bands=roc, confidence=level)
        drawn["precision_recall"] = plots.precision_recall_by_class(curves(2), bands=precision_recall, confidence=level)
    else:
        marked = _marked(inputs.metrics.get("operating_points") or [])
        drawn["roc"] = plots.roc(curves(1), bands=roc, operating_points=marked, confidence=level)
        drawn["precision_recall"] = plots.precision_recall(
            curves(2), bands=precision_recall, operating_points=marked, confidence=level
        )
        one = plots.Scored(target == data.positive, probability[:, data.positive], data.classes[data.positive])
        around = dict(zip([one.name], bands(inputs.metrics, "decision").values()))
        drawn["decision_curve"] = plots.decision_curve(one, bands=around, confidence=level)
    return drawn


def _marked(points: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The operating points that were chosen on validation: the first of each kind, with what they reach here."""
    marked: dict[str, dict[str, Any]] = {}
    for point in points:
        kind = str(point["name"]).partition("_")[0]
        if kind in MARKED and point.get("chosen_on") == "validation" and kind not in marked:
            name = {"youden": "Youden's index"}.get(kind, str(point["name"]).replace("_", " "))
            reached = (point["figures"].get("precision") or {}).get("value")
            marked[kind] = {**point, "name": name, "precision": reached}
    return list(marked.values())


def _before_and_after(inputs: FigureInput) -> list[Any]:
    """What reliability is of: the positive class, or the predicted class; also before calibration where known."""
    from scantune.statistics.calibration import undone

    data, rows = inputs.data, inputs.rows
    section = inputs.metrics.get("calibration") or {}
    before = undone(section.get("applied"), data.probabilities)
    if data.positive is not None:
        name, target = (
            lettering.fitting(data.classes[data.positive], 0.9, 6, lines=1),
            data.target[rows] == data.positive,
        )
        versions = {name: data.probabilities, f"{name}, before calibration": before}
        scores = {key: (p[rows, data.positive], target) for key, p in versions.items() if p is not None}
    else:
        versions = {"predicted class": data.probabilities, "before calibration": before}
        right = data.probabilities.argmax(1)[rows] == data.target[rows]  # a temperature leaves the order as it is
        scores = {key: (p[rows].max(1), right) for key, p in versions.items() if p is not None}
    return [plots.Scored(target, score, key) for key, (score, target) in scores.items()]


def _calibration(figures: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that belong beside a reliability curve."""
    names = ("ece", "brier", "calibration_slope", "calibration_intercept")
    return {name: figures[name] for name in names if name in figures and figures[name]["value"] is not None}
