"""Text of the entries of ``metrics.json``: value, interval or reason of an undefined value. Without matplotlib."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, TypeGuard

#: Displayed names of metrics; :func:`label` derives those of others.
LABELS: dict[str, str] = {
    "accuracy": "Accuracy",
    "ahf_accuracy": "Class of the mean score: accuracy",
    "ahf_auroc": "Class of the mean score: AUROC",
    "ahf_balanced_accuracy": "Class of the mean score: balanced accuracy",
    "ahf_f1_macro": "Class of the mean score: F1, macro",
    "ahf_kappa_quadratic": "Class of the mean score: kappa, quadratic weights",
    "ahf_recall": "Class of the mean score: sensitivity",
    "auprc": "AUPRC",
    "auroc": "AUROC",
    "balanced_accuracy": "Balanced accuracy",
    "bland_altman_bias": "Bias (prediction − reference)",
    "bland_altman_lower": "Lower limit of agreement",
    "bland_altman_plain_bias": "Bias (repeated measures ignored)",
    "bland_altman_plain_lower": "Lower limit of agreement (repeated measures ignored)",
    "bland_altman_plain_sd": "SD of differences (repeated measures ignored)",
    "bland_altman_plain_upper": "Upper limit of agreement (repeated measures ignored)",
    "bland_altman_sd": "SD of differences",
    "bland_altman_slope": "Proportional bias (slope)",
    "bland_altman_upper": "Upper limit of agreement",
    "brier": "Brier score",
    "calibration_intercept": "Calibration intercept",
    "calibration_slope": "Calibration slope",
    "ccc": "Lin's concordance",
    "cldice": "clDice",
    "clinical_error_rate": "Clinically significant errors",
    "conformal_coverage": "Coverage of conformal intervals or sets",
    "conformal_set_size": "Mean size of conformal sets",
    "conformal_width": "Mean width of conformal intervals",
    "coverage": "Coverage (graded)",
    "dice": "Dice",
    "dice_prepared": "Dice, prepared grid",
    "ece": "Expected calibration error",
    "exact_match": "Exact match",
    "f1": "F1",
    "f1_macro": "F1, macro",
    "f1_micro": "F1, micro",
    "f1_weighted": "F1, weighted",
    "hamming_loss": "Hamming loss",
    "hd95": "HD95",
    "icc_2_1": "ICC(2,1)",
    "iou": "IoU",
    "kappa": "Kappa",
    "kappa_linear": "Kappa, linear weights",
    "kappa_quadratic": "Kappa, quadratic weights",
    "kendall_tau": "Kendall's τ",
    "lesion_f1": "Lesion detection, F1",
    "lesion_precision": "Lesion detection, precision",
    "lesion_recall": "Lesion detection, recall",
    "log_loss": "Log loss",
    "mae": "MAE",
    "mcc": "Matthews correlation",
    "mean_score_bland_altman_bias": "Mean score: bias",
    "mean_score_bland_altman_lower": "Mean score: lower limit of agreement",
    "mean_score_bland_altman_sd": "Mean score: SD of differences",
    "mean_score_bland_altman_upper": "Mean score: upper limit of agreement",
    "mean_score_icc_2_1": "Mean score: ICC(2,1)",
    "mean_score_mae": "Mean score: MAE",
    "mean_score_pearson_r": "Mean score: Pearson's r",
    "mean_score_rmse": "Mean score: RMSE",
    "mean_score_spearman_rho": "Mean score: Spearman's ρ",
    "nsd": "NSD",
    "pearson_r": "Pearson's r",
    "precision": "Precision (PPV)",
    "r2": "R²",
    "recall": "Sensitivity (recall)",
    "repeatability": "Repeatability coefficient",
    "rmse": "RMSE",
    "spearman_rho": "Spearman's ρ",
    "specificity": "Specificity",
    "volume_bland_altman_bias": "Size of the mask: bias",
    "volume_bland_altman_lower": "Size of the mask: lower limit of agreement",
    "volume_bland_altman_sd": "Size of the mask: SD of differences",
    "volume_bland_altman_upper": "Size of the mask: upper limit of agreement",
    "volume_icc_2_1": "Size of the mask: ICC(2,1)",
    "volume_mae": "Size of the mask: MAE",
    "volume_pearson_r": "Size of the mask: Pearson's r",
    "volume_rmse": "Size of the mask: RMSE",
}


def add_labels(labels: Mapping[str, str]) -> None:
    """Add labels of the metrics of a task, from its ``metrics`` module.

    Raises:
        ValueError: a metric has a different label.
    """
    for name, text in labels.items():
        if LABELS.setdefault(name, text) != text:
            raise ValueError(f"metric {name!r} has the label {LABELS[name]!r} already, not {text!r}")


def label(name: str) -> str:
    """Displayed name of a metric; ``auroc/lesion`` becomes "AUROC, lesion"."""
    stem, _, qualifier = name.partition("/")
    text = LABELS.get(stem)
    if text is None and stem.startswith("mae_"):
        text = "MAE, range " + stem[4:].replace("_", " ")
    text = text or stem.replace("_", " ")
    return f"{text}, {qualifier}" if qualifier else text


def level(column: str, name: str) -> str:
    """Displayed level of a grouping column: score ranges without underscores, others unchanged."""
    return name.replace("_", " ") if column.partition("/")[0] == "score_range" else name


def entry(metric: Any) -> dict[str, Any]:
    """One entry of ``metrics.json`` as a dict, from a mapping, a bare number, None or an object with ``as_dict``."""
    if metric is None:
        return {"value": None, "reason": "not computed"}
    if isinstance(metric, Mapping):
        return dict(metric)
    if hasattr(metric, "as_dict"):
        return dict(metric.as_dict())
    return {"value": float(metric)}


def defined(value: Any) -> TypeGuard[float]:
    """Whether it is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def number(value: Any, digits: int = 3) -> str:
    """A number to ``digits`` significant figures, with a true minus sign; "–" where it is undefined.

    Integer parts are not rounded (12345 remains 12345), and very small numbers are in scientific notation.
    """
    if value is not None and not isinstance(value, (bool, str)):
        value = float(value)
    if not defined(value):
        return "∞" if value == math.inf else "−∞" if value == -math.inf else "–"
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(places, digits + 2)}f}" if abs(value) >= 10 ** -(digits + 1) else f"{value:.1e}"
    return text.replace("-", "−")


