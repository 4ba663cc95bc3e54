"""``splits.csv``: which side and fold each sample belongs to."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scantune.tables import unguarded, write_csv


@dataclass(frozen=True)
class Assignment:
    """Where a sample belongs.

    Attributes:
        sample_id: the sample.
        subject_id: its subject; all samples of a subject are on one side and in one fold.
        split: train, validation or test.
        fold: 0 … k − 1 in cross-validation, else None. Samples with a fold have the split "train": in member ``fold``
            they are held out, in the other members they train.
    """

    sample_id: str
    subject_id: str
    split: str
    fold: int | None = None


def write_splits(path: Path, assignments: Sequence[Assignment]) -> None:
    """``splits.csv``: ``sample_id,subject_id,split[,fold]``, replaced whole or not at all."""
    folds = any(a.fold is not None for a in assignments)
    header = ["sample_id", "subject_id", "split", *(["fold"] if folds else [])]
    rows = (
        [a.sample_id, a.subject_id, a.split, *([("" if a.fold is None else str(a.fold))] if folds else [])]
        for a in assignments
    )
    write_csv(path, header, rows)


def read_splits(path: Path) -> list[Assignment]:
    """What :func:`write_splits` wrote."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Assignment(
                unguarded(row["sample_id"]),
                unguarded(row["subject_id"]),
                row["split"],
                int(row["fold"]) if row.get("fold") else None,
            )
            for row in csv.DictReader(file)
        ]
