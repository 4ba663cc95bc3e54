"""``splits.csv``: which side and fold each sample belongs to."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scantune.tables import unguarded, write_csv


@dataclass(frozen=True)
class Assignment:
    """Where a sample belongs.

    Attributes:
        sample_id: the sample.
        subject_id: its subject; all samples of a subject are on one side and in one fold.
        split: train, validation or test: the hold-out split of experiments without ``train.folds``.
        fold: 0 … k − 1 where the split has folds, else None, and None on the test side. In experiments with
            ``train.folds`` a sample is held out from the network of its fold, and the other networks train on it.
    """

    sample_id: str
    subject_id: str
    split: str
    fold: int | None = None


def in_folds(assignments: Sequence[Assignment]) -> list[Assignment]:
    """The split of an experiment with ``train.folds``: what has a fold trains, whichever side it is on otherwise."""
    return [a if a.fold is None else replace(a, split="train") for a in assignments]


def without_folds(assignments: Sequence[Assignment]) -> list[Assignment]:
    """The split of an experiment without ``train.folds``."""
    return [replace(a, fold=None) for a in assignments]


def write_splits(path: Path, assignments: Sequence[Assignment]) -> None:
    """``splits.csv``: ``sample_id,subject_id,split[,fold]``, replaced atomically."""
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
