"""Additional analyses of graded zones: confusion matrices, conformal sets of grades, baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from scantune.class_names import label
from scantune.statistics import baselines, calibration, conformal
from scantune.statistics.confusion import counts
from scantune.statistics.discrimination import GRID, curve_statistic
from scantune.statistics.trials import too_rare
from scantune.tasks.baselining import Unfitted
from scantune.tasks.context import Analyses, Context, band
from scantune.tasks.coverage import achieved
from scantune.tasks.plan import MetricPlan
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.zones.metrics import Data, aliases, mean_score, severity, severity_names
from scantune.tasks.zones.readers import readers

COVERAGE = ("conformal_coverage", "conformal_set_size")


def run(data: Data, context: Context) -> Analyses:
    """Confusion matrices pooled, per zone and of the mean score's class; calibration; sets of grades; readers."""
    out = Analyses()
    rows, settings = context.rows, data.settings
    target, predicted = data.target[rows], np.nan_to_num(data.probabilities[rows]).argmax(2)
    size = len(settings.classes)
    out.sections["confusion"] = {
        "classes": settings.classes,
        "matrix": counts(target.ravel(), predicted.ravel(), size),
        "zones": {z: counts(target[:, i], predicted[:, i], size) for i, z in enumerate(settings.zones)},
    }
    score = [mean_score(codes, settings.grades) for codes in (target, predicted)]
    both = np.isfinite(score[0]) & np.isfinite(score[1])
    names = severity_names(settings.cut_offs)
    classes = [severity(s[both], settings.cut_offs) for s in score]
    out.sections["ahf_confusion"] = {"classes": names, "matrix": counts(classes[0], classes[1], len(names))}
    out.sections["without_score"] = {
        "target": int(np.isnan(score[0]).sum()),
        "prediction": int(np.isnan(score[1]).sum()),
    }
    out.sections["curves"] = _curves(context, score[0][both], score[1][both], rows[both], settings.cut_offs)
    if np.isfinite(data.probabilities[rows]).all():
        out.sections["calibration"] = _calibration(data, context)
        _sets(data, context, out)
    read = readers(data, context)
    if read:
        out.sections["raters"] = read
    return out


def _calibration(data: Data, context: Context) -> dict[str, Any]:
    """Whether a grade's probability is its share of right ones: over all zones and by zone, also before calibration."""
    calibrated: dict[str, Any] = _calibrated(data.probabilities, data, context)
    section = {"as_given": calibrated.pop("figures"), **calibrated}
    if context.served is not None and "fitted_on" in context.served:
        section["fitted_on"] = context.served["fitted_on"]
    before = calibration.undone(context.calibrated_by, data.probabilities.reshape(-1, data.probabilities.shape[2]))
    if before is not None:
        section["applied"] = context.calibrated_by
        section["network"] = _calibrated(before.reshape(data.probabilities.shape), data, context)
    return section


def _calibrated(probabilities: np.ndarray, data: Data, context: Context) -> dict[str, Any]:
    """``figures`` over all zones, figures by ``zones``, and ``reliability`` of each, for the predicted grade."""
    rows = context.rows
    p, target = probabilities[rows], data.target[rows]  # [n, Z, K], [n, Z]
    confidence, right = p.max(2), p.argmax(2) == target

    def figures(zones: list[int]) -> Any:
        """Of some zones, each zone of a sample a row."""
        each = np.repeat(rows, len(zones))
        losses = calibration.loss_statistic(p[:, zones].reshape(-1, p.shape[2]), target[:, zones].ravel(), each, None)
        error = calibration.ece_statistic(confidence[:, zones].ravel(), right[:, zones].ravel(), each)
        more = calibration.ece_consistency(
            confidence[:, zones].ravel(), right[:, zones].ravel(), data.subjects[each], level=context.confidence
        )
        rare = too_rare(target[:, zones].ravel(), p.shape[2], data.subjects[each])
        withheld = {} if rare is None else {"brier": rare, "log_loss": rare}
        return context.figures(MetricPlan([losses, error], analytic=withheld, more={"ece": more}))

    names = data.settings.zones
    curves = {zone: vars(calibration.reliability(confidence[:, i], right[:, i])) for i, zone in enumerate(names)}
    curves["pooled"] = vars(calibration.reliability(confidence.ravel(), right.ravel()))
    by_zone = {zone: figures([i]) for i, zone in enumerate(names)}
    return {"figures": figures(list(range(len(names)))), "zones": by_zone, "reliability": curves}


