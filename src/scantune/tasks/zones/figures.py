"""The figures of graded zones."""

from __future__ import annotations

from typing import Any

import numpy as np

from scantune import plots
from scantune.tasks.figures import Drawn, FigureInput, bands
from scantune.tasks.zones.metrics import mean_score

CAPTIONS = {
    "severity_roc": (
        "ROC of the mean score",
        "The predicted mean score as a test for a reference mean score above each cut-off.",
    ),
    "severity_confusion": ("Class of the mean score", "Rows: reference standard. Columns: prediction."),
    "zone_confusions": ("Confusion by zone", "Arranged as on the film: the patient's right is on the left."),
    "zone_reliability": ("Reliability by zone", "Share of correct grades by the probability of the predicted grade."),
    "zones": ("Agreement by zone", "Arranged as on the film: the patient's right is on the left."),
    "mean_score": ("Mean score", "Predicted against reference mean of the gradable zones."),
    "mean_score_agreement": ("Agreement of mean scores (Bland–Altman)", "Difference against mean of both scores."),
}
"""Name of a figure to its title and caption, in the order of the report."""


def draw(inputs: FigureInput) -> Drawn:
    """Name to figure."""
    rows, settings, figures = inputs.rows, inputs.data.settings, inputs.figures
    target, guess = inputs.data.target[rows], inputs.data.prediction[rows]
    counts = {}
    for place, zone in enumerate(settings.zones):
        table = np.zeros((len(settings.classes),) * 2, int)
        np.add.at(table, (target[:, place], guess[:, place]), 1)
        counts[zone] = table
    by_zone = {
        metric: {zone: figures[f"{metric}/{zone}"] for zone in settings.zones if f"{metric}/{zone}" in figures}
        for metric in ("kappa_quadratic", "f1_macro")
    }
    drawn = {
        "zones": plots.zones({metric: zones for metric, zones in by_zone.items() if zones}),
        "zone_confusions": plots.zone_confusions(counts, [*settings.classes[:-1], "–"]),
        "zone_reliability": _zone_reliability(inputs),
    }
    return drawn | _mean_score(inputs, target, guess) | _severity(inputs, target, guess)


def _zone_reliability(inputs: FigureInput) -> Any:
    """Over all zones and zone by zone: how often the predicted grade is correct, by its probability."""
    p, target = inputs.data.probabilities[inputs.rows], inputs.data.target[inputs.rows]
    confidence, right = p.max(2), p.argmax(2) == target
    section = inputs.metrics.get("calibration") or {}
    zones = {
        zone: plots.Scored(
            right[:, i], confidence[:, i], zone, ((section.get("zones") or {}).get(zone) or {}).get("ece")
        )
        for i, zone in enumerate(inputs.data.settings.zones)
    }
    pooled = plots.Scored(right.ravel(), confidence.ravel(), "all zones", (section.get("as_given") or {}).get("ece"))
    return plots.zone_reliability(zones, pooled, confidence=inputs.confidence)


def _mean_score(inputs: FigureInput, target: np.ndarray, guess: np.ndarray) -> Drawn:
    truth, predicted = (mean_score(codes, inputs.data.settings.grades) for codes in (target, guess))
    both = np.isfinite(truth) & np.isfinite(predicted)
    if not both.any():
        return {}
    figures = inputs.starting("mean_score_")
    selected = ("mae", "rmse", "pearson_r", "spearman_rho")
    beside: dict[str, Any] = {name: figures[name] for name in selected if name in figures}
    subjects = [str(subject) for subject in inputs.data.subjects[inputs.rows][both]]
    return {
        "mean_score": plots.predicted_against_actual(
            truth[both], predicted[both], name="mean score", limits=(0, inputs.data.settings.grades - 1), metrics=beside
        ),
        "mean_score_agreement": plots.bland_altman(
            truth[both],
            predicted[both],
            metrics=figures,
            name="mean score",
            subjects=subjects,
            confidence=inputs.confidence,
        ),
    }


def _severity(inputs: FigureInput, target: np.ndarray, guess: np.ndarray) -> Drawn:
    """The class of the mean score: its confusion matrix, and the ROC of the mean score for each cut-off."""
    section = inputs.metrics.get("ahf_confusion") or {}
    if not section or not np.sum(section["matrix"]):
        return {}
    drawn = {
        "severity_confusion": plots.confusion(section["matrix"], [n.replace("_", " ") for n in section["classes"]])
    }
    truth, predicted = (mean_score(codes, inputs.data.settings.grades) for codes in (target, guess))
    both = np.isfinite(truth) & np.isfinite(predicted)
    curves = []
    for cut in inputs.data.settings.cut_offs:
        above = truth[both] > cut + 1e-9
        if 0 < above.sum() < len(above):
            figure = inputs.figures.get(f"ahf_auroc/above_{cut:g}")
            curves.append(plots.Scored(above, predicted[both], f"above {cut:g}", figure))
    if curves:
        around = {name.replace("_", " "): band for name, band in bands(inputs.metrics, "roc").items()}
        drawn["severity_roc"] = plots.roc(curves, bands=around, confidence=inputs.confidence)
    return drawn
