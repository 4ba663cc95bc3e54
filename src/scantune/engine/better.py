"""Which of two figures is better; NaN never is."""

from __future__ import annotations

import math


def direction(name: str, mode: str = "auto") -> str:
    """``min`` or ``max``: as given, or by the name (``…_loss`` and ``…_error`` are better when lower)."""
    if mode != "auto":
        return mode
    lower = name.endswith(("loss", "_error", "mae", "rmse", "hd95"))
    return "min" if lower else "max"


def is_better(value: float, best: float, mode: str, margin: float = 0.0) -> bool:
    """Whether ``value`` beats ``best`` by more than ``margin``; any number beats NaN, NaN beats nothing."""
    if math.isnan(value):
        return False
    if math.isnan(best):
        return True
    return value < best - margin if mode == "min" else value > best + margin
