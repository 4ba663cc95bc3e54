"""Baselines on the same split: what the training targets and a few covariates alone would predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scantune.records import ScantuneError
from scantune.statistics.ages import years
from scantune.statistics.baselines import design
from scantune.statistics.determination import determined_by
from scantune.tasks.base import TaskSettings
from scantune.tasks.predictions import PredictionTable

MAX_CATEGORIES = 10


class Unfitted(ScantuneError):
    """Nothing can be fitted on the training targets; the message is the reason."""


@dataclass(frozen=True)
class Baselines:
    """Predictions of each baseline by name, and the covariates withheld from all of them, with the reason.

    Attributes:
        tables: name to predictions.
        left_out: covariate to reason.
        reason: why there are none; "" where there are.
    """

    tables: dict[str, PredictionTable] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    reason: str = ""


def predictions(
    analyses: Any,
    data: Any,
    table: PredictionTable,
    rows: np.ndarray,
    cohort: PredictionTable | None,
    covariates: Sequence[str],
) -> Baselines:
    """A predictions table of ``rows`` for each baseline: constant, and on covariates where there are any.

    A column that is, or determines, the target is not used.

    Args:
        analyses: the task's ``analyses`` module.
        data: what the task's ``parse`` returned.
        table: the predictions.
        rows: int [m], rows to predict.
        cohort: ``sample_id``, ``split``, targets and covariates; its ``train`` rows are fitted on. None: the rows of
            validation in ``table``.
        covariates: columns that may be used.
    """
    test = table.take(rows)
    source = table if cohort is None else cohort
    train = source.take(np.flatnonzero(source.split == ("validation" if cohort is None else "train")))
    if not len(train):
        return Baselines()
    named = [c for c in covariates if c in source]
    of_train = {c: train.text(c) for c in named}
    of_test = {c: test.text(c) if cohort is None else _looked_up(cohort, c, test.sample_id) for c in named}
    kinds = {c: as_numbers(v) for c, v in of_train.items()}
    left_out = answers(source, {c: source.text(c) for c in named})
    selected = [c for c in named if kinds[c] is not None or len(set(of_train[c].tolist())) <= MAX_CATEGORIES]
    selected = [c for c in selected if c not in left_out]
    x, new, _ = design(
        {c: _chosen(of_train[c], kinds[c] is not None) for c in selected},
        {c: _chosen(of_test[c], kinds[c] is not None) for c in selected},
    )
    if not selected:
        x, new = np.empty((len(train), 0)), np.empty((len(test), 0))
    try:
        columns_by_baseline = analyses.baseline_columns(train, x, new, data)
    except Unfitted as error:
        return Baselines({}, left_out, str(error))
    bare = {c: v for c, v in test.columns.items() if c != "set" and not c.startswith(("p/", "rater/", "set/"))}
    tables = {
        name: PredictionTable.make({**bare, **columns}, table.name) for name, columns in columns_by_baseline.items()
    }
    return Baselines(tables, left_out)


def determining(columns: Mapping[str, Sequence[str]], targets: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Those of some columns that are, or determine, one of the targets (texts [N] by name): name to reason."""
    reasons: dict[str, str] = {}
    for name, texts in columns.items():
        for target, values in targets.items():
            why = determined_by(*(_as_values(np.array(list(cells), dtype=object)) for cells in (texts, values)))
            if why is not None:
                reasons[name] = why.replace("the target", f"the target {target!r}", 1)
                break
    return reasons


def answers(table: PredictionTable, columns: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Those of some columns (text [N]) that are, or determine, a target of the table: name to reason."""
    targets = [c for c in table.columns if c == "target" or c.startswith("target/")]
    reasons: dict[str, str] = {}
    for name, texts in columns.items():
        for target in targets:
            why = determined_by(_as_values(texts), _as_values(table.text(target)))
            if why is not None:
                zone = f" {target.removeprefix('target/')}" if "/" in target else ""
                reasons[name] = why.replace("the target", f"the target{zone}", 1)
                break
    return reasons


def _as_values(texts: np.ndarray) -> np.ndarray:
    """Numbers where all are (missing is NaN), else the text."""
    values = as_numbers(texts)
    return texts if values is None else values


def _looked_up(cohort: PredictionTable, column: str, samples: np.ndarray) -> np.ndarray:
    values = dict(zip(cohort.sample_id, cohort.text(column)))
    values_of_samples = np.empty(len(samples), dtype=object)
    values_of_samples[:] = [values.get(s, "") for s in samples]
    return values_of_samples


def as_numbers(texts: np.ndarray) -> np.ndarray | None:
    """Numbers (ages also as DICOM writes them), empty as NaN; None where any other text stands among them."""
    values = np.empty(len(texts))
    for i, text in enumerate(texts):
        try:
            values[i] = float(text) if text else np.nan
        except ValueError:
            values[i] = years(text)
            if np.isnan(values[i]):
                return None
    return values


def _chosen(texts: np.ndarray, numeric: bool) -> np.ndarray:
    if not numeric:
        return texts
    values = as_numbers(texts)
    return np.full(len(texts), np.nan) if values is None else values


def cohort_table(manifest: PredictionTable, splits: PredictionTable, task: TaskSettings) -> PredictionTable:
    """What the baselines are fitted on, from ``manifest.csv`` and ``splits.csv`` as tables.

    Args:
        manifest: has ``sample_id``, ``target/<name>`` and covariates.
        splits: has ``sample_id`` and ``split``.
        task: the ``task:`` block, which names the targets and their columns.
    """
    side = dict(zip(splits.sample_id, splits.split))
    of_row = [side.get(s, "") for s in manifest.sample_id]
    assigned = np.array([bool(s) for s in of_row])
    columns = dict(manifest.columns) | {"split": np.array(of_row, dtype=object)}
    named = {name: f"target/{name}" for name in task.target_names() if f"target/{name}" in columns}
    targets = {name: manifest.text(column).tolist() for name, column in named.items()}
    others = {name: values for name, values in columns.items() if name not in named.values()}
    return PredictionTable.make({**others, **task.target_columns(targets)}, "manifest.csv").take(assigned)
