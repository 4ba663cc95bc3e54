"""A model against a baseline on the same subjects: paired differences for ``metrics.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from scantune.statistics.estimate import Estimate, number
from scantune.statistics.intervals import difference_interval
from scantune.statistics.resampling import Resampler
from scantune.tasks.plan import carry_out


def with_differences(
    figures: Mapping[str, Estimate],
    module: Any,
    model: Any,
    baseline: Any,
    resampler: Resampler,
    confidence: float,
) -> dict[str, Estimate]:
    """The baseline's figures, each with ``difference``: model − baseline and its interval, in the same draws.

    Args:
        figures: of the baseline.
        module: the task's ``metrics`` module.
        model: the model's predictions, as the module read them.
        baseline: the baseline's, of the same rows in the same order.
        resampler: draws of the subjects of these rows.
        confidence: level of the intervals.

    Returns:
        The figures; those that one side lacks without ``difference``.
    """
    rows = np.arange(len(resampler.codes))
    plans = [module.plan(side, rows, headline=True, paired=True, confidence=confidence) for side in (model, baseline)]
    sides = [result.distributions for result in carry_out(plans, resampler, confidence)]
    return {name: _with_difference(figure, name, sides, resampler, confidence) for name, figure in figures.items()}


def _with_difference(
    figure: Estimate, name: str, sides: list[Any], resampler: Resampler, confidence: float
) -> Estimate:
    if not all(name in side for side in sides):
        return figure
    difference = sides[0][name].minus(sides[1][name])
    if number(difference.value) is None:
        return figure
    interval = difference_interval(difference, resampler.n_subjects, confidence)
    entry = {"value": number(difference.value), "lower": interval.lower, "upper": interval.upper}
    method = interval.method and f"paired {interval.method}"
    return figure.with_more(difference=entry | {"method": method, "reason": interval.reason})
