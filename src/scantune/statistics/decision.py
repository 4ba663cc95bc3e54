"""Decision curves: what acting on a model's probabilities gains over acting on all or none."""

from __future__ import annotations

import numpy as np

from scantune.statistics.resampling import Sums

THRESHOLDS = np.arange(1, 100) / 100
"""Probabilities above which one would act: 0.01 … 0.99."""


def net_benefit(true: np.ndarray, false: np.ndarray, n: np.ndarray | int, threshold: np.ndarray) -> np.ndarray:
    """TP/n − FP/n · t/(1 − t) (Vickers & Elkin, Med Decis Making 2006;26:565).

    Args:
        true: true positives.
        false: false positives.
        n: rows.
        threshold: probability t above which one acts, 0 … 1 (excluded).
    """
    return true / n - false / n * threshold / (1 - threshold)


def decision_statistic(probability: np.ndarray, positive: np.ndarray, rows: np.ndarray) -> Sums:
    """Net benefit at each of 99 thresholds, of the model (``model/<i>``) and of treating all (``all/<i>``).

    Args:
        probability: float [n], of the positive class.
        positive: bool [n].
        rows: int [n], their rows in the table.
    """
    act = probability[:, None] >= THRESHOLDS  # [n, thresholds]
    yes = positive[:, None]
    features = np.concatenate([np.ones((len(rows), 1)), yes, act & yes, act & ~yes], axis=1).astype(np.float64)
    size = len(THRESHOLDS)

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        n, true = sums[..., :1], sums[..., 1:2]
        model = net_benefit(sums[..., 2 : 2 + size], sums[..., 2 + size :], n, THRESHOLDS)
        everyone = net_benefit(true, n - true, n, THRESHOLDS)
        values = {f"model/{i}": model[..., i] for i in range(size)}
        return values | {f"all/{i}": everyone[..., i] for i in range(size)}

    return Sums(rows, features, figures)
