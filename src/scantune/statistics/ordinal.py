"""Agreement of grades: Cohen's κ, plain and weighted, with its asymptotic standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from scantune.statistics.distributions import normal_quantile

KINDS = {"kappa": 0, "kappa_linear": 1, "kappa_quadratic": 2}
"""Name of each κ and the power of the distance that its disagreement weights grow with; 0: all alike."""


def agreement_weights(classes: int, power: int) -> np.ndarray:
    """Weights [K, K] of agreement, 1 on the diagonal: 1 − (|i − j| / (K − 1))^power; power 0: the identity."""
    distance = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes))) / max(1, classes - 1)
    return 1 - distance**power if power else np.eye(classes)


def kappas(matrix: np.ndarray) -> dict[str, np.ndarray]:
    """``kappa kappa_linear kappa_quadratic`` of confusion matrices [..., K, K]; NaN where all is one class."""
    actual, predicted = margins(matrix)
    classes = matrix.shape[-1]
    weights = {name: agreement_weights(classes, power) for name, power in KINDS.items()}
    return {name: _kappa(matrix, w, actual, predicted) for name, w in weights.items()}


def kappa_cells(target: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """What κ is made of, to be summed over the rows: float64 [n, 3 + 2·K].

    Agreement by each weighting of `KINDS`, then a 1 for the class of target and prediction [n]. The sums of agreement
    stand for the K·K counts of a matrix, which no memory holds for each sample of many classes.
    """
    cells, rows = np.zeros((len(target), len(KINDS) + 2 * classes)), np.arange(len(target))
    for k, power in enumerate(KINDS.values()):
        cells[:, k] = agreement_weights(classes, power)[target, prediction]
    cells[rows, len(KINDS) + target] = 1
    cells[rows, len(KINDS) + classes + prediction] = 1
    return cells


def kappas_of_cells(sums: np.ndarray) -> dict[str, np.ndarray]:
    """:func:`kappas` of sums [..., 3 + 2·K] of :func:`kappa_cells`."""
    classes = (sums.shape[-1] - len(KINDS)) // 2
    actual, predicted = sums[..., len(KINDS) : len(KINDS) + classes], sums[..., len(KINDS) + classes :]
    return {
        name: _of_agreement(sums[..., k], agreement_weights(classes, power), actual, predicted)
        for k, (name, power) in enumerate(KINDS.items())
    }


def margins(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the rows and of the columns of matrices [..., K, K], [..., K] each.

    By a product with ones: NumPy's sums over a short axis of many matrices take six times as long.
    """
    ones = np.ones(matrix.shape[-1])
    return matrix @ ones, np.swapaxes(matrix, -1, -2) @ ones


def _kappa(matrix: np.ndarray, weights: np.ndarray, actual: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    agreed = matrix.reshape(*matrix.shape[:-2], weights.size) @ weights.ravel()
    return _of_agreement(agreed, weights, actual, predicted)


def _of_agreement(agreed: np.ndarray, weights: np.ndarray, actual: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    total = actual @ np.ones(len(weights))
    with np.errstate(all="ignore"):
        observed = agreed / total
        expected = np.einsum("...j,...j->...", actual @ weights, predicted) / total**2
        return np.where((total > 0) & (expected < 1 - 1e-12), (observed - expected) / (1 - expected), np.nan)


@dataclass(frozen=True)
class Kappa:
    """κ of one table.

    Attributes:
        value: κ; NaN where all is one class.
        ase: asymptotic standard error (Fleiss, Cohen & Everitt, Psychol Bull 1969;72:323, eq. 13).
        lower: value − z · ASE.
        upper: value + z · ASE, at most 1.
    """

    value: float
    ase: float
    lower: float
    upper: float


def kappa(table: np.ndarray, weights: str | np.ndarray = "kappa", *, confidence: float = 0.95) -> Kappa:
    """κ with its standard error.

    Args:
        table: counts [K, K].
        weights: ``kappa``, ``kappa_linear``, ``kappa_quadratic``, or weights [K, K].
        confidence: level of the interval.
    """
    table = np.asarray(table, np.float64)
    w = agreement_weights(len(table), KINDS[weights]) if isinstance(weights, str) else np.asarray(weights, np.float64)
    n = float(table.sum())
    value = float(_kappa(table, w, *margins(table)))
    if not n > 0 or math.isnan(value):
        return Kappa(value, math.nan, math.nan, math.nan)
    p = table / table.sum()
    rows, columns = p.sum(1), p.sum(0)
    mean_row, mean_column = w @ columns, rows @ w
    expected = float(rows @ w @ columns)
    spread = w - (mean_row[:, None] + mean_column[None, :]) * (1 - value)
    variance = float((p * spread**2).sum() - (value - expected * (1 - value)) ** 2)
    ase = math.sqrt(max(variance, 0.0) / n) / (1 - expected)
    half = normal_quantile((1 + confidence) / 2) * ase
    return Kappa(value, ase, value - half, min(1.0, value + half))
