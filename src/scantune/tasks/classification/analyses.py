"""Additional analyses of a classification: curves, operating points, calibration, decision curves, sets, readers."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from scantune.class_names import label
from scantune.statistics import baselines, calibration, conformal
from scantune.statistics.comparison import mcnemar
from scantune.statistics.confusion import confusion_statistic, counts
from scantune.statistics.decision import THRESHOLDS, decision_statistic
from scantune.statistics.discrimination import GRID, curve_statistic, delong, delong_test, threshold_for
from scantune.statistics.distributions import normal_quantile
from scantune.statistics.ordinal import KINDS, kappa_cells, kappas_of_cells
from scantune.statistics.resampling import Resampler, Sums
from scantune.tasks import fairness, prevalence
from scantune.tasks.baselining import Unfitted
from scantune.tasks.classification.metrics import Data, calibration_plan
from scantune.tasks.context import NO_VALIDATION, Analyses, Context, Detection, band, frequent
from scantune.tasks.coverage import achieved
from scantune.tasks.labels import SEPARATOR
from scantune.tasks.plan import MetricPlan, only
from scantune.tasks.predictions import PredictionTable

COVERAGE = ("conformal_coverage", "conformal_set_size")
_AT_A_POINT = ("recall", "specificity", "precision", "f1", "accuracy")


def run(data: Data, context: Context) -> Analyses:
    """All additional analyses of a classification. Those of one positive class need two classes."""
    out = Analyses()
    rows = context.rows
    finite = np.isfinite(data.probabilities[rows]).all()
    out.sections["confusion"] = {
        "classes": data.classes,
        "matrix": counts(data.target[rows], np.nan_to_num(data.probabilities[rows]).argmax(1), len(data.classes)),
    }
    if not finite:
        return out
    out.sections["curves"] = _curves(data, context)
    if data.positive is not None:
        out.sections["positive"] = data.classes[data.positive]
        out.sections["operating_points"] = _operating_points(data, context)
    detections = _detections(data, context.rows)
    out.sections["fairness"] = fairness.section(detections, context)
    if data.settings.prevalences:
        out.sections["prevalence"] = prevalence.section(detections, data.settings.prevalences, context)
    out.sections["calibration"] = _calibration(data, context)
    scores = conformal.set_scores(data.probabilities, data.target)

    def measure(part: np.ndarray, quantiles: np.ndarray) -> dict[str, np.ndarray]:
        members = conformal.sets(data.probabilities[part], quantiles)
        covered = members[np.arange(len(part)), data.target[part]]
        return dict(zip(COVERAGE, (covered.astype(np.float64), members.sum(1).astype(np.float64))))

    achieved(context, scores, measure, COVERAGE, out, _reported_sets(data, context.table), most=len(data.classes))
    readers = _readers(data, context)
    if readers:
        out.sections["raters"] = readers
    return out


def _detections(data: Data, rows: np.ndarray) -> dict[str, Detection]:
    """The positive class where there are two, else each class against the rest."""
    chosen = [data.positive] if data.positive is not None else range(len(data.classes))
    return {
        data.classes[k]: Detection(data.probabilities[:, k], data.target == k, data.prediction == k, rows)
        for k in chosen
    }


def _reported_sets(data: Data, table: PredictionTable) -> dict[str, np.ndarray] | None:
    """Whether each row's ``set`` holds the truth, and its size; None where the table has none."""
    if "set" not in table:
        return None
    sets = [{label(name) for name in text.split(SEPARATOR)} - {""} for text in table.text("set")]
    covered = [data.classes[code] in members for code, members in zip(data.target, sets, strict=True)]
    return dict(
        zip(COVERAGE, (np.array(covered, np.float64), np.array([len(members) for members in sets], np.float64)))
    )


