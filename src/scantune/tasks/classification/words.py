"""A classification in words: for reports, model cards and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scantune.plots.words import fixed

if TYPE_CHECKING:
    from scantune.tasks.classification.task import ClassificationTask

TASK = "one of several classes per image"
"""What the model predicts."""

OUTPUT = "a calibrated probability for each class, with a conformal set"
"""Output of the model."""


def answer(task: ClassificationTask, values: Mapping[str, Any]) -> tuple[str, str]:
    """Prediction, and set or "", of one sample's columns of ``predictions.csv``."""
    shares = {name: float(values[f"p/{name}"]) for name in task.classes}
    best = max(shares, key=lambda name: shares[name])
    members = str(values.get("set", ""))
    return f"{best} ({fixed(shares[best], 2)})", "{" + members.replace("|", ", ") + "}" if members else ""


def headline_notes(metrics: Mapping[str, Any]) -> list[str]:
    """The headline metrics need no further words."""
    return []
