"""Samples whose intensities are unlike the rest of their cohort, ranked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_ODD = 6.0  # robust deviations from the cohort's median
_FLOOR = 0.02  # of the cohort's median range: the smallest deviation that counts as one
_MANY = 0.05  # share of the cohort from which a difference describes the cohort and not its odd samples
_FEW = 3  # so few are odd in the smallest cohort too
_FEWEST = 8  # samples without which nothing is usual
_WORDS = {"mean": "mean", "sd": "standard deviation", "low": "smallest value", "high": "largest value"}


def unusual(readings: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, str], list[str]]:
    """Samples whose own mean, spread or range lies far from the cohort's median, and notes on the whole cohort.

    A statistic by which more than a twentieth of the samples are far from the median has no odd samples: its
    distribution is wide or of several kinds, and one note says so.

    Args:
        readings: sample id to the facts of its reading (``own_mean``, ``own_sd``, ``own_low``, ``own_high``).

    Returns:
        Sample id to what is unusual, the most unusual first; the notes.
    """
    names = list(readings)
    columns = {what: np.array([readings[n].get(f"own_{what}", np.nan) for n in names], float) for what in _WORDS}
    floor = _FLOOR * _median_range(columns)
    distances: dict[str, float] = {}
    lines: dict[str, list[str]] = {}
    notes: list[str] = []
    for what, values in columns.items():
        if np.isfinite(values).sum() < _FEWEST:
            continue
        middle = float(np.nanmedian(values))
        spread = max(1.4826 * float(np.nanmedian(np.abs(values - middle))), floor, 1e-6)
        distance = np.nan_to_num(np.abs(values - middle) / spread)
        far = np.flatnonzero(distance > _ODD)
        if len(far) > max(_MANY * len(names), _FEW):
            low, high = np.nanpercentile(values, [5, 95])
            usual = f"nine of ten lie between {low:.4g} and {high:.4g}"
            notes.append(
                f"{_WORDS[what]}: {len(far)} of {len(names)} samples are far from the median {middle:.4g}; {usual}"
            )
            continue
        for at in far:
            name = names[at]
            lines.setdefault(name, []).append(f"{_WORDS[what]} {values[at]:.4g} where {middle:.4g} is usual")
            distances[name] = max(distances.get(name, 0.0), float(distance[at]))
    ranked = sorted(lines, key=lambda name: -distances[name])
    return {name: "; ".join(lines[name]) for name in ranked}, notes


def _median_range(columns: Mapping[str, np.ndarray]) -> float:
    """Median of the samples' largest less smallest value; 0 where unknown."""
    ranges = columns["high"] - columns["low"]
    return float(np.nanmedian(ranges)) if np.isfinite(ranges).any() else 0.0
