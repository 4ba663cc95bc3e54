"""Metrics of a confusion matrix: rows the target's class, columns the predicted one.

All of them follow from its diagonal and its margins, 3·K counts: of many classes K·K a sample would fill the memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scantune.statistics.ordinal import margins
from scantune.statistics.resampling import Sums
from scantune.statistics.sums import ratio


def counts(target: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Confusion matrix int64 [K, K] of class indices target [n] and prediction [n]."""
    return np.bincount(target * classes + prediction, minlength=classes * classes).reshape(classes, classes)


def one_hot(target: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Each row's cell of the confusion matrix as float64 [n, K·K]: what is summed."""
    cells = np.zeros((len(target), classes * classes))
    cells[np.arange(len(target)), target * classes + prediction] = 1
    return cells


def margin_cells(target: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """Each row's part of the diagonal and of the sums of rows and columns as float64 [n, 3·K]: what is summed."""
    cells, rows = np.zeros((len(target), 3 * classes)), np.arange(len(target))
    right = np.flatnonzero(target == prediction)
    cells[right, target[right]] = 1
    cells[rows, classes + target] = 1
    cells[rows, 2 * classes + prediction] = 1
    return cells


def figures_of(matrix: np.ndarray, names: Sequence[str], positive: int | None = None) -> dict[str, np.ndarray]:
    """Accuracy and related metrics of confusion matrices [..., K, K].

    A class that neither occurs nor is predicted has no F1 and takes no part in the macro mean; a class that occurs but
    is never predicted has F1 and recall 0 and no precision.

    Args:
        matrix: counts [..., K, K].
        names: of the K classes.
        positive: index of the class of ``precision``, ``recall``, ``f1`` and ``specificity``; None: not given.

    Returns:
        ``accuracy balanced_accuracy f1_macro f1_weighted mcc``, ``<name>/<class>`` of precision, recall, specificity
        and f1, and these four of the positive class.
    """
    return _figures(_parts(matrix), names, positive)


#: Diagonal, sums of rows and sums of columns of matrices, [..., K] each.
_Parts = tuple[np.ndarray, np.ndarray, np.ndarray]


def _parts(matrix: np.ndarray) -> _Parts:
    return (np.diagonal(matrix, axis1=-2, axis2=-1), *margins(matrix))


def _figures(parts: _Parts, names: Sequence[str], positive: int | None) -> dict[str, np.ndarray]:
    true, actual, predicted = parts
    total = _total(actual)
    negative = total[..., None] - actual
    f1 = ratio(2 * true, actual + predicted)
    recall = ratio(true, actual)
    each = {
        "precision": ratio(true, predicted),
        "recall": recall,
        "specificity": ratio(negative - (predicted - true), negative),
        "f1": f1,
    }
    out = {
        "accuracy": ratio(_total(true), total),
        "balanced_accuracy": _mean_defined(recall),
        "f1_macro": _mean_defined(f1),
        "f1_weighted": ratio(_total(np.where(actual > 0, f1 * actual, 0)), total),
        "mcc": _mcc(true, actual, predicted, total),
    }
    for metric, values in each.items():
        if positive is not None:
            out[metric] = values[..., positive]
        out |= {f"{metric}/{name}": values[..., k] for k, name in enumerate(names)}
    return out


KINDS = {
    **dict.fromkeys(("accuracy", "precision", "recall", "specificity"), "share"),
    "f1": "f1",
    "balanced_accuracy": "mean_of_shares",
    "f1_macro": "f1_macro",
    "f1_weighted": "unit",
    "mcc": "correlation",
}
"""Rule of each figure's interval, by its name without the class."""


def kinds_of(names: Sequence[str], positive: int | None = None) -> dict[str, str]:
    """Rule of the interval of each of :func:`figures_of`."""
    each = {f"{m}/{name}": KINDS[m] for name in names for m in ("precision", "recall", "specificity", "f1")}
    return {k: v for k, v in KINDS.items() if positive is not None or k not in _OF_A_CLASS} | each


def shares_of(
    matrix: np.ndarray, names: Sequence[str], positive: int | None = None
) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Successes and trials of the figures of confusion matrices [..., K, K] that are shares, or means of shares.

    F1 goes by the share of the true positives among all that are of the class or called so. Averages of F1 have that of
    each class, for where all are 0 or 1.
    """
    return _shares(_parts(matrix), names, positive)


def _shares(
    parts: _Parts, names: Sequence[str], positive: int | None
) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    true, actual, predicted = parts
    total = _total(actual)
    negative, either = total[..., None] - actual, actual + predicted - true
    each = {
        "precision": (true, predicted),
        "recall": (true, actual),
        "specificity": (negative - (predicted - true), negative),
        "f1": (true, either),
    }
    classes = range(true.shape[-1])
    out = {
        "accuracy": [(_total(true), total)],
        "balanced_accuracy": [(true[..., k], actual[..., k]) for k in classes],
        "f1_macro": [(true[..., k], either[..., k]) for k in classes],
        "f1_weighted": [(true[..., k], either[..., k]) for k in classes],
    }
    for metric, (top, bottom) in each.items():
        if positive is not None:
            out[metric] = [(top[..., positive], bottom[..., positive])]
        out |= {f"{metric}/{name}": [(top[..., k], bottom[..., k])] for k, name in enumerate(names)}
    return out


_OF_A_CLASS = ("precision", "recall", "specificity", "f1")


def confusion_statistic(
    target: np.ndarray, prediction: np.ndarray, names: Sequence[str], rows: np.ndarray, positive: int | None = None
) -> Sums:
    """:func:`figures_of` the classes target [n] and prediction [n], to be resampled."""
    size = len(names)

    def parts(sums: np.ndarray) -> _Parts:
        return sums[..., :size], sums[..., size : 2 * size], sums[..., 2 * size :]

    return Sums(
        rows,
        margin_cells(target, prediction, size),
        lambda sums: _figures(parts(sums), names, positive),
        kinds=kinds_of(names, positive),
        shares=lambda sums: _shares(parts(sums), names, positive),
    )


def _total(values: np.ndarray) -> np.ndarray:
    """Sum over the last axis; see :func:`.ordinal.margins`."""
    return values @ np.ones(values.shape[-1])


def _mean_defined(values: np.ndarray) -> np.ndarray:
    """Mean over the last axis of what is defined."""
    defined = np.isfinite(values)
    return ratio(_total(np.where(defined, values, 0)), _total(defined.astype(np.float64)))


def _mcc(true: np.ndarray, actual: np.ndarray, predicted: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Matthews' correlation for K classes (Gorodkin, Comput Biol Chem 2004;28:367)."""
    top = _total(true) * total - _total(actual * predicted)
    bottom = (total**2 - _total(predicted**2)) * (total**2 - _total(actual**2))
    with np.errstate(all="ignore"):
        return np.where(bottom > 1e-12 * total**4, top / np.sqrt(bottom), np.nan)
