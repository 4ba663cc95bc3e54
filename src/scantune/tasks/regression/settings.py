"""Settings of the regression task."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from scantune.config.base import Block
from scantune.tasks.base import TaskSettings
from scantune.tasks.directions import Direction, named_ranges
from scantune.tasks.joining import AggregateField
from scantune.tasks.suggestion import LabelTable, Suggestion, one_target

MEANS = ("r2", "pearson_r", "spearman_rho")
"""Metrics of an epoch that are means over several targets: those that have no unit."""


def epoch_metrics(cuts: Sequence[float], suffix: str = "") -> dict[str, Direction]:
    """Metrics of an epoch of one target with their direction; ``mae_below_5``, ``mae_5_to_15``, ``mae_from_15`` for
    cut points 5 and 15. Of one among several they end in ``suffix``, and R² is among them."""
    directions: dict[str, Direction] = {"mae": "min", "rmse": "min", "pearson_r": "max", "spearman_rho": "max"}
    directions |= {f"mae_{name}": "min" for name, _, _ in named_ranges(cuts)}
    directions |= {"r2": "max"} if suffix else {}
    return {f"{name}{suffix}": way for name, way in directions.items()}


class Measure(Block):
    """A number that is predicted: what it may be, and which errors matter."""

    range: tuple[float, float] | None = None
    """Lowest and highest value that the target can take; predictions are cut off there. None: any number."""

    significant_error: float | None = Field(None, gt=0)
    """An absolute error above this counts as clinically significant, in units of the target. None: no error is called
    so, and ``clinical_error_rate`` is not given."""

    score_ranges: tuple[float, ...] = ()
    """Cut points of the target between which errors are given apart: ``[5, 15]`` for below 5, 5 to 15 and from 15.
    Those outside ``range`` are dropped."""

    round: float | None = Field(None, gt=0)
    """Predictions are rounded to multiples of this (0.5 for half points). None: not rounded."""

    unit: str = ""
    """Unit of the target (``years``), on the axes of figures and beside predictions; empty for a score."""

    @field_validator("range")
    @classmethod
    def _rising(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and value[0] >= value[1]:
            raise ValueError(f"range {list(value)}: the lowest value comes first and must be below the highest")
        return value

    @field_validator("score_ranges")
    @classmethod
    def _ascending(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if any(a >= b for a, b in itertools.pairwise(value)):
            raise ValueError(f"score_ranges {list(value)}: cut points must ascend, such as [5, 15]")
        return value

    def cuts(self) -> tuple[float, ...]:
        """The cut points of ``score_ranges`` that lie inside ``range``."""
        if self.range is None:
            return self.score_ranges
        low, high = self.range
        return tuple(c for c in self.score_ranges if low < c < high)

    def gives(self, metric: str) -> bool:
        """Whether a metric is given: errors are significant only beyond a limit that is stated."""
        return metric != "clinical_error_rate" or self.significant_error is not None


HEADLINE = (
    *("mae", "rmse", "r2", "pearson_r", "spearman_rho", "ccc", "icc_2_1", "bland_altman_bias"),
    "clinical_error_rate",
)
_OF_EACH = ("mae", "spearman_rho", "r2", "ccc", "bland_altman_bias", "clinical_error_rate")


def headline_with(measures: Mapping[str, Measure]) -> tuple[str, ...]:
    """Metrics of the subgroups, the baselines and the summary; of several targets the mean of their R², which has no
    unit, comes first.

    Args:
        measures: what the names of each target's metrics end in ("" of a single target) to the target.
    """
    if list(measures) == [""]:
        return tuple(name for name in HEADLINE if measures[""].gives(name))
    first, *others = (
        [f"{name}{suffix}" for suffix, measure in measures.items() if measure.gives(name)] for name in _OF_EACH
    )
    return ("r2", *first, "spearman_rho", "ccc", *(name for names in others for name in names))


class Regression(TaskSettings, Measure):
    """One number a sample, such as a severity score; or several, each with metrics of its own."""

    default_loss: ClassVar[str] = "mse"
    loss_targets: ClassVar[tuple[str, ...]] = ("numbers",)
    calibrations: ClassVar[tuple[str, ...]] = ()

    name: Literal["regression"] = "regression"

    target: str = "target"
    """Name of the target among the data set's ``targets``."""

    targets: dict[str, Measure] | None = None
    """Several targets of one network in place of ``target``: a list of names, or each name with a block of its own
    ``range``, ``significant_error``, ``score_ranges``, ``round`` and ``unit``; where it has none, that of the task
    holds. An empty cell is an unknown value: the sample counts for its other targets."""

    aggregate: AggregateField | None = None
    """How several samples of a study or subject join, ``mean``, ``median`` or ``max``. None: they do not."""

    @model_validator(mode="before")
    @classmethod
    def _each_target(cls, block: Any) -> Any:
        if not isinstance(block, Mapping):
            return block
        if isinstance(block.get("target"), (list, dict)):
            raise ValueError(f"target {list(block['target'])}: several targets are named by the key targets")
        several = block.get("targets")
        if isinstance(several, list) and len(set(map(str, several))) < len(several):
            raise ValueError(f"targets {several}: a name occurs twice")
        if isinstance(several, (list, tuple)):
            several = dict.fromkeys(several)
        if not isinstance(several, Mapping):
            return block
        common = {key: block[key] for key in Measure.model_fields if key in block}
        measures = {name: one.model_dump() if isinstance(one, Measure) else one for name, one in several.items()}
        merged = {
            name: {**common, **(one or {})} if isinstance(one or {}, Mapping) else one for name, one in measures.items()
        }
        return {**block, "targets": merged}

    @model_validator(mode="after")
    def _consistent(self) -> Regression:
        if self.aggregate is not None and self.aggregate.name == "vote":
            raise ValueError("aggregate: vote counts classes; a regression aggregates by mean, median or max")
        names = list(self.targets or ())
        if self.targets is not None and self.target != "target":
            raise ValueError(f"target {self.target!r} and targets {names}: name the targets by one of the two keys")
        if len(names) == 1:
            raise ValueError(f"targets {names}: a single target is named by the key target")
        for name in names:
            if "/" in name:
                raise ValueError(f"target {name!r}: a name has no /, which separates names in predictions.csv")
        return self

    @classmethod
    def suggest(cls, table: LabelTable) -> Suggestion | None:
        """For a column of many numbers, or of fractions."""
        return one_target("regression", table.target) if table.measured(table.target) else None

    @classmethod
    def from_columns(cls, columns: Sequence[str]) -> dict[str, Any]:
        """Several targets, of a file that has ``prediction/<name>`` of each."""
        named = [name.removeprefix("prediction/") for name in columns if name.startswith("prediction/")]
        return {"targets": named} if len(named) > 1 and "prediction" not in columns else {}

    def measures(self) -> dict[str, Measure]:
        """Target to what it may be, in the order of the network's outputs."""
        return dict(self.targets or {self.target: self})

    def suffix(self, name: str) -> str:
        """What names of columns and metrics of a target end in: nothing where there is only one."""
        return f"/{name}" if self.targets else ""

    @property
    def one_target(self) -> bool:  # type: ignore[override]
        """Whether there is only one."""
        return self.targets is None

    @property
    def takes_empty_targets(self) -> bool:  # type: ignore[override]
        """Of several targets some may be unknown."""
        return self.targets is not None

    def target_names(self) -> tuple[str, ...]:
        """The targets of the data set that it needs."""
        return tuple(self.measures())

    def target_columns(self, targets: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
        """``target``; of several ``target/<name>``."""
        return {f"target{self.suffix(name)}": cells for name, cells in targets.items()}

    def target_rules(self) -> dict[str, dict[str, object]]:
        """What may stand in the targets: numbers within the range."""
        ends = {name: measure.range or (None, None) for name, measure in self.measures().items()}
        return {name: {"number": True, "min": low, "max": high} for name, (low, high) in ends.items()}

    def headline_metrics(self) -> tuple[str, ...]:
        """Those of the target; of several their means and those of each."""
        return headline_with({self.suffix(name): measure for name, measure in self.measures().items()})

    def epoch_metrics(self) -> dict[str, Direction]:
        """Metrics of an epoch, and which way each is better."""
        directions: dict[str, Direction] = dict.fromkeys(MEANS, "max") if self.targets else {}
        for name, measure in self.measures().items():
            directions |= epoch_metrics(measure.cuts(), self.suffix(name))
        return directions

    def starts_from_targets(self, loss: str) -> bool:
        """Their mean and standard deviation."""
        return True

    @property
    def output_range(self) -> tuple[float, float] | None:
        """``range`` of a single target."""
        return None if self.targets else self.range


#: The name under which the settings are collected.
Settings = Regression
