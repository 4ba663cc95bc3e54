"""Errors of the model: every sample measured as its task defines, worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

import numpy as np

from scantune.tables import write_csv
from scantune.tasks.base import TaskSettings
from scantune.tasks.catalogue import part
from scantune.tasks.predictions import PredictionTable

SHOWN = 12
"""Errors with pictures."""


@dataclass(frozen=True)
class Verdict:
    """How wrong the model was about one sample, as its task measures it.

    Attributes:
        size: larger is worse, on a scale of the task's own; NaN where it is undefined.
        wrong: whether it counts as an error.
        kind: ``false positive``, ``too high`` …
        target: the reference, in words.
        prediction: as text.
        interval: of the prediction, or its set, in words; "" without one.
        error: the size, as text.
        doubtful: the label is worth checking: the prediction is as sure as those that are right.
    """

    size: float
    wrong: bool
    kind: str
    target: str
    prediction: str
    interval: str = ""
    error: str = ""
    doubtful: bool = False

    @property
    def answer(self) -> str:
        """The prediction with its interval or set."""
        if not self.interval:
            return self.prediction
        conformal_set = self.interval[0] == "{"
        return f"{self.prediction}, set {self.interval}" if conformal_set else f"{self.prediction} ({self.interval})"


@dataclass(frozen=True)
class SampleError(Verdict):
    """A verdict with the sample that it is of.

    Attributes:
        sample_id: of the sample.
        row: in the predictions table.
        group: grouping columns in words.
    """

    sample_id: str = ""
    row: int = -1
    group: str = ""


@dataclass(frozen=True)
class Judgement:
    """How the answer to one question is read from any predictions.csv of the same samples, and when it is wrong.

    Attributes:
        columns: column to the class that it is the probability of; of a number its one column to "".
        answers: of this table, text [N]; "" where there is none.
        truth: of this table, text [N]; "" where it is unknown.
        rule: ``class``: wrong where the class of the largest column is another; ``near``: where the number is further
            than ``limit`` from the truth; ``least``: where it is below ``limit``; ``call``: where 1 for numbers from
            ``limit`` on, else 0, is not the truth.
        limit: of the number; None: none is wrong.
        name: of the zone, finding or target; "" for the only question.
        called: name in the column ``set`` that counts instead of ``limit``, where there is that column.
    """

    columns: Mapping[str, str]
    answers: Sequence[str]
    truth: Sequence[str]
    rule: Literal["class", "near", "least", "call"]
    limit: float | None = None
    name: str = ""
    called: str = ""


class Errors(Protocol):
    """A task's ``errors`` module."""

    COUNTED: str
    SIZED: bool
    OUTLINED: bool

    def assess(self, data: object, row: int, table: PredictionTable) -> Verdict:
        """The verdict on one row."""
        ...

    def judgements(self, data: object, table: PredictionTable) -> list[Judgement]:
        """How the predictions of another model of the same task are judged."""
        ...


def of_task(task: str) -> Errors:
    """The ``errors`` module of a task."""
    return cast(Errors, part(task, "errors"))


def sample_errors(table: PredictionTable, task: TaskSettings, split: str = "test") -> list[SampleError]:
    """Every sample of a split, in the table's order.

    Args:
        table: the predictions.
        task: the ``task:`` block.
        split: the rows that are measured.
    """
    from scantune.tasks.scoring import parse
    from scantune.tasks.subgroups import grouping_columns

    data, errors = parse(table, task), of_task(task.name)
    groups = {name: table.text(name) for name in grouping_columns(table)}
    measured = []
    for row in np.flatnonzero(table.split == split).tolist():
        verdict = errors.assess(data, row, table)
        words = ", ".join(f"{name} {values[row]}" for name, values in groups.items() if values[row])
        measured.append(SampleError(**vars(verdict), sample_id=str(table.sample_id[row]), row=row, group=words))
    return measured


def judgements(table: PredictionTable, task: TaskSettings) -> list[Judgement]:
    """How another model's predictions for the samples of a table are judged; none where the task does not say."""
    from scantune.tasks.scoring import parse

    judge = getattr(of_task(task.name), "judgements", None)
    return [] if judge is None else judge(parse(table, task), table)


def as_text(values: np.ndarray) -> list[str]:
    """Numbers as text that reads back as they are; "" for NaN."""
    return [f"{value:.10g}" if np.isfinite(value) else "" for value in values.tolist()]


def worst(samples: Sequence[SampleError], at_least: int = 0) -> list[SampleError]:
    """The errors, worst first; filled up to ``at_least`` with the largest errors among the others."""
    order = sorted((s for s in samples if np.isfinite(s.size)), key=lambda s: (not s.wrong, -s.size, s.sample_id))
    return order[: max(sum(s.wrong for s in order), min(at_least, len(order)))]


def in_words(samples: Sequence[SampleError], task: TaskSettings) -> str:
    """How many count as errors; where no limit says which do, that the largest errors are meant."""
    errors = of_task(task.name)
    counts = getattr(errors, "counts", None)
    if counts is not None and not counts(task):
        return (
            f"The largest errors of {len(samples)} test samples; none is called clinically significant, as "
            "task.significant_error is not stated"
        )
    wrong = sum(s.wrong for s in samples)
    return f"{wrong} of {len(samples)} test samples are {errors.COUNTED}"


def doubts_in_words(samples: Sequence[SampleError]) -> str:
    """A sentence that names the samples with labels worth checking; "" where there are none."""
    doubtful = [s.sample_id for s in worst(samples) if s.doubtful]
    if not doubtful:
        return ""
    named = ", ".join(doubtful[:SHOWN]) + (" …" if len(doubtful) > SHOWN else "")
    return f"Labels worth checking, as these samples are predicted as surely as those of the predicted class: {named}"


def write_errors(samples: Sequence[SampleError], path: Path) -> None:
    """As CSV, worst first, with sample ids alone and no text that a spreadsheet would run."""
    header = ["rank", "sample_id", "kind", "target", "prediction", "interval", "error", "check_label", "group"]
    rows = [
        [str(rank), s.sample_id, s.kind, s.target, s.prediction, s.interval, s.error, check, s.group]
        for rank, s in enumerate(samples, 1)
        for check in ["yes" if s.doubtful else ""]
    ]
    write_csv(path, header, rows)
