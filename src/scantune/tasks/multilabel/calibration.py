"""Calibration of each finding's probability, and the threshold from which the finding is called present."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scantune.statistics import calibration
from scantune.statistics.discrimination import pr_curve, threshold_for

HALF = 0.5

SLACK = 1e-6
"""Probabilities that differ by less are the same: one sample in two batches, or served and evaluated."""


def two(probability: np.ndarray) -> np.ndarray:
    """Probabilities [n] of a finding as those of absent and present, [n, 2]."""
    return np.stack([1 - probability, probability], axis=1)


def fit(probabilities: np.ndarray, targets: np.ndarray, findings: Sequence[str], name: str) -> dict[str, Any]:
    """A calibrator a finding, of those that validation has both present and absent; the others stay as they are.

    Args:
        probabilities: float [N, F].
        targets: float [N, F], 1, 0, or NaN where unknown.
        findings: names of the F.
        name: ``temperature`` or ``isotonic``.

    Returns:
        ``{"name": name, "findings": {finding: calibrator}}``.
    """
    fits: dict[str, Any] = {}
    for place, finding in enumerate(findings):
        rows = np.isfinite(targets[:, place])
        truth = targets[rows, place].astype(np.int64)
        if 0 < truth.sum() < len(truth):
            fits[finding] = calibration.FITS[name](two(probabilities[rows, place]), truth)
    return {"name": name, "findings": fits}


def apply(calibrator: Mapping[str, Any] | None, probabilities: np.ndarray, findings: Sequence[str]) -> np.ndarray:
    """Probabilities [N, F] recalibrated by what :func:`fit` returned."""
    fits = (calibrator or {}).get("findings") or {}
    columns = [
        calibration.apply(fits[name], two(probabilities[:, place]))[:, 1] if name in fits else probabilities[:, place]
        for place, name in enumerate(findings)
    ]
    return np.stack(columns, axis=1)


def undone(
    calibrator: Mapping[str, Any] | None, probabilities: np.ndarray, findings: Sequence[str]
) -> np.ndarray | None:
    """Probabilities [N, F] before the temperature scaling of each finding; None where they cannot be recovered."""
    if (calibrator or {}).get("name") != "temperature":
        return None
    fits = (calibrator or {}).get("findings") or {}
    columns = []
    for place, name in enumerate(findings):
        before = calibration.undone(fits.get(name), two(probabilities[:, place]))
        columns.append(probabilities[:, place] if before is None else before[:, 1])
    return np.stack(columns, axis=1)


def thresholds(
    probabilities: np.ndarray, targets: np.ndarray, findings: Sequence[str], criterion: str
) -> dict[str, float]:
    """The probability from which each finding is called present; 0.5 where it is present in all rows or in none.

    Args:
        probabilities: float [N, F].
        targets: float [N, F], 1, 0, or NaN where unknown.
        findings: names of the F.
        criterion: ``f1``, ``youden`` or ``half``.
    """
    of_finding = dict.fromkeys(findings, HALF)
    for place, name in enumerate(findings) if criterion != "half" else ():
        rows = np.isfinite(targets[:, place])
        scores, positive = probabilities[rows, place], targets[rows, place] == 1
        if 0 < positive.sum() < len(positive):
            chosen = _highest_f1(scores, positive) if criterion == "f1" else threshold_for(scores, positive, criterion)
            of_finding[name] = HALF if chosen is None else _just_below(chosen, scores)
    return of_finding


def _highest_f1(scores: np.ndarray, positive: np.ndarray) -> float:
    """The threshold with the highest F1; of several the highest."""
    curve = pr_curve(scores, positive)
    with np.errstate(invalid="ignore"):
        f1 = np.nan_to_num(2 * curve.x * curve.y / (curve.x + curve.y))
    return float(curve.threshold[int(f1.argmax())])


def _just_below(threshold: float, scores: np.ndarray) -> float:
    """A threshold with the same calls that no score [n] lies on: the sample that it was chosen by is called the same
    where its probability differs in the last digits, as between batches."""
    below = scores[scores < threshold]
    gap = threshold - float(below.max()) if len(below) else threshold
    return threshold - min(SLACK, gap / 2)


def called(probabilities: np.ndarray, limits: Mapping[str, float], findings: Sequence[str]) -> np.ndarray:
    """Which findings are called present, bool [N, F]."""
    return probabilities >= np.array([limits[name] for name in findings])


def names_of(called: np.ndarray, findings: Sequence[str]) -> list[str]:
    """The findings that are called, bool [N, F], joined by ``|`` as ``predictions.csv`` has them, of each row."""
    return ["|".join(name for name, present in zip(findings, row, strict=True) if present) for row in called]
