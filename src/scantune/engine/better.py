"""Comparison of two values of a metric; NaN is never better."""

from __future__ import annotations

import math


def is_better(value: float, best: float, mode: str, margin: float = 0.0) -> bool:
    """Whether ``value`` beats ``best`` by more than ``margin``; any number beats NaN, NaN beats nothing."""
    if math.isnan(value):
        return False
    if math.isnan(best):
        return True
    return value < best - margin if mode == "min" else value > best + margin
