"""Additional analyses of findings: curves, thresholds, calibration, findings that occur together, baselines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from scantune.statistics import baselines
from scantune.statistics import calibration as calibrations
from scantune.statistics.confusion import confusion_statistic
from scantune.statistics.discrimination import GRID, curve_statistic
from scantune.statistics.estimate import Estimate
from scantune.statistics.slope import slope_statistic
from scantune.statistics.trials import too_rare
from scantune.tasks import fairness, prevalence
from scantune.tasks.baselining import Unfitted
from scantune.tasks.context import NO_VALIDATION, Analyses, Context, Detection, band, frequent
from scantune.tasks.multilabel import calibration
from scantune.tasks.multilabel.metrics import Data
from scantune.tasks.plan import MetricPlan, only, renamed
from scantune.tasks.predictions import Faults, PredictionTable

_AT_A_POINT = ("recall", "specificity", "precision", "f1", "accuracy")


def run(data: Data, context: Context) -> Analyses:
    """All additional analyses of findings."""
    out = Analyses()
    out.sections["co_occurrence"] = co_occurrence(data, context.rows)
    out.sections["states"] = _states(data, context.rows)
    if not np.isfinite(data.probabilities[context.rows]).all():
        return out
    out.sections["curves"] = _curves(data, context)
    out.sections["operating_points"] = _operating_points(data, context)
    out.sections["calibration"] = _calibration(data, context)
    detections = {
        name: Detection(
            *(data.probabilities[:, place], data.target[:, place] == 1, data.called[:, place]),
            data.known(place, context.rows),
        )
        for place, name in enumerate(data.findings)
    }
    out.sections["fairness"] = fairness.section(detections, context)
    if data.settings.prevalences:
        out.sections["prevalence"] = prevalence.section(detections, data.settings.prevalences, context)
    return out


def co_occurrence(data: Data, rows: np.ndarray) -> dict[str, Any]:
    """Samples with each pair of findings, by the reference and as called, among those in which both are known.

    Entry [i][j] of ``target`` and ``prediction`` counts samples with both; of ``known`` those that could have both; of
    ``target_known`` and ``prediction_known`` the samples with finding i whose state of finding j is known, of which
    those with both are a share. On the diagonal stands the finding itself.
    """
    target, called = data.target[rows], data.called[rows]
    known = np.isfinite(target).astype(np.int64)
    present = (target == 1).astype(np.int64)
    positive = known * called
    return {
        "findings": data.findings,
        "target": present.T @ present,
        "prediction": positive.T @ positive,
        "known": known.T @ known,
        "target_known": present.T @ known,
        "prediction_known": positive.T @ known,
    }


def _states(data: Data, rows: np.ndarray) -> dict[str, dict[str, int]]:
    """Of each finding the samples in which it is present, absent and unknown, and those in which it is called."""
    target, called = data.target[rows], data.called[rows]
    return {
        name: {
            "present": int((target[:, k] == 1).sum()),
            "absent": int((target[:, k] == 0).sum()),
            "unknown": int(np.isnan(target[:, k]).sum()),
            "called": int(called[:, k].sum()),
        }
        for k, name in enumerate(data.findings)
    }


def _both(data: Data, place: int, rows: np.ndarray) -> np.ndarray | None:
    """The rows in which a finding is known to be present or absent; None unless both occur."""
    known = data.known(place, rows)
    positive = data.positive(place, known)
    return known if 0 < positive.sum() < len(known) else None


def _curves(data: Data, context: Context) -> dict[str, Any]:
    """ROC and precision–recall bands and reliability of the most frequent findings."""
    curves: dict[str, Any] = {}
    known = [data.known(place, context.rows) for place in range(len(data.findings))]
    counts = np.array([data.positive(place, rows).sum() for place, rows in enumerate(known)])
    for place in frequent(counts):
        name, rows = data.findings[place], _both(data, place, context.rows)
        if rows is None:
            continue
        score, positive = data.probabilities[rows, place], data.positive(place, rows)
        estimates = context.figures(MetricPlan([curve_statistic(score, positive, rows)], curve=True))
        curves[f"roc/{name}"] = band(estimates, "tpr", np.linspace(0, 1, GRID), "false_positive_rate")
        curves[f"precision_recall/{name}"] = band(estimates, "precision", np.linspace(0, 1, GRID), "recall")
        curves[f"reliability/{name}"] = vars(calibrations.reliability(score, positive))
    return curves


def _operating_points(data: Data, context: Context) -> list[dict[str, Any]]:
    """The threshold of each finding, and what its calls reach on the tested rows."""
    served = (context.served or {}).get("thresholds")
    chosen_on = (context.served or {}).get("fitted_on") or "validation"
    limits: Mapping[str, float] = served or data.thresholds
    points: list[dict[str, Any]] = []
    for place, name in enumerate(data.findings):
        rows = data.known(place, context.rows)
        if not served and not len(context.fitted_on):
            chosen_on = "stated"
        positive, called = data.positive(place, rows).astype(np.int64), data.called[rows, place].astype(np.int64)
        if not len(rows):
            points.append({"name": name, "threshold": None, "reason": f"{name} is unknown in every sample"})
            continue
        statistic = confusion_statistic(positive, called, ("absent", "present"), rows, 1)
        estimates = context.figures(MetricPlan([only(statistic, _AT_A_POINT)]))
        points.append({"name": name, "threshold": limits.get(name), "chosen_on": chosen_on, "figures": estimates})
    return points


def _calibration(data: Data, context: Context) -> dict[str, Any]:
    """Each finding's Brier score, calibration error, slope and intercept, as given and before calibration."""
    section: dict[str, Any] = {"as_given": _calibrated(data, context)}
    served = (context.served or {}).get("fitted_on")
    if served is not None:
        section["fitted_on"] = served
    before = calibration.undone(context.calibrated_by, data.probabilities, data.findings)
    if before is not None:
        section |= {
            "applied": context.calibrated_by,
            "network": {"figures": _calibrated(replace(data, probabilities=before), context)},
        }
    if served is None and not len(context.fitted_on):
        section["reason"] = NO_VALIDATION
    return section


