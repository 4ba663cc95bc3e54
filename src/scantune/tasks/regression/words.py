"""A regression in words: for reports, model cards and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scantune.plots.words import number

if TYPE_CHECKING:
    from scantune.tasks.regression.task import RegressionTask

TASK = "a number per image"
"""What the model predicts."""

OUTPUT = "a number with its conformal interval"
"""Output of the model."""


def answer(task: RegressionTask, values: Mapping[str, Any]) -> tuple[str, str]:
    """Prediction, and interval or "", of one sample's columns of ``predictions.csv``."""
    bounds = [values[end] for end in ("lower", "upper") if end in values]
    interval = " to ".join(number(float(bound)) for bound in bounds) if len(bounds) == 2 else ""
    return number(values["prediction"]), interval


def headline_notes(metrics: Mapping[str, Any]) -> list[str]:
    """The headline metrics need no further words."""
    return []
