"""Whether a classifier treats groups alike: calls, errors, discrimination and calibration of each, and what differs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from scantune.statistics.comparison import holm
from scantune.statistics.confusion import confusion_statistic
from scantune.statistics.discrimination import area_statistic
from scantune.statistics.estimate import number
from scantune.statistics.intervals import difference_interval
from scantune.tasks.classification.metrics import Data
from scantune.tasks.context import Context
from scantune.tasks.plan import MetricPlan, Result, carry_out, mean_statistic, renamed

METRICS = ("positive_rate", "recall", "false_positive_rate", "auroc", "calibration_difference")
"""Share called positive; of the positive and of the negative; AUROC; mean probability less share that is positive."""

ODDS = ("recall", "false_positive_rate")
"""What is equal under equalized odds (Hardt, Price & Srebro, NeurIPS 2016)."""


def section(data: Data, context: Context) -> dict[str, Any]:
    """Metrics of each level of each grouping column, and the largest difference between two levels of each.

    Levels with fewer subjects than ``min_group`` are left out. The intervals of the differences hold together, for all
    pairs of levels of a column (Bonferroni); ``p_holm`` is adjusted for the columns and metrics too.
    """
    sections: dict[str, Any] = {}
    for column, of_row in context.labels.items():
        names = sorted(set(of_row[context.rows].tolist()))
        parts = {name: context.rows[of_row[context.rows] == name] for name in names}
        parts = {name: rows for name, rows in parts.items() if context.resampler.count(rows) >= context.min_group}
        if not 1 < len(parts) <= 12:
            continue
        plans = [_plan(data, rows) for rows in parts.values()]
        results = dict(zip(parts, carry_out(plans, context.resampler, context.confidence), strict=True))
        sizes = {name: context.resampler.count(rows) for name, rows in parts.items()}
        sections[column] = {
            "levels": {name: result.figures for name, result in results.items()},
            "differences": _differences(results, sizes, context.confidence),
        }
    tests = {(c, m): entry["p_value"] for c, part in sections.items() for m, entry in part["differences"].items()}
    adjusted = holm({f"{c}\n{m}": p for (c, m), p in tests.items()})
    for column, metric in tests:
        sections[column]["differences"][metric]["p_holm"] = adjusted[f"{column}\n{metric}"]
    return sections


def _plan(data: Data, rows: np.ndarray) -> MetricPlan:
    p, positive = data.probabilities[rows, data.positive], data.target[rows] == data.positive
    called = data.prediction[rows] == data.positive
    calls = confusion_statistic(positive.astype(np.int64), called.astype(np.int64), ("no", "yes"), rows, 1)
    false = confusion_statistic((~positive).astype(np.int64), called.astype(np.int64), ("no", "yes"), rows, 1)
    means = {"positive_rate": called.astype(np.float64), "calibration_difference": p - positive}
    statistics = [
        mean_statistic(means, rows, {"positive_rate": "share", "calibration_difference": "real"}),
        renamed(calls, {"recall": "recall"}),
        renamed(false, {"recall": "false_positive_rate"}),
        renamed(area_statistic(p, positive, rows), {"auroc": "auroc"}),
    ]
    absent = "undefined: the level has no {} sample"
    reasons = {"recall": absent.format("positive"), "false_positive_rate": absent.format("negative")}
    return MetricPlan(statistics, reasons=reasons | {"auroc": "undefined: the level has one class only"})


def _differences(results: Mapping[str, Result], sizes: Mapping[str, int], confidence: float) -> dict[str, Any]:
    pairs = list(itertools.combinations(results, 2))
    simultaneous = 1 - (1 - confidence) / len(pairs)
    differences: dict[str, Any] = {}
    for metric in METRICS:
        of_pairs = [
            (pair, results[pair[0]].distributions[metric].minus(results[pair[1]].distributions[metric]))
            for pair in pairs
        ]
        defined = [(pair, d) for pair, d in of_pairs if number(d.value) is not None]
        if not defined:
            continue
        pair, largest = max(defined, key=lambda item: abs(item[1].value))
        interval = difference_interval(largest, min(sizes[name] for name in pair), simultaneous)
        p = None if interval.p_value is None else min(1.0, interval.p_value * len(pairs))
        differences[metric] = {
            "value": largest.value,
            "lower": interval.lower,
            "upper": interval.upper,
            "method": interval.method
            and f"{interval.method}; {100 * simultaneous:.4g} %, for all {len(pairs)} pairs of levels",
            "reason": interval.reason,
            "levels": list(pair),
            "p_value": p,
        }
    odds = [differences[name] for name in ODDS if name in differences]
    if odds:
        widest = max(odds, key=lambda entry: abs(entry["value"]))
        differences["equalized_odds"] = {**widest, "p_value": None}  # one of the two above, tested there
    return differences
