"""Whether a classifier treats groups alike: calls, errors, discrimination and calibration of each, and what differs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np

from scantune.statistics.comparison import holm
from scantune.statistics.confusion import confusion_statistic
from scantune.statistics.discrimination import area_statistic
from scantune.tasks.context import Context, Detection
from scantune.tasks.plan import MetricPlan, Result, carry_out, mean_statistic, renamed
from scantune.tasks.subgroups import difference

METRICS = ("positive_rate", "recall", "false_positive_rate", "auroc", "calibration_difference")
"""Share called positive; of the positive and of the negative; AUROC; mean probability less share that is positive."""

ODDS = ("recall", "false_positive_rate")
"""What is equal under equalized odds (Hardt, Price & Srebro, NeurIPS 2016)."""

MOST_LEVELS, MOST_CLASSES = 12, 12
"""Grouping columns with more levels are left out, and classifications with more classes."""


def section(detections: Mapping[str, Detection], context: Context) -> dict[str, Any]:
    """Metrics of each level of each grouping column, and the largest difference between two levels of each.

    Levels with fewer subjects than ``min_group`` are left out. The intervals of the differences hold together, for all
    pairs of levels of a column (Bonferroni); ``p_holm`` is adjusted for the columns, classes and metrics too.

    Args:
        detections: by class: the positive one where there are two, else each against the rest; or each finding.
        context: of the table.

    Returns:
        By column ``levels`` and ``differences``; of several detections, by ``by_class`` and their name.
    """
    if len(detections) > MOST_CLASSES:
        return {}
    parts: dict[tuple[str, str], dict[str, Any]] = {}
    for column, of_row in context.labels.items():
        for name, detection in detections.items():
            compared = _compared(detection, of_row, context)
            if compared is not None:
                parts[column, name] = compared
    tests = {(*key, m): entry for key, part in parts.items() for m, entry in part["differences"].items()}
    adjusted = holm({"\n".join(key): entry["p_value"] for key, entry in tests.items()})
    for key, entry in tests.items():
        entry["p_holm"] = adjusted["\n".join(key)]
    sections: dict[str, Any] = {}
    for (column, name), part in parts.items():
        if len(detections) == 1:
            sections[column] = part
        else:
            sections.setdefault(column, {"by_class": {}})["by_class"][name] = part
    return sections


def _compared(detection: Detection, of_row: np.ndarray, context: Context) -> dict[str, Any] | None:
    """One detection in the levels of one column; None where fewer than two are large enough, or there are many."""
    rows = detection.rows
    names = sorted(set(of_row[rows].tolist()))
    parts = {name: rows[of_row[rows] == name] for name in names}
    sizes = {name: context.resampler.count(part) for name, part in parts.items()}
    parts = {name: part for name, part in parts.items() if sizes[name] >= context.min_group}
    if not 1 < len(parts) <= MOST_LEVELS:
        return None
    plans = [_plan(detection, part) for part in parts.values()]
    results = dict(zip(parts, carry_out(plans, context.resampler, context.confidence), strict=True))
    pairs = list(itertools.combinations(parts, 2))
    simultaneous = 1 - (1 - context.confidence) / len(pairs)
    wider = dict(zip(parts, carry_out(plans, context.resampler, simultaneous), strict=True)) if pairs[1:] else results
    apart = {pair: context.resampler.apart(parts[pair[0]], parts[pair[1]]) for pair in pairs}
    return {
        "levels": {name: result.figures for name, result in results.items()},
        "differences": _differences(wider, apart, simultaneous),
    }


def _plan(detection: Detection, rows: np.ndarray) -> MetricPlan:
    p, positive, called = (v[rows] for v in (detection.probability, detection.positive, detection.called))
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


def _differences(
    results: Mapping[str, Result], apart: Mapping[tuple[str, str], bool], simultaneous: float
) -> dict[str, Any]:
    """The largest difference of each metric between two levels.

    Args:
        results: of each level, with intervals at the level ``simultaneous``.
        apart: pair of levels to whether they have no subject in common.
        simultaneous: level of each of the intervals that hold together.
    """
    pairs = list(apart)
    differences: dict[str, Any] = {}
    for metric in METRICS:
        of_pairs = {
            (one, other): difference(results[one], results[other], metric, simultaneous, apart[one, other])
            for one, other in pairs
        }
        defined = {pair: (value, bounds) for pair, (value, bounds) in of_pairs.items() if value is not None}
        if not defined:
            continue
        pair = max(defined, key=lambda one: abs(defined[one][0]))
        value, interval = defined[pair]
        p = None if interval.p_value is None else min(1.0, interval.p_value * len(pairs))
        differences[metric] = {
            "value": value,
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