def interval(metric: Any, digits: int = 3) -> str:
    """``0.842 (0.791 to 0.885)``: value and interval of one entry; "undefined: reason" where it has no value.

    ``0.046 (by chance 0.021 to 0.060)`` without an interval, with the range of a calibrated model.

    Value and bounds have the same number of decimals: ``digits`` significant figures of the largest of them.
    """
    facts = entry(metric)
    value = facts.get("value")
    if not defined(value):
        reason = str(facts.get("reason") or "no reason given")
        return f"undefined: {reason.removeprefix('undefined: ')}"
    lower, upper = facts.get("lower"), facts.get("upper")
    places = decimals(max(abs(float(part)) for part in (value, lower, upper) if defined(part)), digits)
    text = fixed(value, places)
    if defined(lower) and defined(upper):
        return f"{text} ({fixed(lower, places)} to {fixed(upper, places)})"
    chance = facts.get("consistency_lower"), facts.get("consistency_upper")
    if all(defined(part) for part in chance):
        return f"{text} (by chance {' to '.join(fixed(part, places) for part in chance)})"
    return text


def per_cent(confidence: float) -> str:
    """A level as text: ``95 %``."""
    return f"{100 * confidence:g} %"


def decimals(value: float, digits: int = 3) -> int:
    """Decimal places that show ``digits`` significant figures: 3 for 0.842, 2 for 1.93, 1 for 21.4; at most 4.

    1 has as many decimals as 0.999, since it is the maximum of most metrics.
    """
    size = abs(value)
    if size < 1e-9:  # zero except for rounding
        return digits
    if size >= 10**digits:
        return 0
    before = -1 if size == 1 else math.floor(math.log10(size) + 1e-12)
    return min(4, max(0, digits - 1 - before))


def fixed(value: Any, places: int) -> str:
    """A finite number to ``places`` decimals with a true minus sign, "–" otherwise; −0.00 is written 0.00."""
    if not defined(value):
        return "–"
    text = f"{float(value):.{places}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def level_order(level: str) -> tuple[float, int, str]:
    """Natural sort key of levels: "2–12" before "12–18", "below 5" before "5 to 15", text alphabetically."""
    match = re.search(r"\d+(\.\d+)?", level)
    return (float(match.group()) if match else -1.0, 0 if level.startswith(("below", "<", "under")) else 1, level)