def _curves(data: Data, context: Context) -> dict[str, Any]:
    """ROC and precision–recall bands of the most frequent classes (of the positive one where there are two),
    reliability, decision."""
    rows = context.rows
    counts_of = np.bincount(data.target[rows], minlength=len(data.classes))
    selected = [data.positive] if data.positive is not None else frequent(counts_of)
    curves: dict[str, Any] = {}
    for k in selected:
        score, positive = data.probabilities[rows, k], data.target[rows] == k
        estimates = context.figures(MetricPlan([curve_statistic(score, positive, rows)], curve=True))
        name = data.classes[k]
        curves[f"roc/{name}"] = band(estimates, "tpr", np.linspace(0, 1, GRID), "false_positive_rate")
        curves[f"precision_recall/{name}"] = band(estimates, "precision", np.linspace(0, 1, GRID), "recall")
        curves[f"reliability/{name}"] = vars(calibration.reliability(score, positive))
    if data.positive is not None:
        score, positive = data.probabilities[rows, data.positive], data.target[rows] == data.positive
        estimates = context.figures(MetricPlan([decision_statistic(score, positive, rows)], curve=True))
        everyone = band(estimates, "all", THRESHOLDS, "threshold")
        decision = band(estimates, "model", THRESHOLDS, "threshold") | {"all": everyone["value"]}
        curves["decision"] = decision | {"none": [0.0] * len(THRESHOLDS)}
    return curves


def _operating_points(data: Data, context: Context) -> list[dict[str, Any]]:
    """Thresholds chosen on validation by Youden's index, sensitivity and specificity; what they reach on test."""
    assert data.positive is not None
    fit_rows = context.fitted_on
    criteria = [("youden", "youden", float("nan"))]
    criteria += [(f"sensitivity_{v:g}", "sensitivity", v) for v in data.settings.sensitivities]
    criteria += [(f"specificity_{v:g}", "specificity", v) for v in data.settings.specificities]
    scores, positive = data.probabilities[:, data.positive], data.target == data.positive
    points: list[dict[str, Any]] = [_point("half", 0.5, "stated", scores, positive, data, context)]
    for name, criterion, value in criteria:
        threshold = threshold_for(scores[fit_rows], positive[fit_rows], criterion, value) if len(fit_rows) else None
        if threshold is None:
            reason = "validation has one class only" if len(fit_rows) else NO_VALIDATION
            points.append({"name": name, "threshold": None, "reason": reason})
        else:
            points.append(_point(name, threshold, "validation", scores, positive, data, context))
    return points


def _point(
    name: str, threshold: float, source: str, scores: np.ndarray, positive: np.ndarray, data: Data, context: Context
) -> dict[str, Any]:
    rows = context.rows
    called = (scores[rows] >= threshold).astype(np.int64)
    statistic = confusion_statistic(positive[rows].astype(np.int64), called, ("negative", "positive"), rows, 1)
    estimates = context.figures(
        MetricPlan([only(statistic, _AT_A_POINT)], reasons={"precision": "undefined: no sample reaches the threshold"})
    )
    return {
        "name": name,
        "threshold": threshold,
        "chosen_on": source,
        "sensitivity": estimates["recall"].value,
        "specificity": estimates["specificity"].value,
        "figures": estimates,
    }


def _calibration(data: Data, context: Context) -> dict[str, Any]:
    """Figures of calibration as given, before (``network``) and after each way that is fitted on validation."""
    rows, fit_rows = context.rows, context.fitted_on
    section: dict[str, Any] = {"as_given": context.figures(calibration_plan(data, rows, context.confidence))}
    served = (context.served or {}).get("fitted_on")
    if served is not None:
        section["fitted_on"] = served
    before = calibration.undone(context.calibrated_by, data.probabilities)
    if before is not None:
        section |= {"applied": context.calibrated_by, "network": _calibrated(data, before, context)}
    if context.calibration == "none":
        return section
    if not len(fit_rows) or not np.isfinite(data.probabilities[fit_rows]).all():
        reason = "validation has probabilities that are not finite" if len(fit_rows) else NO_VALIDATION
        return section if served is not None else section | {"reason": reason}
    section |= {"fitted_on": served or "validation", "chosen": context.calibration}
    for name in ("temperature", "isotonic"):
        if before is not None and name == "temperature":
            continue  # fitted when the model was trained; fitted again it is 1
        source = data.probabilities if before is None else before
        fitted = calibration.FITS[name](source[fit_rows], data.target[fit_rows])
        after = calibration.apply(fitted, source)
        section[name] = {"calibrator": fitted} | _calibrated(data, after, context)
    return section


