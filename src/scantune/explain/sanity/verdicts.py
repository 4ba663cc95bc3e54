"""From one value per sample to a metric with interval and a verdict by a stated rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from scantune.statistics.estimate import Estimate, undefined
from scantune.statistics.intervals import SAME, interval_of
from scantune.statistics.resampling import Interval, Resampler, Sums

Entry = dict[str, Any]
"""An entry of ``metrics.json`` with ``passed`` (True, False, or None for no verdict) and ``rule``."""

ALIKE = 0.5
"""Rank correlation above which two maps count as similar."""


def mean_metric(
    values: np.ndarray, subjects: Sequence[str], confidence: float = 0.95, *, lowest: float = -1.0
) -> Estimate:
    """The mean of ``values`` [n] in ``lowest`` … 1 with its interval; NaN values are excluded and counted.

    The interval is the jackknife's by subject with Student's t, cut at ``lowest`` (0 for a share) and 1: of the dozen
    subjects of these checks a bootstrap (BCa) contains the mean in .91, of six in .86, this one in .94 to .96 (levels
    of .95).
    """
    values = np.asarray(values, np.float64)
    rows = np.flatnonzero(np.isfinite(values))
    undefined_count = len(values) - len(rows)
    if not len(rows):
        return undefined(f"undefined in all of {len(values)} samples", n_undefined=undefined_count)
    resampler = Resampler(np.asarray(subjects), 0)
    features = np.stack([values[rows], np.ones(len(rows))], axis=1)

    def mean(sums: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean": sums[..., 0] / sums[..., 1]}

    distribution = resampler.run([Sums(rows, features, mean)], draws=False)[0]["mean"]
    n_subjects = resampler.count(rows)
    bounds = interval_of(distribution, "real", n_subjects, confidence) or Interval(reason="no interval: undefined")
    return Estimate(
        distribution.value,
        None if bounds.lower is None else max(lowest, bounds.lower),
        None if bounds.upper is None else min(1.0, bounds.upper),
        bounds.method,
        len(rows),
        n_subjects,
        bounds.reason,
        {"n_undefined": undefined_count},
    )


def verdict(metric: Estimate, rule: str, passes: Callable[[float, float], bool], **more: Any) -> Entry:
    """The metric as a dict with the rule and whether it is fulfilled.

    Args:
        metric: with its interval.
        rule: as text for the reader.
        passes: function of the lower and the upper bound; without an interval there is no verdict.
        **more: additional values of the entry.
    """
    bounded = metric.lower is not None and metric.upper is not None
    passed = bool(passes(float(metric.lower), float(metric.upper))) if bounded else None  # type: ignore[arg-type]
    return metric.with_more(passed=passed, rule=rule, **more).as_dict()


def constant_bounds(metric: Estimate) -> Estimate:
    """Use the value as both bounds where all subjects have the same value, which leaves the jackknife no interval."""
    if metric.value is None or metric.lower is not None or SAME not in (metric.reason or ""):
        return metric
    method = "every subject has this value"
    return Estimate(metric.value, metric.value, metric.value, method, metric.n, metric.n_subjects, None, metric.more)
