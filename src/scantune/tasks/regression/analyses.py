"""Beyond a regression's figures: conformal intervals, the model beside human readers, baselines."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from scantune.statistics import baselines, conformal
from scantune.statistics.figure import Figure, undefined
from scantune.statistics.reliability import icc
from scantune.tasks.context import Context, Further
from scantune.tasks.coverage import achieved
from scantune.tasks.predictions import Faults, PredictionTable
from scantune.tasks.regression.metrics import Data, plan

COVERAGE = ("conformal_coverage", "conformal_width")
_OF_A_PAIR = (
    *("mae", "icc_2_1", "ccc", "pearson_r", "bland_altman_bias", "bland_altman_sd"),
    *("bland_altman_lower", "bland_altman_upper"),
)


def further(data: Data, context: Context) -> Further:
    """Conformal intervals, stated intervals, readers.

    The intervals are those that the table states where it is known how they were fitted. Else they are fitted here,
    scaled by ``prediction_sd`` where the table has one and no bounds of its own.
    """
    out = Further()
    bounds = _bounds(context.table)
    scale = _column(context.table, "prediction_sd") if bounds is None else None
    scores = conformal.interval_scores(data.target, data.prediction, scale)

    def measure(rows: np.ndarray, quantiles: np.ndarray) -> dict[str, np.ndarray]:
        lower, upper = conformal.intervals(data.prediction[rows], quantiles, None if scale is None else scale[rows])
        inside = (data.target[rows] >= lower - 1e-12) & (data.target[rows] <= upper + 1e-12)
        return dict(zip(COVERAGE, (inside.astype(np.float64), upper - lower)))

    own = None
    if bounds is not None:
        inside = (data.target >= bounds[0] - 1e-12) & (data.target <= bounds[1] + 1e-12)
        own = dict(zip(COVERAGE, (inside.astype(np.float64), bounds[1] - bounds[0])))
    achieved(context, scores, measure, COVERAGE, out, own)
    stated = _stated(data, context)
    if stated:
        out.sections["stated_intervals"] = stated
    readers = _readers(data, context)
    if readers:
        out.sections["raters"] = readers
    return out


def _column(table: PredictionTable, name: str) -> np.ndarray | None:
    if name not in table:
        return None
    values = table.numbers(name, Faults())
    return values if np.isfinite(values).all() and (values > 0).all() else None


def _bounds(table: PredictionTable) -> tuple[np.ndarray, np.ndarray] | None:
    """``lower`` and ``upper`` of every row, where the table has them all."""
    if "lower" not in table or "upper" not in table:
        return None
    lower, upper = (table.numbers(name, Faults()) for name in ("lower", "upper"))
    return (lower, upper) if np.isfinite(lower).all() and np.isfinite(upper).all() else None


def _stated(data: Data, context: Context) -> dict[str, Figure]:
    """Coverage and width of the intervals that the file itself states (``lower``, ``upper``)."""
    if "lower" not in context.table or "upper" not in context.table:
        return {}
    lower, upper = (context.table.numbers(c, Faults())[context.rows] for c in ("lower", "upper"))
    target = data.target[context.rows]
    if not (np.isfinite(lower).all() and np.isfinite(upper).all()):
        reason = "a bound is not a finite number"
        return {"coverage": undefined(reason, len(target)), "width": undefined(reason, len(target))}
    inside = ((target >= lower) & (target <= upper)).astype(np.float64)
    return context.means(
        {"coverage": inside, "width": upper - lower}, context.rows, {"coverage": "share", "width": "positive"}
    )


def _readers(data: Data, context: Context) -> dict[str, object]:
    """Each pair of model, target and readers on the rows that both have read, and the ICC of all."""
    columns = {c.removeprefix("rater/"): c for c in context.table.columns if c.startswith("rater/")}
    if not columns:
        return {}
    sides = {"model": data.prediction, "target": data.target}
    sides |= {name: context.table.numbers(c, Faults()) for name, c in columns.items()}
    pairs: dict[str, object] = {}
    for first, second in combinations(sides, 2):
        both = context.rows[np.isfinite(sides[first][context.rows]) & np.isfinite(sides[second][context.rows])]
        name = f"{first} − {second}"
        if len(both) < 3:
            pairs[name] = {k: undefined(f"{len(both)} samples were read by both", len(both)) for k in _OF_A_PAIR}
            continue
        pair = Data(sides[second], sides[first], data.subjects, data.settings)
        found = context.figures(plan(pair, both, confidence=context.confidence))
        pairs[name] = {k: found[k] for k in _OF_A_PAIR}
    return {"difference": "first − second", "pairs": pairs} | _all_readers(sides, columns, context)


def _all_readers(sides: dict[str, np.ndarray], columns: dict[str, str], context: Context) -> dict[str, object]:
    out: dict[str, object] = {}
    rows, confidence = context.rows, context.confidence
    for label, names in (("readers", list(columns)), ("readers_and_model", [*columns, "model"])):
        ratings = np.stack([sides[n][rows] for n in names], axis=1)
        complete = ratings[np.isfinite(ratings).all(1)]
        if len(names) < 2 or len(complete) < 5:
            out[f"icc_2_1_{label}"] = undefined("fewer than 2 readers, or 5 samples read by all", len(complete))
            continue
        found = icc(complete, confidence)["icc_2_1"]
        method = "F (Shrout & Fleiss), samples taken as independent"
        out[f"icc_2_1_{label}"] = Figure(found.value, found.lower, found.upper, method, len(complete), len(complete))
    return out


def baseline_columns(
    train: PredictionTable, x: np.ndarray, new: np.ndarray, data: Data
) -> dict[str, dict[str, np.ndarray]]:
    """Predictions of the mean and of a linear model on covariates x [n, q], for rows new [m, q]."""
    target = train.numbers("target", Faults())
    known = np.isfinite(target)
    if not known.any():
        return {}
    out = {"mean": {"prediction": np.full(len(new), target[known].mean())}}
    if x.shape[1]:
        out["covariates"] = {"prediction": baselines.linear(x[known], target[known], new)}
    return out
