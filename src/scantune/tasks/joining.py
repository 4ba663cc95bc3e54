"""How several samples of one study or subject become one prediction, as a setting. Shared by the tasks' schemas."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from scantune.config.base import Block, by_name

#: How predictions join. ``vote`` counts the predicted classes and serves classes only.
Rule = Literal["mean", "median", "max", "vote"]


class Aggregate(Block):
    """Loops, views or slices of one study or subject joined to one prediction; figures are given at both levels."""

    name: Rule
    """``mean``, ``median``, ``max`` of the predictions, or ``vote`` (share of samples predicted as each class)."""

    by: str = "subject_id"
    """The column whose equal values belong together: ``subject_id``, or a column of ``predictions.csv`` (a study)."""


#: Short (``aggregate: mean``) or full form (``aggregate: {name: mean, by: study}``).
AggregateField = Annotated[Aggregate, BeforeValidator(by_name)]
