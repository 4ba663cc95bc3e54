"""Where the model was wrong on the test side: every sample judged by its own task's measure, worst first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scantune.plots.words import fixed, number
from scantune.tasks.predictions import PredictionTable

SHOWN = 12
"""Errors with pictures."""


@dataclass(frozen=True)
class Judged:
    """One test sample and how wrong the model was about it.

    Attributes:
        sample_id: of the sample.
        row: in the predictions table.
        size: larger is worse, on a scale of the task's own; NaN where it cannot be said.
        wrong: whether it counts as an error.
        kind: ``false positive``, ``too high`` …
        target: what is true, in words.
        prediction: what was said, in words.
        interval: of the prediction, or its set, in words; "" without one.
        error: the size in words.
        group: grouping columns in words.
    """

    sample_id: str
    row: int
    size: float
    wrong: bool
    kind: str
    target: str
    prediction: str
    interval: str = ""
    error: str = ""
    group: str = ""

    @property
    def said(self) -> str:
        """The prediction with its interval or set."""
        if not self.interval:
            return self.prediction
        return (
            f"{self.prediction}, set {self.interval}"
            if self.interval[0] == "{"
            else f"{self.prediction} ({self.interval})"
        )


def judged(table: PredictionTable, schema: Any, split: str = "test") -> list[Judged]:
    """Every sample of a split, in the table's order.

    Args:
        table: the predictions.
        schema: the ``task:`` block.
        split: the rows that are judged.
    """
    from scantune.tasks.scoring import parse
    from scantune.tasks.subgroups import grouping_columns

    data = parse(table, schema)
    groups = {name: table.text(name) for name in grouping_columns(table)}
    found = []
    for row in np.flatnonzero(table.split == split).tolist():
        said = _JUDGE[schema.name](data, row, table)
        words = ", ".join(f"{name} {values[row]}" for name, values in groups.items() if values[row])
        found.append(Judged(sample_id=str(table.sample_id[row]), row=row, group=words, **said))
    return found


def worst(samples: Sequence[Judged], at_least: int = 0) -> list[Judged]:
    """Those that are wrong, worst first; filled up to ``at_least`` with the largest errors among the others."""
    order = sorted((s for s in samples if np.isfinite(s.size)), key=lambda s: (not s.wrong, -s.size, s.sample_id))
    return order[: max(sum(s.wrong for s in order), min(at_least, len(order)))]


def in_words(samples: Sequence[Judged], task: str) -> str:
    """How many are wrong."""
    wrong = sum(s.wrong for s in samples)
    what = {
        "regression": "off by more than the stated clinically significant error",
        "classification": "misclassified",
        "zones": "wrong in at least one zone",
        "segmentation": f"of Dice below {LOW_DICE:g}",
    }
    return f"{wrong} of {len(samples)} test samples are {what.get(task, 'wrong')}"


def write_errors(samples: Sequence[Judged], path: Path) -> None:
    """As CSV, worst first, with sample ids alone and no text that a spreadsheet would run."""
    from scantune.cohort.files import write_csv

    header = ["rank", "sample_id", "kind", "target", "prediction", "interval", "error", "group"]
    rows = [
        [str(rank), s.sample_id, s.kind, s.target, s.prediction, s.interval, s.error, s.group]
        for rank, s in enumerate(samples, 1)
    ]
    write_csv(path, header, rows)


LOW_DICE = 0.7
"""Dice below which two outlines are commonly called different (Zijdenbos et al., IEEE TMI 1994;13:716)."""


def _regression(data: Any, row: int, table: PredictionTable) -> dict[str, Any]:
    off = float(data.prediction[row] - data.target[row])
    wrong = bool(abs(off) > data.settings.significant_error)
    bounds = [table.text(name)[row] for name in ("lower", "upper") if name in table]
    interval = " to ".join(number(float(b)) for b in bounds) if len(bounds) == 2 and all(bounds) else ""
    return {
        "size": abs(off),
        "wrong": wrong,
        "kind": "too high" if off > 0 else "too low",
        "target": number(data.target[row]),
        "prediction": number(data.prediction[row]),
        "interval": interval,
        "error": ("+" if off > 0 else "") + number(off),
    }


def _classification(data: Any, row: int, table: PredictionTable) -> dict[str, Any]:
    truth, said = int(data.target[row]), int(data.probabilities[row].argmax())
    wrong, kind = truth != said, "right"
    if wrong:
        positive = "false positive" if said == data.positive else "false negative"
        kind = "misclassified" if data.positive is None else positive
    held = table.text("set")[row] if "set" in table else ""
    return {
        "size": 1 - float(data.probabilities[row, truth]),
        "wrong": wrong,
        "kind": kind,
        "target": data.classes[truth],
        "prediction": f"{data.classes[said]} ({fixed(float(data.probabilities[row, said]), 2)})",
        "interval": "{" + held.replace("|", ", ") + "}" if held else "",
        "error": f"true class at {fixed(float(data.probabilities[row, truth]), 2)}",
    }


def _zones(data: Any, row: int, table: PredictionTable) -> dict[str, Any]:
    grades = data.settings.grades
    truth, said = data.target[row], data.probabilities[row].argmax(1)
    both = (truth < grades) & (said < grades)
    steps = np.where(both, np.abs(truth - said), (truth != said).astype(int))
    wrong = int((truth != said).sum())

    def graded(codes: np.ndarray) -> str:
        return " ".join("–" if code >= grades else str(int(code)) for code in codes)

    return {
        "size": float(steps.sum()),
        "wrong": wrong > 0,
        "kind": f"{wrong} of {len(truth)} zones" if wrong else "right",
        "target": graded(truth),
        "prediction": graded(said),
        "error": f"{int(steps.sum())} grades in all",
    }


def _segmentation(data: Any, row: int, table: PredictionTable) -> dict[str, Any]:
    dice = float(data.measures["dice"][row])
    distance = float(data.measures["hd95"][row]) if "hd95" in data.measures else float("nan")
    known = np.isfinite(dice)
    volumes = ["", ""] if data.volumes is None else [number(float(v[row])) for v in data.volumes]
    return {
        "size": 1 - dice,
        "wrong": bool(known and dice < LOW_DICE),
        "kind": f"Dice {fixed(dice, 2)}",
        "target": f"size {volumes[0]}" if volumes[0] else "",
        "prediction": f"size {volumes[1]}" if volumes[1] else "",
        "error": f"HD95 {number(distance)}" if np.isfinite(distance) else "",
    }


_JUDGE: dict[str, Callable[..., dict[str, Any]]] = {
    "regression": _regression,
    "classification": _classification,
    "zones": _zones,
    "segmentation": _segmentation,
}
