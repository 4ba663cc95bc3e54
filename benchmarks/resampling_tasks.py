"""Findings, survival and masks for :mod:`benchmarks.resampling`: data, and the plain functions of a loop."""

from __future__ import annotations

from typing import Any

import numpy as np

from scantune.tasks.catalogue import part
from scantune.tasks.predictions import Faults, PredictionTable
from scantune.tasks.scoring import settings_of

Figures = dict[str, float]

_MEASURES = ("dice", "iou", "precision", "recall", "hd95", "nsd")


def _parsed(task: str, columns: dict[str, Any], subjects: np.ndarray) -> Any:
    table = PredictionTable.make(columns | {"subject_id": [f"s{i:05d}" for i in subjects]})
    return part(task, "metrics").parse(table, settings_of(task), Faults())


def findings(rng: np.random.Generator, subjects: np.ndarray) -> Any:
    """Five findings, 10 to 50 % of the samples each."""
    columns: dict[str, Any] = {}
    for k in range(5):
        y = (rng.random(len(subjects)) < 0.1 * (k + 1)).astype(int)
        columns |= {f"target/f{k}": y, f"p/f{k}": 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(0, 1.5, len(y)))))}
    return _parsed("multilabel", columns, subjects)


def followed(rng: np.random.Generator, subjects: np.ndarray) -> Any:
    """Exponential times with a risk, a third censored."""
    n, task = len(subjects), settings_of("survival")
    risk = rng.normal(0, 1, n)
    until, end = rng.exponential(3 / np.exp(risk)), rng.uniform(1.5, 9, n)
    columns: dict[str, Any] = {"prediction": risk + rng.normal(0, 0.5, n)}
    columns |= dict(zip(task.columns, (np.minimum(until, end), (until <= end).astype(int)), strict=True))
    for name, horizon in zip(task.probability_columns(), task.horizons, strict=True):
        columns[name] = 1 - np.exp(-horizon / 3 * np.exp(columns["prediction"]))
    return _parsed("survival", columns, subjects)


def masks(rng: np.random.Generator, subjects: np.ndarray) -> Any:
    """The measures of each mask, and volumes."""
    n = len(subjects)
    columns = {name: rng.gamma(2, 3, n) if name == "hd95" else rng.beta(9, 2, n) for name in _MEASURES}
    columns["volume_target"] = rng.gamma(4, 20, n)
    columns["volume_prediction"] = columns["volume_target"] + rng.normal(0, 10, n)
    return _parsed("segmentation", columns, subjects)


def loop_findings(data: Any, rows: np.ndarray) -> Figures:
    """By scikit-learn."""
    from sklearn import metrics

    y, p, called = data.target[rows].astype(int), data.probabilities[rows], data.called[rows].astype(int)
    return {
        "auroc": metrics.roc_auc_score(y, p),
        "auprc": metrics.average_precision_score(y, p),
        "f1_macro": metrics.f1_score(y, called, average="macro"),
        "exact_match": metrics.accuracy_score(y, called),
        "hamming_loss": metrics.hamming_loss(y, called),
        "brier": float(np.mean([metrics.brier_score_loss(y[:, k], p[:, k]) for k in range(y.shape[1])])),
    }


def loop_followed(data: Any, rows: np.ndarray) -> Figures:
    """Harrell's concordance over all pairs of an event with a later row, as scikit-survival does it."""
    time, event, risk = data.time[rows], data.event[rows], data.prediction[rows]
    order = np.lexsort((~event, time))
    time, event, risk = time[order], event[order], risk[order]
    right = pairs = 0.0
    for i in np.flatnonzero(event):
        later = (time > time[i]) | ((time == time[i]) & ~event)
        others = risk[later]
        pairs += len(others)
        right += np.count_nonzero(others < risk[i]) + 0.5 * np.count_nonzero(others == risk[i])
    return {"concordance_harrell": right / pairs}


def loop_masks(data: Any, rows: np.ndarray) -> Figures:
    """Means by NumPy, volumes by SciPy and scikit-learn."""
    from scipy import stats
    from sklearn import metrics

    x, y = (v[rows] for v in data.volumes)
    return {name: float(np.nanmean(data.measures[name][rows])) for name in _MEASURES} | {
        "volume_mae": metrics.mean_absolute_error(x, y),
        "volume_rmse": metrics.root_mean_squared_error(x, y),
        "volume_pearson_r": stats.pearsonr(x, y)[0],
        "volume_bland_altman_bias": float((y - x).mean()),
        "volume_bland_altman_sd": float((y - x).std(ddof=1)),
    }
