"""Confounders: whether a grouping column alone predicts the target, and the model's metric within its levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scantune.statistics.estimate import Estimate, number
from scantune.statistics.intervals import interval_of
from scantune.statistics.pooled import weighted_mean
from scantune.statistics.resampling import Resampler
from scantune.tasks.plan import carry_out
from scantune.tasks.predictions import PredictionTable

METRICS = {
    "auroc": (0.5, "unit"),
    "concordance_harrell": (0.5, "unit"),
    "r2": (0.0, "below_one"),
    "kappa_quadratic": (0.0, "kappa"),
}
"""Metric to its value by chance, and the kind of its interval."""
_UNSTABLE = "no interval: without one of its subjects a level has no value"
MAX_LEVELS = 10

#: From a grouping column to the predictions of a simple model on it alone, for the tested rows; None without any.
Alone = Callable[[str], PredictionTable | None]


def confounders(
    module: Any,
    data: Any,
    rows: np.ndarray,
    labels: Mapping[str, np.ndarray],
    resampler: Resampler,
    *,
    confidence: float,
    alone: Alone,
    score: Callable[[PredictionTable], Mapping[str, Estimate]],
) -> dict[str, Any]:
    """For each grouping column what it predicts alone, and the model's metric within its levels and pooled over them.

    Args:
        module: the task's ``metrics`` module.
        data: the model's predictions, as the module read them.
        rows: int [n], the tested rows.
        labels: column to the level of each row of the table, [N].
        resampler: draws of subjects.
        confidence: level of the intervals.
        alone: predictions from one column alone.
        score: headline metrics of such predictions.

    Returns:
        Column to ``metric``, ``chance``, ``alone``, ``predicts`` (the interval of ``alone`` lies above chance),
        ``model``, ``within`` (level to metric) and ``pooled`` over the levels in which it is defined, each weighted by
        its share of the rows; ``undefined`` lists the other levels. Empty for a task without such a metric.
    """
    name = next((metric for metric in METRICS if metric in module.headline_names(data)), None)
    if name is None:
        return {}
    chance, kind = METRICS[name]
    model = carry_out([module.plan(data, rows, headline=True, confidence=confidence)], resampler, confidence)[0]
    out: dict[str, Any] = {}
    for column, of_row in labels.items():
        table = alone(column)
        if table is None or name not in (figures := score(table)):
            continue
        figure = figures[name]
        entry: dict[str, Any] = {"metric": name, "chance": chance, "alone": figure, "model": model.figures[name]}
        entry["predicts"] = figure.lower is not None and figure.lower > chance
        out[column] = entry | _within(module, data, rows, of_row, resampler, name, kind, confidence)
    return out


def _within(
    module: Any,
    data: Any,
    rows: np.ndarray,
    of_row: np.ndarray,
    resampler: Resampler,
    name: str,
    kind: str,
    confidence: float,
) -> dict[str, Any]:
    """The metric in each level of a column, and pooled over them; nothing where there are too many."""
    levels = sorted(set(of_row[rows].tolist()))
    if not 1 < len(levels) <= MAX_LEVELS:
        return {}
    parts = [rows[of_row[rows] == level] for level in levels]
    plans = [module.plan(data, part, headline=True, paired=True, confidence=confidence) for part in parts]
    results = dict(zip(levels, carry_out(plans, resampler, confidence), strict=True))
    sizes = dict(zip(levels, map(len, parts), strict=True))
    section: dict[str, Any] = {"within": {level: result.figures[name] for level, result in results.items()}}
    defined = [
        level
        for level, result in results.items()
        if name in result.distributions and number(result.distributions[name].value) is not None
    ]
    if len(defined) < 2:
        return section
    inside = np.concatenate([part for level, part in zip(levels, parts, strict=True) if level in defined])
    mean = weighted_mean([results[level].distributions[name] for level in defined], [sizes[level] for level in defined])
    n_subjects = resampler.count(inside)
    interval = interval_of(mean, kind, n_subjects, confidence)
    section["pooled"] = Estimate(mean.value, n=len(inside), n_subjects=n_subjects, reason=_UNSTABLE)
    if interval is not None:
        section["pooled"] = replace(
            section["pooled"],
            lower=interval.lower,
            upper=interval.upper,
            method=interval.method,
            reason=None if interval.method else interval.reason or _UNSTABLE,
        )
    undefined = [level for level in levels if level not in defined]
    return section | ({"undefined": undefined} if undefined else {})
