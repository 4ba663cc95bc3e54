"""Metrics by sex, age band, site, scanner or score range: each level, its interval, its gap to the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scantune.statistics.comparison import holm
from scantune.statistics.estimate import Estimate, number
from scantune.statistics.intervals import difference_interval, difference_of_groups
from scantune.statistics.resampling import Interval, Resampler
from scantune.tasks import catalogue
from scantune.tasks.levels import level as level_of
from scantune.tasks.plan import MetricPlan, Result, carry_out
from scantune.tasks.predictions import PredictionTable

MAX_LEVELS = 30

_OWN = re.compile(
    r"^(sample_id|subject_id|split|fold|distance|answered|mask|(target|prediction|prediction_sd|lower|upper|set)(/.*)?|"
    r"(p|logit|rater)/.*|saliency.*)$",
    re.DOTALL,  # a class may have a line break in its name
)
#: What ``scantune predict`` has beside them: the names of files are in no metrics.json.
_OF_PREDICT = re.compile(r"^(file|reason|note|(report|mask|map)(_reason)?|image_(mean|sd|min|max))$")


def grouping_columns(table: PredictionTable) -> list[str]:
    """The columns that belong to no task: what samples may be grouped by."""
    of_predict = "file" in table.columns and "reason" in table.columns
    return [c for c in table.columns if not (is_own(c) or (of_predict and _OF_PREDICT.match(c)))]


def is_own(column: str) -> bool:
    """Whether a column of a predictions file belongs to it by its name: ids, partition, targets, predictions, masks'
    metrics, readers, and what a task calls its own."""
    of_tasks = {name for task in catalogue.names() for name in catalogue.part(task, "settings").Settings.own_columns}
    return _OWN.match(column) is not None or column.partition("/")[0] in of_tasks


def levels(table: PredictionTable, columns: Sequence[str], bands: Sequence[float]) -> dict[str, np.ndarray]:
    """Each column's level of every row, text [N]; ages in bands, empty cells ``unknown``."""
    out: dict[str, np.ndarray] = {}
    for column in columns:
        out[column] = np.array([level_of(column, text, bands) for text in table.text(column)], dtype=object)
    return out


def figures(
    task: Any,
    data: Any,
    rows: np.ndarray,
    labels: Mapping[str, np.ndarray],
    resampler: Resampler,
    *,
    confidence: float,
    min_group: int,
    least: int = 1,
) -> dict[str, dict[str, dict[str, Estimate]]]:
    """Every headline metric by column and level.

    Each has ``gap``: its difference to the rest of the rows, with an interval and a p-value, and ``small`` where
    the level has fewer subjects than ``min_group``.

    Args:
        task: the task's ``metrics`` module.
        data: what its ``parse`` returned.
        rows: int [n], the rows that count.
        labels: column to the level of each row of the table, [N].
        resampler: draws of subjects.
        confidence: level of the intervals.
        min_group: fewest subjects of a level that is not small.
        least: levels with fewer subjects are left out.
    """
    levels: list[tuple[str, str]] = []
    plans: list[MetricPlan] = []
    for column, of_row in labels.items():
        names = sorted(set(of_row[rows].tolist()))
        if not 1 < len(names) <= MAX_LEVELS:
            continue
        for level in names:
            inside = of_row[rows] == level
            if resampler.count(rows[inside]) < least:
                continue
            levels.append((column, level))
            plans += [
                task.plan(data, part, headline=True, paired=True, confidence=confidence)
                for part in (rows[inside], rows[~inside])
            ]
    results = carry_out(plans, resampler, confidence)
    out: dict[str, dict[str, dict[str, Estimate]]] = {}
    for i, (column, level) in enumerate(levels):
        inside = labels[column][rows] == level
        apart = resampler.apart(rows[inside], rows[~inside])
        gaps = _with_gaps(results[2 * i], results[2 * i + 1], confidence, min_group, apart)
        out.setdefault(column, {})[level] = gaps
    return out


def left_out(labels: Mapping[str, np.ndarray], rows: np.ndarray) -> dict[str, dict[str, str]]:
    """``subgroups_left_out``: column → why there are no subgroups by it; without the key where all have some.

    Args:
        labels: column to the level of each row of the table, [N].
        rows: int [n], the rows that count.
    """
    reasons = {}
    for column, of_row in labels.items():
        names = sorted(set(of_row[rows].tolist()))
        if len(names) > MAX_LEVELS:
            reasons[column] = f"{len(names)} levels, more than {MAX_LEVELS}"
        elif len(names) == 1:
            reasons[column] = f"every sample has the level {names[0]}"
    return {"subgroups_left_out": reasons} if reasons else {}


def difference(one: Result, other: Result, name: str, confidence: float, apart: bool) -> tuple[float | None, Interval]:
    """A metric of some rows less that of others, and its interval.

    Args:
        one: of the rows.
        other: of the others.
        name: of the metric.
        confidence: level, of the intervals of both too.
        apart: no subject has rows in both.
    """
    paired = one.distributions[name].minus(other.distributions[name])
    sides = one.figures[name], other.figures[name]
    if apart:
        return number(paired.value), difference_of_groups(*sides, confidence)
    return number(paired.value), difference_interval(paired, min(side.n_subjects for side in sides), confidence)


def _with_gaps(inside: Result, outside: Result, confidence: float, min_group: int, apart: bool) -> dict[str, Estimate]:
    out: dict[str, Estimate] = {}
    for name, figure in inside.figures.items():
        rest = outside.figures[name]
        gap: dict[str, Any] = {"value": None, "lower": None, "upper": None, "reason": figure.reason or rest.reason}
        if name in inside.distributions and name in outside.distributions:
            value, interval = difference(inside, outside, name, confidence, apart)
            reason = interval.reason if value is not None else gap["reason"]
            gap = {
                "value": value,
                "lower": interval.lower,
                "upper": interval.upper,
                "method": interval.method,
                "reason": reason,
                "p_value": interval.p_value,
            }
        out[name] = figure.with_more(gap=gap, small=figure.n_subjects < min_group)
    return out


def adjusted(by_group: Mapping[str, Mapping[str, Mapping[str, Estimate]]]) -> dict[str, dict[str, dict[str, Estimate]]]:
    """The figures with ``p_holm`` in each gap: its p-value adjusted for all gaps of that metric (Holm).

    The two levels of a column with two have the same gap, which counts once.
    """
    out = {column: {level: dict(figures) for level, figures in levels.items()} for column, levels in by_group.items()}
    p_values: dict[str, dict[str, float | None]] = {}
    places: list[tuple[str, str, str, str]] = []
    for column, levels in out.items():
        for level, figures in levels.items():
            test = column if len(levels) == 2 else f"{column}\n{level}"
            for name, figure in figures.items():
                if "gap" in figure.more:
                    p_values.setdefault(name, {})[test] = figure.more["gap"].get("p_value")
                    places.append((column, level, name, test))
    corrected = {name: holm(tests) for name, tests in p_values.items()}
    for column, level, name, test in places:
        figure = out[column][level][name]
        out[column][level][name] = figure.with_more(gap=figure.more["gap"] | {"p_holm": corrected[name][test]})
    return out
