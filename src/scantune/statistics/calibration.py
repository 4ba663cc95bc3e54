"""Calibration of probabilities: its metrics, and recalibration fitted on validation and applied from JSON values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scantune.statistics.logits import softmax
from scantune.statistics.resampling import Sums

BINS = 15
_TINY = 1e-12


def logit(p: np.ndarray) -> np.ndarray:
    """log(p / (1 − p)), with p kept 1e-12 from 0 and 1."""
    p = np.clip(p, _TINY, 1 - _TINY)
    return np.log(p) - np.log1p(-p)


def expit(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(−x)), without overflow."""
    return 0.5 * (1 + np.tanh(0.5 * x))


def loss_statistic(probabilities: np.ndarray, target: np.ndarray, rows: np.ndarray, positive: int | None) -> Sums:
    """``brier`` and ``log_loss``.

    Args:
        probabilities: float [n, K].
        target: int [n], class indices.
        rows: int [n], their rows in the table.
        positive: the class whose Brier score it is where there are two; None: summed over the classes.
    """
    hit = np.zeros_like(probabilities)
    hit[np.arange(len(target)), target] = 1
    square = (probabilities - hit) ** 2
    brier = square.sum(1) if positive is None else square[:, positive]
    of_target = np.clip(probabilities[np.arange(len(target)), target], np.finfo(np.float64).eps, 1.0)
    features = np.stack([np.ones(len(target)), brier, -np.log(of_target)], axis=1)
    kinds = dict.fromkeys(("brier", "log_loss"), "loss")

    def figures(s: np.ndarray) -> dict[str, np.ndarray]:
        return {"brier": s[..., 1] / s[..., 0], "log_loss": s[..., 2] / s[..., 0]}

    most = 1.0 if positive is not None else 2.0

    def shares(s: np.ndarray) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
        return {"brier": [(s[..., 1] / most, s[..., 0])]}

    return Sums(rows, features, figures, kinds=kinds, shares=shares)


def mass_bins(confidence: np.ndarray, bins: int = BINS) -> np.ndarray:
    """Bin 0 … bins − 1 of each of ``confidence`` [n], by equal numbers of rows; equal values share the lower bin."""
    order = np.argsort(confidence, kind="stable")
    ordered = confidence[order]
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    place = np.flatnonzero(first)[np.cumsum(first) - 1]
    out = np.empty(len(confidence), np.int64)
    out[order] = place * bins // max(1, len(confidence))
    return out


def ece_statistic(confidence: np.ndarray, correct: np.ndarray, rows: np.ndarray, bins: int = BINS) -> Sums:
    """``ece``: mean over rows of |confidence − accuracy| of their bin.

    Bins hold equal numbers of rows of the original sample, and do not change in the draws.

    Args:
        confidence: float [n], probability of the predicted class.
        correct: bool [n].
        rows: int [n], their rows in the table.
        bins: number of bins.
    """
    member = np.eye(bins)[mass_bins(confidence, bins)]  # [n, bins]
    gap = member * (confidence - correct)[:, None]
    features = np.concatenate([np.ones((len(rows), 1)), gap], axis=1)
    return Sums(rows, features, lambda s: {"ece": np.abs(s[..., 1:]).sum(-1) / s[..., 0]}, kinds={"ece": "consistency"})


def ece_consistency(
    confidence: np.ndarray,
    correct: np.ndarray,
    subjects: np.ndarray,
    *,
    bins: int = BINS,
    draws: int = 1000,
    seed: int = 42,
    level: float = 0.95,
) -> dict[str, float]:
    """The ECE that a calibrated model would have by chance, and the p-value that the model is calibrated.

    A mean of absolute deviations is above 0 by chance alone, so that an interval around it seldom holds the truth.
    Outcomes are drawn from the probabilities themselves (Vaicenavicius et al., AISTATS 2019). Where subjects repeat,
    the signs of each subject's deviations are drawn, which preserves the correlation of its samples.

    Args:
        confidence: float [n], probability of the predicted class.
        correct: bool [n].
        subjects: [n].
        bins: of equal numbers.
        draws: number of draws.
        seed: of the draws.
        level: of the band.

    Returns:
        ``consistency_lower``, ``consistency_upper`` and ``p_value``.
    """
    rng = np.random.default_rng([seed, len(confidence)])
    member = np.eye(bins)[mass_bins(confidence, bins)]  # [n, bins]
    _, codes = np.unique(subjects, return_inverse=True)
    gap = member * (confidence - correct)[:, None]
    by_subject = np.zeros((int(codes.max()) + 1, bins))
    np.add.at(by_subject, codes, gap)
    errors: list[np.ndarray] = []
    for size in np.diff(np.append(np.arange(0, draws, 100), draws)).tolist():
        if len(by_subject) < len(codes):
            sums = rng.choice((-1.0, 1.0), (size, len(by_subject))) @ by_subject
        else:
            sums = (confidence - (rng.random((size, len(confidence))) < confidence)) @ member
        errors.append(np.abs(sums).sum(1) / len(confidence))
    drawn = np.concatenate(errors)
    observed = float(np.abs(gap.sum(0)).sum()) / len(confidence)
    lower, upper = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    p = (1 + int((drawn >= observed - 1e-12).sum())) / (1 + len(drawn))
    return {"consistency_lower": float(lower), "consistency_upper": float(upper), "p_value": p}


@dataclass(frozen=True)
class Reliability:
    """A reliability curve by bins of equal numbers: mean probability, observed share and rows of each bin, [bins]."""

    probability: np.ndarray
    observed: np.ndarray
    n: np.ndarray


