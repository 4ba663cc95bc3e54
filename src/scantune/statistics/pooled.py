"""A metric pooled over strata: the weighted mean of its values within each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scantune.statistics.resampling import Distribution


def weighted_mean(parts: Sequence[Distribution], weights: Sequence[float]) -> Distribution:
    """Σ w · metric / Σ w over strata, with the jackknife of its sum (Janes & Pepe, Biometrika 2009;96:371, for AUROC).

    Args:
        parts: the metric in each stratum.
        weights: of each, fixed; at least one is above 0.

    Example:
        >>> one = Distribution(0.8, np.empty(0), np.array([0.7, 0.9]), np.array([0, 1]))
        >>> two = Distribution(0.6, np.empty(0), np.array([0.5]), np.array([2]))
        >>> pooled = weighted_mean([one, two], [3, 1])
        >>> round(pooled.value, 3), pooled.jackknife.round(3).tolist()
        (0.75, [0.675, 0.825, 0.725])
    """
    shares = np.array(weights, np.float64) / np.sum(weights)
    groups = np.unique(np.concatenate([part.groups for part in parts]))
    value = float(sum(share * part.value for share, part in zip(shares, parts, strict=True)))
    left = sum(share * part.without(groups) for share, part in zip(shares, parts, strict=True))
    return Distribution(value, np.empty(0), np.asarray(left, np.float64), groups)