def _calibrated(data: Data, probabilities: np.ndarray, context: Context) -> dict[str, Any]:
    """Figures of calibration of other probabilities [N, K] of the same rows, and their reliability curve."""
    rows = context.rows
    section: dict[str, Any] = {
        "figures": context.figures(
            calibration_plan(replace(data, probabilities=probabilities), rows, context.confidence)
        )
    }
    if data.positive is not None:
        curve = calibration.reliability(probabilities[rows, data.positive], data.target[rows] == data.positive)
        section["reliability"] = vars(curve)
    return section


def _readers(data: Data, context: Context) -> dict[str, Any]:
    """Agreement of each pair of model, target and readers: share of equal labels, κ."""
    columns = {c.removeprefix("rater/"): c for c in context.table.columns if c.startswith("rater/")}
    if not columns:
        return {}
    index = {name: i for i, name in enumerate(data.classes)}
    sides = {"model": data.prediction, "target": data.target}
    for name, column in columns.items():
        sides[name] = np.array([index.get(label(t), -1) for t in context.table.text(column)])
    size = len(data.classes)

    def equal_and_all(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return sums[..., 0], sums[..., len(KINDS) : len(KINDS) + size].sum(-1)

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        agreed, total = equal_and_all(sums)
        values = {"accuracy": agreed / np.where(total > 0, total, np.nan)} | kappas_of_cells(sums)
        return values if data.settings.ordinal else {k: values[k] for k in ("accuracy", "kappa")}

    def shares(sums: np.ndarray) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
        return {"accuracy": [equal_and_all(sums)]}

    kinds = {"accuracy": "share", **dict.fromkeys(KINDS, "kappa")}

    pairs: dict[str, Any] = {}
    for first, second in combinations(sides, 2):
        both = context.rows[(sides[first][context.rows] >= 0) & (sides[second][context.rows] >= 0)]
        cells = kappa_cells(sides[second][both], sides[first][both], size)
        pairs[f"{first} − {second}"] = context.figures(
            MetricPlan([Sums(both, cells, figures, kinds=kinds, shares=shares)])
        )
    return {"pairs": pairs}


def baseline_columns(
    train: PredictionTable, x: np.ndarray, new: np.ndarray, data: Data
) -> dict[str, dict[str, np.ndarray]]:
    """Probabilities by prevalence and by a logistic model on covariates x [n, q], for rows new [m, q]."""
    index = {name: i for i, name in enumerate(data.classes)}
    target = np.array([index.get(label(t), -1) for t in train.text("target")], np.int64)
    known = target >= 0
    if not known.any():
        raise Unfitted("the target: unknown in every training sample")
    probabilities = {"prevalence": baselines.prevalence(target[known], len(data.classes), len(new))}
    if x.shape[1]:
        probabilities["covariates"] = baselines.logistic(x[known], target[known], new, len(data.classes))
    return {name: {f"p/{c}": p[:, k] for k, c in enumerate(data.classes)} for name, p in probabilities.items()}


def paired_tests(
    reference: Data, challenger: Data, resampler: Resampler, confidence: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """McNemar's test and DeLong's for two models, where each subject gives one sample.

    Returns:
        The tests by name; and by metric the difference that takes the place of the resampled one.
    """
    rows = np.arange(len(reference.target))
    if not resampler.independent(rows):
        return {"mcnemar": {"reason": "subjects have several samples: McNemar's test takes rows as independent"}}, {}
    right = [d.prediction == d.target for d in (reference, challenger)]
    tests: dict[str, Any] = {"mcnemar": vars(mcnemar(*right))}
    delong = _delong(reference, challenger, confidence) if reference.positive is not None else None
    return (tests | {"delong": delong}, {"auroc": delong}) if delong else (tests, {})


def _delong(reference: Data, challenger: Data, confidence: float) -> dict[str, Any] | None:
    positive = reference.target == reference.positive
    scores = np.stack([d.probabilities[:, reference.positive] for d in (reference, challenger)])
    areas = delong(scores, positive)
    contrast = np.array([-1.0, 1.0])
    variance = float(contrast @ areas.covariance @ contrast)
    value = float(contrast @ areas.auc)
    if not np.isfinite(scores).all() or not variance > 1e-15:
        return None
    half = normal_quantile((1 + confidence) / 2) * variance**0.5
    p = delong_test(scores, positive).p_value
    bounds = {"value": value, "lower": value - half, "upper": value + half, "method": "paired DeLong", "p_value": p}
    return bounds | {"standard_error": variance**0.5, "df": float("inf")}
