"""Findings in words: for reports, model cards and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from scantune.plots.words import fixed

if TYPE_CHECKING:
    from scantune.tasks.multilabel.task import MultilabelTask

TASK = "which of several findings are present in an image"
"""What the model predicts."""

OUTPUT = "a calibrated probability for each finding, and those called present"
"""Output of the model."""

NONE = "none"
"""No finding."""


def answer(task: MultilabelTask, values: Mapping[str, Any]) -> tuple[str, str]:
    """The findings that are called present with their probabilities; without any the most probable one. No interval."""
    p = [float(values[f"p/{name}"]) for name in task.findings]
    present = set(str(values.get("set", "")).split("|"))
    return listed(task.findings, p, [name in present for name in task.findings]), ""


def listed(findings: Sequence[str], p: Sequence[float], called: Sequence[bool]) -> str:
    """Findings in words, the most probable first: ``Effusion (0.81), Mass (0.40)`` or ``none (Mass 0.21)``."""
    order = sorted(range(len(findings)), key=lambda place: -p[place])
    present = [f"{findings[place]} ({fixed(p[place], 2)})" for place in order if called[place]]
    return ", ".join(present) or f"{NONE} ({findings[order[0]]} {fixed(p[order[0]], 2)})"


def headline_notes(metrics: Mapping[str, Any]) -> list[str]:
    """What the table of headline metrics needs to be understood, by ``metrics.json``."""
    states = metrics.get("states") or {}
    unknown = sum(state["unknown"] for state in states.values())
    notes = [
        "AUROC, AUPRC, F1 and Brier score are means over the findings. Exact match: samples all of whose known "
        "findings are called right. Hamming loss: share of known findings that are called wrong."
    ]
    if unknown:
        notes.append(f"In {unknown} places a finding is unknown; these are counted nowhere.")
    without = ((metrics.get("metrics") or {}).get("auroc") or {}).get("without")
    if without:
        notes.append(f"AUROC and AUPRC leave out findings that fewer than two subjects have: {', '.join(without)}.")
    return notes
