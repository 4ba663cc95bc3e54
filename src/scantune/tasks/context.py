"""The input of a task's additional analyses beside its data, and their result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scantune.statistics.estimate import Estimate
from scantune.statistics.resampling import Resampler
from scantune.tasks.plan import MetricPlan, carry_out, mean_statistic
from scantune.tasks.predictions import PredictionTable

NO_VALIDATION = "the file has no rows of validation to fit on"


@dataclass(frozen=True)
class Detection:
    """One class against the rest, or one finding: which rows have it, and which are called so.

    Attributes:
        probability: float64 [N], of the class.
        positive: bool [N].
        called: bool [N].
        rows: int [n], those of the tested rows in which it is known.
    """

    probability: np.ndarray
    positive: np.ndarray
    called: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Context:
    """The table, which of its rows are tested and which are fitted on, and how intervals are made.

    Attributes:
        table: the predictions.
        rows: int [n], rows that the figures are of.
        fitted_on: int [m], rows of validation; empty where there are none.
        labels: grouping column to the level of each row of the table, [N].
        resampler: draws of the subjects of ``rows``.
        confidence: level of the intervals.
        calibration: what is fitted: ``temperature``, ``isotonic`` or ``none``.
        miscoverage: of conformal intervals and sets.
        min_group: fewest subjects of a level that is not small.
        calibrated_by: the calibrator that the table's probabilities have gone through, where that is known.
        served: what the model that made the table was fitted with, where that is known.
    """

    table: PredictionTable
    rows: np.ndarray
    fitted_on: np.ndarray
    labels: Mapping[str, np.ndarray]
    resampler: Resampler
    confidence: float = 0.95
    calibration: str = "temperature"
    miscoverage: float = 0.1
    min_group: int = 20
    calibrated_by: Mapping[str, Any] | None = None
    served: Mapping[str, Any] | None = None

    def figures(self, plan: MetricPlan) -> dict[str, Estimate]:
        """The figures of one plan."""
        return carry_out([plan], self.resampler, self.confidence)[0].figures

    def means(
        self, columns: Mapping[str, np.ndarray], rows: np.ndarray, kinds: Mapping[str, str]
    ) -> dict[str, Estimate]:
        """The mean of each of some columns [n], by name, with intervals by the rules of their ``kinds``."""
        return self.figures(MetricPlan([mean_statistic(columns, rows, kinds)]))


@dataclass
class Analyses:
    """The result of a task's additional analyses: sections of ``metrics.json``, and additional metrics.

    Attributes:
        sections: by name.
        figures: of all rows.
        subgroups: by column and level.
    """

    sections: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Estimate] = field(default_factory=dict)
    subgroups: dict[str, dict[str, dict[str, Estimate]]] = field(default_factory=dict)

    def by_level(self, column: str, level: str, figures: Mapping[str, Estimate]) -> None:
        """Adds figures of one level of a grouping column."""
        self.subgroups.setdefault(column, {}).setdefault(level, {}).update(figures)


PANELS = 40
"""Classes whose curves are drawn, as many as a figure has panels for; a band takes about a second of each."""


def frequent(counts: np.ndarray) -> list[int]:
    """Places of the :data:`PANELS` classes with the most samples, by their counts int [K], ascending."""
    return sorted(np.argsort(-counts, kind="stable")[:PANELS].tolist())


def band(figures: Mapping[str, Estimate], name: str, x: np.ndarray, axis: str) -> dict[str, Any]:
    """A curve with its band: ``axis`` is x [n]; ``value``, ``lower`` and ``upper`` of the figures ``<name>/<i>``.

    Where a point has no interval (every draw gives one value) the band is the value; None where no point has one.
    """
    points = [figures[f"{name}/{i}"] for i in range(len(x))]
    none = all(p.lower is None for p in points)
    return {
        axis: x,
        "value": [p.value for p in points],
        "lower": [p.value if p.lower is None and not none else p.lower for p in points],
        "upper": [p.value if p.upper is None and not none else p.upper for p in points],
    }