def _curves(
    context: Context, target: np.ndarray, prediction: np.ndarray, rows: np.ndarray, cut_offs: Sequence[float]
) -> dict[str, Any]:
    """ROC bands of the predicted mean score for a target above each cut-off; none where one side is empty."""
    curves: dict[str, Any] = {}
    for cut in cut_offs:
        above = target > cut + 1e-9
        if 0 < above.sum() < len(above):
            estimates = context.figures(MetricPlan([curve_statistic(prediction, above, rows)], curve=True))
            curves[f"roc/above_{cut:g}"] = band(estimates, "tpr", np.linspace(0, 1, GRID), "false_positive_rate")
    return curves


def _sets(data: Data, context: Context, out: Analyses) -> None:
    """Sets of each zone, with one quantile for all zones; a sample's coverage is the share of its zones covered."""
    zones = np.arange(data.target.shape[1])
    true = data.probabilities[np.arange(len(data.target))[:, None], zones, data.target]  # [N, Z]

    def measure(part: np.ndarray, quantiles: np.ndarray) -> dict[str, np.ndarray]:
        members = 1 - data.probabilities[part] <= quantiles[:, None, None] + conformal.SLACK  # [n, Z, K]
        covered = 1 - true[part] <= quantiles[:, None] + conformal.SLACK
        return dict(zip(COVERAGE, (covered.mean(1), members.sum(2).mean(1))))

    achieved(
        context, 1 - true, measure, COVERAGE, out, _reported_sets(data, context.table), most=len(data.settings.classes)
    )


def _reported_sets(data: Data, table: PredictionTable) -> dict[str, np.ndarray] | None:
    """Share of each row's zones whose ``set/<zone>`` holds the truth, and their mean size; None without such sets."""
    names = data.settings.classes
    if any(f"set/{zone}" not in table for zone in data.settings.zones):
        return None
    sets = [[set(t.split("|")) - {""} for t in table.text(f"set/{zone}")] for zone in data.settings.zones]  # [Z][N]
    covered = [[names[code] in members for code, members in zip(data.target[:, z], of)] for z, of in enumerate(sets)]
    sizes = [[len(members) for members in of] for of in sets]
    return dict(zip(COVERAGE, (np.array(of, np.float64).mean(axis=0) for of in (covered, sizes))))


def baseline_columns(
    train: PredictionTable, x: np.ndarray, new: np.ndarray, data: Data
) -> dict[str, dict[str, np.ndarray]]:
    """Probabilities of each zone's grades by prevalence and by a logistic model on covariates."""
    names, index = data.settings.classes, aliases(data.settings)
    out: dict[str, dict[str, np.ndarray]] = {}
    for zone in data.settings.zones:
        if f"target/{zone}" not in train:
            return {}
        target = np.array([index.get(label(t), -1) for t in train.text(f"target/{zone}")], np.int64)
        known = target >= 0
        if not known.any():
            raise Unfitted(f"{zone}: unknown in every training sample")
        probabilities = {"prevalence": baselines.prevalence(target[known], len(names), len(new))}
        if x.shape[1]:
            probabilities["covariates"] = baselines.logistic(x[known], target[known], new, len(names))
        for name, p in probabilities.items():
            out.setdefault(name, {}).update({f"p/{zone}/{c}": p[:, k] for k, c in enumerate(names)})
    return out
