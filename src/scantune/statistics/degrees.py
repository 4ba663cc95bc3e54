"""How many degrees of freedom the subjects leave: few where few subjects carry a metric."""

from __future__ import annotations

import math

import numpy as np


def spread(left: np.ndarray, factor: float | None = 1.0) -> tuple[float, float]:
    """Jackknife standard error and degrees of freedom of values with subjects left out, [S]: effective ones, or S − 1
    where no factor of the kurtosis is stated."""
    return standard_error(left), degrees_of_freedom(left, factor) if factor is not None else len(left) - 1.0


def degrees_of_freedom(values: np.ndarray, factor: float = 1.0) -> float:
    """Degrees of freedom of the variance of subjects' contributions [S], not all alike.

    The variance of a variance grows with the kurtosis k of what is squared: 2 (S − 1) / (k − 1) degrees of freedom,
    S − 1 where k is the normal's 3 or less, and 3 at least (Satterthwaite 1946; k = G2 + 3 of Joanes & Gill,
    Statistician 1998;47:183).

    Args:
        values: the contributions, or what leaving each subject out makes of a metric.
        factor: of the kurtosis.
    """
    n = len(values)
    squares = (values - values.mean()) ** 2
    excess = float((squares**2).mean() / squares.mean() ** 2) - 3
    kurtosis = 3 + ((n + 1) * excess + 6) * (n - 1) / ((n - 2) * (n - 3))
    return max(3.0, 2 * (n - 1) / (max(kurtosis, 3.0) * factor - 1))


def standard_error(jackknife: np.ndarray) -> float:
    """Jackknife standard error from the values with one subject left out, [S] (Efron & Tibshirani 1993, eq. 11.5)."""
    size = len(jackknife)
    return float(math.sqrt((size - 1) / size * ((jackknife - jackknife.mean()) ** 2).sum())) if size > 1 else math.nan
