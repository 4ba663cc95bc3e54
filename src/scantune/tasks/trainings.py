"""Several trainings of two experiments on the same test subjects: is one better, on average over trainings?

A test of two single models says nothing about the experiments that they came from: the same experiment trained again
is another model. Here each side is the mean of a metric over its trainings, and the standard error of their difference
has two parts: the subjects, by the jackknife of the mean difference, and the trainings, by the variance of the metric
among those of each side (Bouthillier et al., Accounting for Variance in Machine Learning Benchmarks, MLSys 2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from scantune.amounts import number_of
from scantune.records import ScantuneError
from scantune.statistics.comparison import holm
from scantune.statistics.distributions import t_quantile, t_two_sided
from scantune.statistics.estimate import jsonable
from scantune.statistics.intervals import difference_interval
from scantune.statistics.resampling import Distribution
from scantune.tasks.comparing import ComparisonError, no_difference, sides_of
from scantune.tasks.custom import metrics_of
from scantune.tasks.foreign import load
from scantune.tasks.plan import Result, carry_out
from scantune.tasks.predictions import PredictionsError, PredictionTable
from scantune.tasks.scoring import resampler_of

METHOD = "jackknife by subject and variance among trainings, Student's t"


def predictions_in(folder: Path) -> list[Path]:
    """The files ``predictions.csv`` at any depth of a folder, sorted by path.

    Raises:
        ScantuneError: there are fewer than two.
    """
    files = sorted(folder.rglob("predictions.csv"))
    if len(files) < 2:
        raise ScantuneError(
            f"{folder}: {number_of(len(files), 'file')} named predictions.csv; two trainings or more "
            "are needed of each side, such as `scantune seeds EXPERIMENT --keep FOLDER` writes"
        )
    return files


def compare_folders(reference: Path, challenger: Path, task: Any, **options: Any) -> dict[str, Any]:
    """:func:`compare_trainings` of the predictions below two folders."""
    tables = [[_table(path, task) for path in predictions_in(folder)] for folder in (reference, challenger)]
    return compare_trainings(tables[0], tables[1], task, **options)


def _table(path: Path, task: Any) -> PredictionTable:
    """The predictions of one training, with the path as its name: all files have one name."""
    try:
        return replace(load(path, task)[0], name=str(path))
    except PredictionsError as error:
        raise PredictionsError(f"{path.parent}: {error}") from error


def compare_trainings(
    references: Sequence[PredictionTable],
    challengers: Sequence[PredictionTable],
    task: Any,
    *,
    primary: str | None = None,
    split: str = "test",
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Challenger − reference, each the mean over its trainings, for every headline metric on the same subjects.

    Args:
        references: predictions of each training of the experiment in place, two or more.
        challengers: those of the other.
        task: settings of the task.
        primary: the prespecified primary metric; None: the task's first headline metric.
        split: the rows compared.
        confidence: level of the intervals.

    Returns:
        ``primary``, ``n``, ``n_subjects`` and ``metrics``: by name ``reference`` and ``challenger`` (``values`` of the
        trainings, their ``mean``) and ``difference`` (``value``, ``lower``, ``upper``, ``p_value``, ``p_holm``,
        ``df``, ``standard_error`` and its parts ``error_subjects`` and ``error_trainings``; or ``reason``).

    Raises:
        PredictionsError: a file has faults.
        ComparisonError: samples, subjects or targets differ, or there is no such metric.
    """
    module = metrics_of(task.name)
    results: list[list[Result]] = []
    table, resampler = references[0], None
    headline: list[str] = []
    for tables in (references, challengers):
        results.append([])
        for other in tables:
            table, (first, data) = sides_of(references[0], other, task, split)
            headline = headline or list(module.headline_names(first))
            rows = np.arange(len(table))
            resampler = resampler or resampler_of(table, rows, 0, 0)
            plan = module.plan(data, rows, headline=True, paired=True, confidence=confidence)
            results[-1] += carry_out([plan], resampler, confidence)
    assert resampler is not None
    each = [set(result.distributions) for side in results for result in side]
    names = [name for name in headline if all(name in known for known in each)]
    primary = primary or (names or headline)[0]
    if primary not in names:
        raise ComparisonError(f"primary metric {primary!r}: there are {', '.join(names) or 'none'}")
    n_subjects = resampler.n_subjects
    metrics = {name: _metric(name, results[0], results[1], n_subjects, confidence) for name in names}
    others = holm({name: entry["difference"]["p_value"] for name, entry in metrics.items() if name != primary})
    for name, entry in metrics.items():
        entry["difference"]["p_holm"] = others.get(name, entry["difference"]["p_value"])
    return jsonable(
        {
            "task": task.name,
            "n": len(table),
            "n_subjects": n_subjects,
            "difference": "mean of the challenger's trainings − mean of the reference's",
            "trainings": [len(references), len(challengers)],
            "primary": primary,
            "metrics": metrics,
        }
    )


