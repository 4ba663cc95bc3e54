"""A zone grading in words: for reports, model cards and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scantune.tasks.zones.task import ZonesTask

TASK = "a grade per zone of an image"
"""What the model predicts."""

OUTPUT = "a probability for each grade of each zone"
"""Output of the model."""


def answer(task: ZonesTask, values: Mapping[str, Any]) -> tuple[str, str]:
    """The zones' grades in their order, – for ungradable; there is no interval."""
    return " ".join(_grade(task, zone, values) for zone in task.zones), ""


def _grade(task: ZonesTask, zone: str, values: Mapping[str, Any]) -> str:
    best = max(task.classes, key=lambda name: float(values[f"p/{zone}/{name}"]))
    return "–" if best == task.classes[-1] else best


def headline_notes(metrics: Mapping[str, Any]) -> list[str]:
    """What the table of headline metrics needs to be understood, by ``metrics.json``."""
    notes = ["n: number of zones; for metrics of the mean score, number of films."]
    without = metrics.get("without_score") or {}
    if any(without.values()):
        notes.append(
            f"Films without a gradable zone have no mean score: {without['target']} by the reference standard, "
            f"{without['prediction']} by prediction."
        )
    return notes
