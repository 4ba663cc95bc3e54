"""Settings of the regression task."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from scantune.tasks.base import TaskSettings
from scantune.tasks.directions import Direction
from scantune.tasks.joining import AggregateField
from scantune.tasks.suggestion import FEW, LabelTable, Suggestion, one_target


def epoch_metrics(cuts: Sequence[float]) -> dict[str, Direction]:
    """Metrics of an epoch with their direction; ``mae_lt5``, ``mae_5_15``, ``mae_ge15`` for cut points 5 and 15."""
    ranges = {f"mae_{name}": "min" for name, _, _ in epoch_ranges(cuts)}
    return {"mae": "min", "rmse": "min", "pearson_r": "max", "spearman_rho": "max", **ranges}  # type: ignore[dict-item]


def epoch_ranges(cuts: Sequence[float]) -> list[tuple[str, float, float]]:
    """Ranges of the target as an epoch's metrics name them: name, from (included), to (excluded)."""
    edges = (-math.inf, *cuts, math.inf)
    return [(_short(low, high), low, high) for low, high in itertools.pairwise(edges)] if cuts else []


def _short(low: float, high: float) -> str:
    if math.isinf(low):
        return f"lt{high:g}"
    return f"ge{low:g}" if math.isinf(high) else f"{low:g}_{high:g}"


class Regression(TaskSettings):
    """One number a sample, such as a severity score."""

    default_loss: ClassVar[str] = "mse"
    loss_targets: ClassVar[tuple[str, ...]] = ("numbers",)

    name: Literal["regression"] = "regression"

    target: str = "target"
    """Name of the target among the data set's ``targets``."""

    range: tuple[float, float] | None = None
    """Lowest and highest value that the target can take; predictions are cut off there. None: any number."""

    significant_error: float = Field(2.0, gt=0)
    """An absolute error above this counts as clinically significant, in units of the target."""

    score_ranges: tuple[float, ...] = (5.0, 15.0)
    """Cut points of the target between which the mean absolute error is given: by default below 5, 5 to 15, from 15.
    Those outside ``range`` are dropped; ``[]`` for none."""

    round: float | None = Field(None, gt=0)
    """Predictions are rounded to multiples of this (0.5 for half points). None: not rounded."""

    aggregate: AggregateField | None = None
    """How several samples of a study or subject join, ``mean``, ``median`` or ``max``. None: they do not."""

    @field_validator("score_ranges")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(a >= b for a, b in itertools.pairwise(value)):
            raise ValueError(f"score_ranges {list(value)}: cut points must ascend, such as [5, 15]")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Regression:
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError(f"range {list(self.range)}: the lowest value comes first and must be below the highest")
        if self.aggregate is not None and self.aggregate.name == "vote":
            raise ValueError("aggregate: vote counts classes; a regression aggregates by mean, median or max")
        return self

    @classmethod
    def suggest(cls, table: LabelTable) -> Suggestion | None:
        """For a column of more than a few numbers."""
        return one_target("regression", table.target) if len(table.numbers(table.target)) > FEW else None

    def target_names(self) -> tuple[str, ...]:
        """The targets of the data set that it needs."""
        return (self.target,)

    def target_rules(self) -> dict[str, dict[str, object]]:
        """What may stand in the targets: numbers within the range."""
        low, high = self.range or (None, None)
        return {self.target: {"number": True, "min": low, "max": high}}

    def epoch_metrics(self) -> dict[str, Direction]:
        """Metrics of an epoch, and which way each is better."""
        return epoch_metrics(self.cuts())

    @property
    def output_range(self) -> tuple[float, float] | None:
        """``range``."""
        return self.range

    def cuts(self) -> tuple[float, ...]:
        """The cut points of ``score_ranges`` that lie inside ``range``."""
        if self.range is None:
            return self.score_ranges
        low, high = self.range
        return tuple(c for c in self.score_ranges if low < c < high)


#: The name under which the settings are collected.
Settings = Regression
