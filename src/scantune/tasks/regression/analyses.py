"""Additional analyses of a regression: conformal intervals, the model beside human readers, baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from scantune.amounts import number_of
from scantune.statistics import baselines, conformal
from scantune.statistics.estimate import Estimate, undefined
from scantune.statistics.reliability import icc, icc_statistic
from scantune.tasks.baselining import Unfitted
from scantune.tasks.context import Analyses, Context
from scantune.tasks.coverage import achieved
from scantune.tasks.plan import MetricPlan
from scantune.tasks.predictions import Faults, PredictionTable
from scantune.tasks.regression.metrics import Data, Several, plan

COVERAGE = ("conformal_coverage", "conformal_width")
_OF_A_PAIR = (
    *("mae", "icc_2_1", "ccc", "pearson_r", "bland_altman_bias", "bland_altman_sd"),
    *("bland_altman_lower", "bland_altman_upper"),
)


def run(data: Data | Several, context: Context) -> Analyses:
    """Conformal intervals, stated intervals, readers; of several targets those of each, on the rows that have it.

    The intervals are those that the table states where it is known how they were fitted. Else they are fitted here,
    scaled by ``prediction_sd`` where the table has one and no bounds of its own.
    """
    out = Analyses()
    for suffix, one in data.parts.items():
        of_it = replace(context, rows=one.known(context.rows), fitted_on=one.known(context.fitted_on))
        if suffix:
            of_it = replace(of_it, served=_served(context.served, one.name))
        _join(out, _of_one(one, of_it), suffix)
    return out


def _served(served: Mapping[str, Any] | None, name: str) -> dict[str, Any] | None:
    """What the model was fitted with, for one among several targets."""
    return None if served is None else {**served, "conformal": (served.get("conformal") or {}).get(name)}


def _join(out: Analyses, part: Analyses, suffix: str) -> None:
    """Adds the analyses of a target; sections of several targets have one below each name in ``targets``."""
    out.figures |= {f"{name}{suffix}": figure for name, figure in part.figures.items()}
    for column, levels in part.subgroups.items():
        for level, figures in levels.items():
            out.by_level(column, level, {f"{name}{suffix}": figure for name, figure in figures.items()})
    for name, section in part.sections.items():
        if suffix:
            out.sections.setdefault(name, {"targets": {}})["targets"][suffix[1:]] = section
        else:
            out.sections[name] = section


def _of_one(data: Data, context: Context) -> Analyses:
    out = Analyses()
    if data.settings.significant_error is not None:
        out.sections["significant_error"] = {"above": data.settings.significant_error, "unit": data.settings.unit}
    if not len(context.rows):
        return out
    bounds = _bounds(data, context.table)
    scale = _column(context.table, f"prediction_sd{data.suffix}") if bounds is None else None
    scores = conformal.interval_scores(data.target, data.prediction, scale)

    def measure(rows: np.ndarray, quantiles: np.ndarray) -> dict[str, np.ndarray]:
        lower, upper = conformal.intervals(data.prediction[rows], quantiles, None if scale is None else scale[rows])
        inside = (data.target[rows] >= lower - 1e-12) & (data.target[rows] <= upper + 1e-12)
        return dict(zip(COVERAGE, (inside.astype(np.float64), upper - lower)))

    coverage = None
    if bounds is not None:
        inside = (data.target >= bounds[0] - 1e-12) & (data.target <= bounds[1] + 1e-12)
        coverage = dict(zip(COVERAGE, (inside.astype(np.float64), bounds[1] - bounds[0])))
    achieved(context, scores, measure, COVERAGE, out, coverage)
    section = _stated(data, context)
    if section:
        out.sections["stated_intervals"] = section
    readers = _readers(data, context)
    if readers:
        out.sections["raters"] = readers
    return out


def _column(table: PredictionTable, name: str) -> np.ndarray | None:
    if name not in table:
        return None
    values = table.numbers(name, Faults())
    return values if np.isfinite(values).all() and (values > 0).all() else None


def _ends(data: Data) -> tuple[str, str]:
    """Columns with the bounds of the intervals."""
    return f"lower{data.suffix}", f"upper{data.suffix}"


def _bounds(data: Data, table: PredictionTable) -> tuple[np.ndarray, np.ndarray] | None:
    """``lower`` and ``upper`` of every row, where the table has them all."""
    if any(name not in table for name in _ends(data)):
        return None
    lower, upper = (table.numbers(name, Faults()) for name in _ends(data))
    return (lower, upper) if np.isfinite(lower).all() and np.isfinite(upper).all() else None


def _stated(data: Data, context: Context) -> dict[str, Estimate]:
    """Coverage and width of the intervals that the file itself states (``lower``, ``upper``)."""
    if any(name not in context.table for name in _ends(data)):
        return {}
    lower, upper = (context.table.numbers(c, Faults())[context.rows] for c in _ends(data))
    target = data.target[context.rows]
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        reason = "a bound is not a finite number"
        return {"coverage": undefined(reason, len(target)), "width": undefined(reason, len(target))}
    inside = ((target >= lower) & (target <= upper)).astype(np.float64)
    return context.means(
        {"coverage": inside, "width": upper - lower}, context.rows, {"coverage": "share", "width": "positive"}
    )


def _raters(data: Data, table: PredictionTable) -> dict[str, str]:
    """Reader to column: ``rater/<reader>``, of one among several targets ``rater/<reader>_<target>``."""
    end = f"_{data.name}" if data.suffix else ""
    named = [c for c in table.columns if c.startswith("rater/") and c.endswith(end)]
    return {c.removeprefix("rater/").removesuffix(end): c for c in named}


def _readers(data: Data, context: Context) -> dict[str, object]:
    """Each pair of model, target and readers on the rows that both have read, and the ICC of all."""
    columns = _raters(data, context.table)
    if not columns:
        return {}
    sides = {"model": data.prediction, "target": data.target}
    sides |= {name: context.table.numbers(c, Faults()) for name, c in columns.items()}
    pairs: dict[str, object] = {}
    for first, second in combinations(sides, 2):
        both = context.rows[np.isfinite(sides[first][context.rows]) & np.isfinite(sides[second][context.rows])]
        name = f"{first} − {second}"
        if len(both) < 3:
            pairs[name] = {
                k: undefined(f"{number_of(len(both), 'sample was', 'samples were')} read by both", len(both))
                for k in _OF_A_PAIR
            }
            continue
        pair = Data(sides[second], sides[first], data.subjects, data.settings)
        estimates = context.figures(plan(pair, both, confidence=context.confidence))
        pairs[name] = {k: estimates[k] for k in _OF_A_PAIR}
    return {"difference": "first − second", "pairs": pairs} | _all_readers(sides, columns, context)


def _of_independent(ratings: np.ndarray, confidence: float) -> Estimate:
    """ICC(2,1) of ratings [n, k] of one sample a subject."""
    n, agreement = len(ratings), icc(ratings, confidence)["icc_2_1"]
    if not np.isfinite(agreement.value):
        return undefined("undefined: the ratings do not vary", n, n)
    if not np.isfinite([agreement.lower, agreement.upper]).all():
        return Estimate(agreement.value, n=n, n_subjects=n, reason="no interval: the raters differ by a constant alone")
    return Estimate(agreement.value, agreement.lower, agreement.upper, "F (Shrout & Fleiss)", n, n)


_CONSTANT = dict.fromkeys(("icc_2_1_readers", "icc_2_1_readers_and_model"), "undefined: the ratings do not vary")


def _all_readers(sides: dict[str, np.ndarray], columns: dict[str, str], context: Context) -> dict[str, object]:
    out: dict[str, object] = {}
    rows, confidence = context.rows, context.confidence
    for label, names in (("readers", list(columns)), ("readers_and_model", [*columns, "model"])):
        ratings = np.stack([sides[n][rows] for n in names], axis=1)
        read = np.isfinite(ratings).all(1)
        complete = ratings[read]
        if len(names) < 2 or len(complete) < 5:
            out[f"icc_2_1_{label}"] = undefined("fewer than 2 readers, or 5 samples read by all", len(complete))
            continue
        if not context.resampler.independent(rows[read]):
            out |= context.figures(
                MetricPlan([icc_statistic(complete, rows[read], f"icc_2_1_{label}")], reasons=_CONSTANT)
            )
            continue
        out[f"icc_2_1_{label}"] = _of_independent(complete, confidence)
    return out


def baseline_columns(
    train: PredictionTable, x: np.ndarray, new: np.ndarray, data: Data | Several
) -> dict[str, dict[str, np.ndarray]]:
    """Predictions of each target's mean and of a linear model on covariates x [n, q], for rows new [m, q]."""
    out: dict[str, dict[str, np.ndarray]] = {}
    for suffix in data.parts:
        if f"target{suffix}" not in train:
            return {}
        target = train.numbers(f"target{suffix}", Faults())
        known = np.isfinite(target)
        if not known.any():
            raise Unfitted(f"{suffix.removeprefix('/') or 'the target'}: unknown in every training sample")
        out.setdefault("mean", {})[f"prediction{suffix}"] = np.full(len(new), target[known].mean())
        if x.shape[1]:
            prediction = baselines.linear(x[known], target[known], new)
            out.setdefault("covariates", {})[f"prediction{suffix}"] = prediction
    return out
