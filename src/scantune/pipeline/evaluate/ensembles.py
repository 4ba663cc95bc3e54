"""Several models' predictions of the same samples averaged: mean probability, or mean prediction with its spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scantune.digests import SHORT, file_digest, text_digest
from scantune.engine.ensembles import is_answer, join_columns
from scantune.records import ScantuneError
from scantune.tasks.base import TaskSettings
from scantune.tasks.predictions import Faults, PredictionTable, read

_SHOWN = 5


class EnsembleError(ScantuneError):
    """Predictions that cannot be averaged."""


def average(members: Mapping[str, PredictionTable], task: TaskSettings) -> PredictionTable:
    """One table of the members' means.

    The rows are those of the test side, and of validation where all members have the same there. Conformal intervals
    and sets of the members are left out: they hold for them, not for their mean.

    Args:
        members: experiment to its predictions.
        task: the ``task:`` block of all of them.

    Raises:
        EnsembleError: masks, which ``predictions.csv`` does not hold; other test samples, subjects or targets, and
            which.
    """
    if task.mask_classes:
        raise EnsembleError(
            "masks are averaged when they are predicted, and predictions.csv has none: train one experiment with "
            "`train.members`, which does so"
        )
    tables = _same_rows(members)
    first = next(iter(tables.values()))
    averaged = [_answers(key, table) for key, table in tables.items()]
    columns: dict[str, Any] = {}
    for name in first.columns:
        if not is_answer(name) and name.partition("/")[0] not in _OF_ONE_MODEL:
            columns[name] = first.text(name)
    return PredictionTable.make(_ordered(columns, join_columns(averaged)))


_OF_ONE_MODEL = ("lower", "upper", "set", "prediction_sd", "fold")


def _answers(key: str, table: PredictionTable) -> dict[str, np.ndarray]:
    """The columns that are averaged, as numbers."""
    faults = Faults()
    found = {name: table.numbers(name, faults) for name in table.columns if is_answer(name)}
    for name, values in found.items():
        faults.rows(np.flatnonzero(~np.isfinite(values)), f"column {name}: not a finite number")
    faults.raise_for(f"predictions.csv of {key}")
    return found


def _ordered(columns: Mapping[str, Any], answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Ids and targets, the answers, then readers and groups: as every predictions file has them."""
    front = [n for n in columns if n in ("sample_id", "subject_id", "split") or n.startswith("target")]
    return {n: columns[n] for n in front} | dict(answers) | {n: v for n, v in columns.items() if n not in front}


def _same_rows(members: Mapping[str, PredictionTable]) -> dict[str, PredictionTable]:
    """The members' tables with the same samples in the same order."""
    names = list(members)
    kept = {}
    test = {name: _keys(table, "test") for name, table in members.items()}
    validation = {name: _keys(table, "validation") for name, table in members.items()}
    for name in names[1:]:
        _agree(names[0], test[names[0]], name, test[name])
    both = all(set(validation[name]) == set(validation[names[0]]) for name in names)
    wanted = [*(validation[names[0]] if both else {}), *test[names[0]]]
    for name, table in members.items():
        rows = test[name] | validation[name]
        kept[name] = table.take(np.array([rows[key] for key in wanted], np.int64))
        _agree_on(names[0], kept[names[0]], name, kept[name])
    return kept


def _keys(table: PredictionTable, split: str) -> dict[tuple[str, str], int]:
    """(split, sample) to row."""
    return {(split, str(s)): i for i, s in enumerate(table.sample_id) if table.split[i] == split}


def _agree(one: str, first: Mapping[tuple[str, str], int], other: str, second: Mapping[tuple[str, str], int]) -> None:
    for name, mine, away, theirs in ((one, first, other, second), (other, second, one, first)):
        missing = [sample for key in mine if key not in theirs for sample in key[1:]]
        if missing:
            rest = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
            raise EnsembleError(
                f"the members were tested on different samples: {len(missing)} of {name} are not in {away}: "
                f"{', '.join(missing[:_SHOWN])}{rest}. They must share dataset and split, and exclude the same files"
            )


def _agree_on(one: str, first: PredictionTable, other: str, second: PredictionTable) -> None:
    """Subjects and targets are the same."""
    for column in first.columns:
        if column != "subject_id" and not column.startswith("target"):
            continue
        if column not in second or (first.text(column) != second.text(column)).any():
            raise EnsembleError(f"{one} and {other} differ in the column {column}: they are not of the same data")


def read_members(names: Sequence[str]) -> dict[str, PredictionTable]:
    """Experiment to its predictions.

    Raises:
        EnsembleError: one is not there, with the command that makes it.
    """
    found = {}
    for name in names:
        path = Path("outputs") / name / "evaluate" / "predictions.csv"
        if not path.exists():
            raise EnsembleError(f"{path}: not here yet; run: dvc repro evaluate@{name}")
        found[name] = read(path)
    return found


def digest_of(names: Sequence[str], table: PredictionTable) -> str:
    """A digest of an ensemble: its members and what they say."""
    answers = [table.text(name).tolist() for name in sorted(table.columns) if is_answer(name)]
    return text_digest(repr((sorted(names), answers)), SHORT)


_OF_SAMPLES = ("manifest.csv", "digests.csv", "display.csv", "input.json", "flow.json")


def sources_of(names: Sequence[str], input_: str, dataset: str) -> dict[str, str]:
    """File to digest of what an ensemble's evaluation reads beside the predictions: models, samples, split.

    Args:
        names: of the members.
        input_: their name in ``inputs``.
        dataset: their name in ``datasets``.
    """
    models = [path for name in names for path in sorted((Path("outputs") / name / "train" / "model").rglob("*"))]
    cache = [Path("data/cache") / input_ / name for name in _OF_SAMPLES]
    splits = sorted((Path("data/splits") / dataset).rglob("*"))
    return {path.as_posix(): file_digest(path) for path in (*models, *cache, *splits) if path.is_file()}