def _calibrated(data: Data, context: Context) -> dict[str, Estimate]:
    estimates: dict[str, Estimate] = {}
    for place, name in enumerate(data.findings):
        rows = _both(data, place, context.rows)
        if rows is None:
            continue
        p, positive = data.probabilities[rows, place], data.positive(place, rows)
        losses = calibrations.loss_statistic(calibration.two(p), positive.astype(np.int64), rows, 1)
        error, slope = calibrations.ece_statistic(p, positive, rows), slope_statistic(p, positive, rows)
        named = [
            renamed(statistic, {metric: f"{metric}/{name}" for metric in metrics})
            for statistic, metrics in (
                (losses, ("brier", "log_loss")),
                (error, ("ece",)),
                (slope, ("calibration_slope", "calibration_intercept")),
            )
        ]
        consistency = calibrations.ece_consistency(p, positive, data.subjects[rows], level=context.confidence)
        why = "undefined: the fit does not converge (outcomes separated, or one probability)"
        reasons = dict.fromkeys((f"calibration_slope/{name}", f"calibration_intercept/{name}"), why)
        rare = too_rare(positive.astype(np.int64), 2, data.subjects[rows])
        withheld = {} if rare is None else {f"brier/{name}": rare, f"log_loss/{name}": rare}
        plan = MetricPlan(named, analytic=withheld, reasons=reasons, more={f"ece/{name}": consistency})
        estimates |= context.figures(plan)
    return estimates


def baseline_columns(train: PredictionTable, x: np.ndarray, new: np.ndarray, data: Data) -> dict[str, dict[str, Any]]:
    """Of each baseline the probability of each finding, by its prevalence or by a logistic model on covariates x
    [n, q], for rows new [m, q], and the findings that it calls, by thresholds chosen as the model's are, on rows x."""
    if not all(f"target/{name}" in train for name in data.findings):
        return {}
    targets = np.stack([train.numbers(f"target/{name}", Faults()) for name in data.findings], axis=1)
    void = [name for name, states in zip(data.findings, targets.T) if not np.isfinite(states).any()]
    if void:
        raise Unfitted(f"{', '.join(void)}: unknown in every training sample")
    rows = np.concatenate([x, new])
    probabilities: dict[str, list[np.ndarray]] = {}  # of both, [n + m] for each finding
    for states in targets.T:
        known = np.isfinite(states)
        target = states[known].astype(np.int64)
        probabilities.setdefault("prevalence", []).append(baselines.prevalence(target, 2, len(rows))[:, 1])
        if x.shape[1]:
            probabilities.setdefault("covariates", []).append(baselines.logistic(x[known], target, rows, 2)[:, 1])
    return {name: _with_calls(np.stack(of_it, axis=1), targets, data) for name, of_it in probabilities.items()}


def _with_calls(probabilities: np.ndarray, targets: np.ndarray, data: Data) -> dict[str, Any]:
    """Columns of a baseline with probabilities [n + m, F], of which the first n rows have the targets [n, F].

    Where the model has no thresholds of its own, as without validation, the baseline has none either.
    """
    fitted = any(limit != calibration.HALF for limit in data.thresholds.values())
    criterion = data.settings.threshold if fitted else "half"
    limits = calibration.thresholds(probabilities[: len(targets)], targets, data.findings, criterion)
    p = probabilities[len(targets) :]
    columns: dict[str, Any] = {f"p/{name}": p[:, place] for place, name in enumerate(data.findings)}
    return columns | {"set": calibration.names_of(calibration.called(p, limits, data.findings), data.findings)}
