"""Survival in words: for reports, model cards and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scantune.plots.words import fixed, number
from scantune.tasks.survival.settings import HEADLINE

if TYPE_CHECKING:
    from scantune.tasks.survival.task import SurvivalTask

TASK = "the time to an event per image"
"""What the model predicts."""

OUTPUT = "a risk score, and the probability of the event by each horizon"
"""Output of the model."""


def answer(task: SurvivalTask, values: Mapping[str, Any]) -> tuple[str, str]:
    """The probability by the last horizon, else the risk score, of one sample's columns of ``predictions.csv``."""
    column, horizon = task.settings.probability_columns()[-1], task.settings.horizons[-1]
    if values.get(column, "") in ("", None) or float(values[column]) != float(values[column]):
        return f"risk score {number(values['prediction'])}", ""
    return in_words(float(values[column]), horizon, task.settings.unit), ""


def in_words(p: float, horizon: float, unit: str) -> str:
    """A probability of the event by a horizon."""
    return f"{fixed(p, 2)} by {horizon:g} {unit}"


def headline_notes(metrics: Mapping[str, Any]) -> list[str]:
    """How the headline metrics are defined."""
    if not any(name in (metrics.get("metrics") or {}) for name in HEADLINE):
        return []
    return [
        "Concordance is the share of pairs in which the earlier event has the higher risk: of all comparable pairs "
        "(Harrell), and with censoring weighted away up to the last horizon (Uno). The mean AUROC weighs each horizon "
        "by its events; the integrated Brier score is the mean of the Brier score from the first to the last horizon."
    ]
