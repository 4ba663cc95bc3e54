"""The figures of a regression."""

from __future__ import annotations

from typing import Any

from scantune import plots
from scantune.tasks.figures import PART, Drawn, FigureInput, file_names
from scantune.tasks.regression.metrics import Data

CAPTIONS = {
    "predicted_against_actual": (
        "Predicted against reference values",
        "One mark per sample; the diagonal is perfect agreement.",
    ),
    "bland_altman": ("Agreement (Bland–Altman)", "Difference against mean, with bias and limits of agreement."),
    "histogram": ("Distribution of targets and predictions", ""),
}
"""Name of a figure to its title and caption, in the order of the report."""


def draw(inputs: FigureInput) -> Drawn:
    """Name to figure; of several targets those of each, ``<figure>__<target>``."""
    files = file_names(one.name for one in inputs.data.parts.values())
    return {
        f"{name}{PART}{files[one.name]}" if suffix else name: figure
        for suffix, one in inputs.data.parts.items()
        for name, figure in _of_one(inputs, one).items()
    }


def _of_one(inputs: FigureInput, one: Data) -> Drawn:
    rows, settings = one.known(inputs.rows), one.settings
    target, prediction = one.target[rows], one.prediction[rows]
    subjects = [str(subject) for subject in one.subjects[rows]]
    figures = {key.removesuffix(one.suffix): entry for key, entry in inputs.figures.items() if key.endswith(one.suffix)}
    name = "value" if one.name == "target" else one.name.replace("_", " ")
    unit, limits = settings.unit, settings.range
    beside: dict[str, Any] = {key: figures[key] for key in ("mae", "spearman_rho", "ccc") if key in figures}
    lower, upper = (inputs.column(f"{end}{one.suffix}", rows) for end in ("lower", "upper"))
    return {
        "predicted_against_actual": plots.predicted_against_actual(
            target, prediction, name=name, unit=unit, limits=limits, metrics=beside,
            significant_error=settings.significant_error, lower=lower, upper=upper,
        ),
        "bland_altman": plots.bland_altman(
            target, prediction, metrics=figures, name=name, unit=unit, subjects=subjects, confidence=inputs.confidence,
        ),
        "histogram": plots.histogram(target, prediction, name=name, unit=unit, limits=limits),
    }  # fmt: skip