def reliability(probability: np.ndarray, positive: np.ndarray, bins: int = BINS) -> Reliability:
    """Observed share against probability, by bins of equal numbers; empty bins are omitted."""
    bin_of = mass_bins(probability, bins)
    n = np.bincount(bin_of, minlength=bins)
    filled = n > 0
    return Reliability(
        np.bincount(bin_of, probability, bins)[filled] / n[filled],
        np.bincount(bin_of, positive.astype(np.float64), bins)[filled] / n[filled],
        n[filled],
    )


def fit_temperature(probabilities: np.ndarray, target: np.ndarray) -> dict[str, Any]:
    """The temperature that minimises the log loss of softmax(log p / T) (Guo et al., ICML 2017).

    Args:
        probabilities: float [n, K], of validation.
        target: int [n], class indices.

    Returns:
        ``{"name": "temperature", "temperature": T}``; T = 1 where it can't be fitted (one class, all right).
    """
    logs = np.log(np.clip(probabilities, _TINY, 1.0))
    rows = np.arange(len(target))

    def loss(log_t: float) -> float:
        z = logs / math.exp(log_t)
        z -= z.max(1, keepdims=True)
        return float((np.log(np.exp(z).sum(1)) - z[rows, target]).mean())

    best = _golden(loss, math.log(0.05), math.log(20.0)) if len(target) else 0.0
    at_edge = min(best - math.log(0.05), math.log(20.0) - best) < 1e-3
    return {"name": "temperature", "temperature": 1.0 if at_edge else math.exp(best)}


def _golden(loss: Callable[[float], float], low: float, high: float) -> float:
    """Minimum of a function with one minimum in [low, high], by golden section."""
    ratio = (math.sqrt(5) - 1) / 2
    a, b = high - ratio * (high - low), low + ratio * (high - low)
    at_a, at_b = loss(a), loss(b)
    while high - low > 1e-9:
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - ratio * (high - low)
            at_a = loss(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + ratio * (high - low)
            at_b = loss(b)
    return (low + high) / 2


def fit_isotonic(probabilities: np.ndarray, target: np.ndarray) -> dict[str, Any]:
    """A rising step-free map of each class's probability to its observed share (Zadrozny & Elkan, KDD 2002).

    Args:
        probabilities: float [n, K], of validation.
        target: int [n], class indices.

    Returns:
        ``{"name": "isotonic", "maps": [{"x": […], "y": […]}, …]}``, one map a class, linear between its points.
    """
    maps = []
    for k in range(probabilities.shape[1]):
        x, y = _pool_adjacent(probabilities[:, k], (target == k).astype(np.float64))
        maps.append({"x": x.tolist(), "y": y.tolist()})
    return {"name": "isotonic", "maps": maps}


def _pool_adjacent(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Isotonic regression of y on x: the points between which it is linear."""
    points, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    means = np.bincount(inverse, y) / counts
    blocks: list[list[float]] = []  # mean, weight, number of points
    for mean, weight in zip(means.tolist(), counts.tolist()):
        blocks.append([mean, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            m, w, k = blocks.pop()
            last = blocks[-1]
            blocks[-1] = [(last[0] * last[1] + m * w) / (last[1] + w), last[1] + w, last[2] + k]
    fitted = np.repeat([b[0] for b in blocks], [int(b[2]) for b in blocks])
    inner = np.ones(len(points), bool)
    inner[1:-1] = (fitted[1:-1] != fitted[:-2]) | (fitted[1:-1] != fitted[2:])
    return points[inner], fitted[inner]


def apply(calibrator: Mapping[str, Any], probabilities: np.ndarray) -> np.ndarray:
    """Probabilities [n, K] recalibrated by what a ``fit_…`` returned; rows sum to one."""
    return _APPLY[calibrator["name"]](calibrator, np.asarray(probabilities, np.float64))


def undone(calibrator: Mapping[str, Any] | None, probabilities: np.ndarray) -> np.ndarray | None:
    """Probabilities [n, K] before temperature scaling; None where they cannot be recovered, or nothing was applied.

    Isotonic maps have steps, between which the original values are lost.
    """
    if (calibrator or {}).get("name") != "temperature":
        return None
    return apply({"name": "temperature", "temperature": 1 / calibrator["temperature"]}, probabilities)  # type: ignore[index]


def _apply_temperature(calibrator: Mapping[str, Any], probabilities: np.ndarray) -> np.ndarray:
    return softmax(np.log(np.clip(probabilities, _TINY, 1.0)) / calibrator["temperature"])


def _apply_isotonic(calibrator: Mapping[str, Any], probabilities: np.ndarray) -> np.ndarray:
    maps = calibrator["maps"]
    if len(maps) == 2:
        second = np.interp(probabilities[:, 1], maps[1]["x"], maps[1]["y"])
        return np.stack([1 - second, second], axis=1)
    out = np.stack([np.interp(probabilities[:, k], m["x"], m["y"]) for k, m in enumerate(maps)], axis=1)
    total = out.sum(1, keepdims=True)
    return np.where(total > 0, out / np.where(total > 0, total, 1), 1 / len(maps))


_APPLY = {
    "none": lambda calibrator, p: p,
    "temperature": _apply_temperature,
    "isotonic": _apply_isotonic,
}

#: How probabilities can be calibrated, by name: each is fitted on validation.
FITS: dict[str, Callable[[np.ndarray, np.ndarray], dict[str, Any]]] = {
    "none": lambda probabilities, target: {"name": "none"},
    "temperature": fit_temperature,
    "isotonic": fit_isotonic,
}
