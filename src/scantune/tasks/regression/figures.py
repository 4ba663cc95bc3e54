"""The figures of a regression."""

from __future__ import annotations

from scantune import plots
from scantune.tasks.figures import Drawn, FigureInput

CAPTIONS = {
    "predicted_against_actual": (
        "Predicted against reference values",
        "One mark per sample; the diagonal is perfect agreement.",
    ),
    "bland_altman": ("Agreement (Bland–Altman)", "Difference against mean, with bias and limits of agreement."),
    "histogram": ("Distribution of targets and predictions", ""),
}
"""Name of a figure to its title and caption, in the order of the report."""


def draw(given: FigureInput) -> Drawn:
    """Name to figure."""
    rows, settings, figures = given.rows, given.data.settings, given.figures
    target, prediction = given.data.target[rows], given.data.prediction[rows]
    subjects = [str(subject) for subject in given.data.subjects[rows]]
    name = settings.target.replace("_", " ")
    limits = tuple(settings.range) if settings.range else None
    beside = {key: figures[key] for key in ("mae", "spearman_rho", "ccc") if key in figures}
    return {
        "predicted_against_actual": plots.predicted_against_actual(
            target, prediction, name=name, limits=limits, metrics=beside, significant_error=settings.significant_error,
            lower=given.column("lower"), upper=given.column("upper"),
        ),
        "bland_altman": plots.bland_altman(target, prediction, metrics=figures, name=name, subjects=subjects),
        "histogram": plots.histogram(target, prediction, name=name, limits=limits),
    }  # fmt: skip
