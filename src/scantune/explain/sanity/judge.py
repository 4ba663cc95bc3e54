"""From one number a sample to a figure with an interval and a verdict by a stated rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scantune.statistics.figure import Figure, undefined
from scantune.statistics.resampling import Resampler, Sums, interval

Entry = dict[str, Any]
"""A figure as it stands in ``metrics.json`` with ``passed`` (True, False or None: cannot be said) and ``rule``."""

ALIKE = 0.5
"""Rank correlation above which two maps count as telling the same."""


def mean_figure(values: np.ndarray, subjects: Sequence[str], *, draws: int = 2000, seed: int = 42) -> Figure:
    """The mean of ``values`` [n] with an interval resampled by subject; NaN values are left out and counted."""
    values = np.asarray(values, np.float64)
    rows = np.flatnonzero(np.isfinite(values))
    lost = len(values) - len(rows)
    if not len(rows):
        return undefined(f"undefined in all of {len(values)} samples", n_undefined=lost)
    resampler = Resampler(np.asarray(subjects), draws, seed)
    features = np.stack([values[rows], np.ones(len(rows))], axis=1)

    def mean(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean": sums[..., 0] / sums[..., 1]}

    distribution = resampler.run([Sums(rows, features, mean)])[0]["mean"]
    n_subjects = resampler.count(rows)
    bounds = interval(distribution, n_subjects)
    return Figure(
        distribution.value,
        bounds.lower,
        bounds.upper,
        bounds.method,
        len(rows),
        n_subjects,
        bounds.reason,
        {"n_undefined": lost},
    )


def verdict(figure: Figure, rule: str, passes: Callable[[float, float], bool], **more: Any) -> Entry:
    """The figure as a dict with the rule and whether it is kept.

    Args:
        figure: what was found.
        rule: in words, for the reader.
        passes: of the lower and the upper bound. Without an interval nothing is passed or failed.
        **more: further values of the entry.
    """
    bounded = figure.lower is not None and figure.upper is not None
    passed = bool(passes(float(figure.lower), float(figure.upper))) if bounded else None  # type: ignore[arg-type]
    return figure.with_more(passed=passed, rule=rule, **more).as_dict()


def constant_bounds(figure: Figure) -> Figure:
    """Where every sample has the same value, resampling gives no interval: the value is its own bounds."""
    if figure.value is None or figure.lower is not None or "same value" not in (figure.reason or ""):
        return figure
    method = "every sample has this value"
    return Figure(figure.value, figure.value, figure.value, method, figure.n, figure.n_subjects, None, figure.more)