def _metric(
    name: str, old: Sequence[Result], new: Sequence[Result], n_subjects: int, confidence: float
) -> dict[str, Any]:
    sides = [[result.distributions[name] for result in results] for results in (old, new)]
    values = [[distribution.value for distribution in side] for side in sides]
    entry: dict[str, Any] = {
        role: {"values": of_side, "mean": float(np.mean(of_side))}
        for role, of_side in zip(("reference", "challenger"), values)
    }
    difference = _mean(sides[1]).minus(_mean(sides[0]))
    if not math.isfinite(difference.value):
        return entry | {"difference": no_difference("undefined in a training")}
    by_subject = difference_interval(difference, n_subjects, confidence)
    if by_subject.error is None or by_subject.df is None:
        return entry | {"difference": no_difference(by_subject.reason) | {"value": difference.value}}
    parts = [(by_subject.error**2, by_subject.df)]
    parts += [(float(np.var(of_side, ddof=1)) / len(of_side), len(of_side) - 1) for of_side in values]
    variance = sum(part for part, _ in parts)
    error = math.sqrt(variance)
    df = variance**2 / sum(part**2 / degrees for part, degrees in parts)  # Satterthwaite, Biometrics 1946;2:110
    half = t_quantile((1 + confidence) / 2, df) * error
    return entry | {
        "difference": {
            "value": difference.value,
            "lower": difference.value - half,
            "upper": difference.value + half,
            "method": METHOD,
            "standard_error": error,
            "error_subjects": by_subject.error,
            "error_trainings": math.sqrt(variance - parts[0][0]),
            "df": df,
            "p_value": t_two_sided(difference.value / error, df),
            "reason": None,
        }
    }


def _mean(distributions: Sequence[Distribution]) -> Distribution:
    """The mean of a metric over trainings, as it is and with each subject left out."""
    groups = np.unique(np.concatenate([distribution.groups for distribution in distributions]))
    left = np.mean([distribution.without(groups) for distribution in distributions], axis=0)
    return Distribution(float(np.mean([d.value for d in distributions])), np.empty(0), left, groups)


def lines(comparison: Mapping[str, Any]) -> list[str]:
    """The comparison as a person reads it on the terminal, one line a metric."""
    text = []
    for name, entry in comparison["metrics"].items():
        d = entry["difference"]
        means = f"{entry['reference']['mean']:.4f} → {entry['challenger']['mean']:.4f}"
        if d["lower"] is None:
            text.append(f"{name}: {means}; {d['reason']}")
            continue
        adjusted = f", adjusted (Holm) {d['p_holm']:.3g}" if name != comparison["primary"] else ""
        interval = f"{d['value']:+.4f} ({d['lower']:+.4f} … {d['upper']:+.4f})"
        text.append(f"{name}: {means}, {interval}, p {d['p_value']:.3g}{adjusted}")
    return text
