"""Anyone's predictions to ``metrics.json``: the one entry for ``scantune score`` and for the evaluate stage."""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scantune.records import ScantuneError
from scantune.statistics.figure import jsonable
from scantune.statistics.resampling import Resampler
from scantune.tasks import subgroups
from scantune.tasks.plan import carry_out
from scantune.tasks.predictions import Faults, PredictionsError, PredictionTable, read

AGE_BANDS = (2.0, 12.0, 18.0, 40.0, 65.0, 80.0)


def metrics_module(name: str) -> Any:
    """The ``metrics`` module of a task: ``parse``, ``plan``, ``headline_names`` and the rest.

    Raises:
        ScantuneError: there is no such task.
    """
    folder = Path(__file__).parent
    names = sorted(p.parent.name for p in folder.glob("*/metrics.py"))
    if name not in names:
        raise ScantuneError(f"task {name!r}: there is none of that name; there are {', '.join(names)}")
    return importlib.import_module(f"scantune.tasks.{name}.metrics")


def parse(table: PredictionTable, task: Any) -> Any:
    """What a task reads from a predictions table, checked whole.

    Raises:
        PredictionsError: with every fault of the table.
    """
    faults = Faults()
    table.check(faults)
    data = metrics_module(task.name).parse(table, task, faults)
    faults.raise_for(table.name)
    return data


def evaluate(
    predictions: PredictionTable,
    task: Any,
    *,
    split: str = "test",
    draws: int = 2000,
    seed: int = 42,
    confidence: float = 0.95,
    groups: Sequence[str] | None = None,
    age_bands: Sequence[float] = AGE_BANDS,
    min_group: int = 20,
) -> dict[str, Any]:
    """All figures of a predictions table, in the structure of ``metrics.json``.

    Args:
        predictions: rows of test, and of validation where calibration, operating points and conformal sets are wanted.
        task: settings of the task (a block of its ``schema``).
        split: the rows that the figures are of.
        draws: resampling draws.
        seed: of the draws.
        confidence: level of the intervals.
        groups: columns to form subgroups by; None: all that belong to no task.
        age_bands: years at which a band of the column ``age`` begins.
        min_group: subgroups with fewer subjects are marked as small.

    Raises:
        PredictionsError: with every fault of the table.
    """
    module = metrics_module(task.name)
    data = parse(predictions, task)
    rows = np.flatnonzero(predictions.split == split)
    if not len(rows):
        there = sorted(set(predictions.split.tolist()))
        raise PredictionsError(f"{predictions.name}: no row has split {split}; there are {', '.join(there)}")
    resampler = Resampler(predictions.subject_id[rows], draws, seed)
    resampler = _on_all_rows(resampler, len(predictions), rows)
    (whole,) = carry_out([module.plan(data, rows)], resampler, confidence)
    columns = subgroups.grouping_columns(predictions) if groups is None else [g for g in groups if g in predictions]
    labels = subgroups.levels(predictions, columns, age_bands)
    by_group = subgroups.figures(module, data, rows, labels, resampler, confidence=confidence, min_group=min_group)
    return jsonable(
        {
            "task": task.name,
            "split": split,
            "n": len(rows),
            "n_subjects": resampler.n_subjects,
            "settings": {"draws": draws, "seed": seed, "confidence": confidence},
            "headline": list(module.headline_names(data)),
            "metrics": whole.figures,
            "subgroups": by_group,
            "baselines": {},
            "external": {},
            "saliency": {},
        }
    )


def _on_all_rows(resampler: Resampler, n: int, rows: np.ndarray) -> Resampler:
    """Statistics name rows of the whole table; the draws are of the subjects of ``rows`` alone."""
    codes = np.zeros(n, np.int64)
    codes[rows] = resampler.codes
    resampler.codes = codes
    return resampler


def summary(metrics: Mapping[str, Any]) -> dict[str, float | None]:
    """The headline figures of ``metrics.json``, flat: what DVC shows as a table."""
    return {name: metrics["metrics"][name]["value"] for name in metrics["headline"] if name in metrics["metrics"]}


def write_json(value: Any, path: Path | str) -> None:
    """Writes JSON whole or not at all, without NaN."""
    path = Path(path)
    partial = path.with_name(path.name + ".partial")
    with partial.open("w", encoding="utf-8") as stream:
        json.dump(value, stream, indent=1, allow_nan=False, ensure_ascii=False)
        stream.write("\n")
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(path)


def score_file(path: Path | str, task: str | Any, out: Path | str | None = None, **options: Any) -> dict[str, Any]:
    """Scores a predictions file.

    Args:
        path: the file.
        task: a task's name, for its default settings, or its settings.
        out: where to write ``metrics.json``; None: not written.
        options: of :func:`evaluate`.

    Raises:
        PredictionsError: with every fault of the file.
        ScantuneError: there is no such task.
    """
    if isinstance(task, str):
        metrics_module(task)
        task = importlib.import_module(f"scantune.tasks.{task}.schema").Schema()
    metrics = evaluate(read(path), task, **options)
    if out is not None:
        write_json(metrics, out)
    return metrics
