"""What a table of labels seems to be for, as far as a task can tell: what ``scantune init`` writes blocks from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FEW = 10
"""Distinct values up to which a column is taken for classes."""
_LEVELS = 8  # distinct whole numbers, some above ten, from which on more are a scale
NONE = re.compile(r"^(no[ _-]?findings?|none|normal|healthy|negative)$", re.I)
"""Words of which a cell of findings says that there is none."""


@dataclass(frozen=True)
class LabelTable:
    """A table of labels.

    Attributes:
        cells: column to its texts, in the table's order.
        target: the column that was named, or else looks most like a target; "" where none does.
        named: the user named it.
        masks: template that leads to the samples' mask files; "" where none does.
        findings: columns of 1, 0, −1 and empty cells, of which several can be 1 at once.
    """

    cells: Mapping[str, Sequence[str]]
    target: str = ""
    named: bool = False
    masks: str = ""
    findings: Sequence[str] = ()

    def values(self, column: str) -> set[str]:
        """Distinct texts of a column, but for empty ones."""
        return {cell for cell in self.cells.get(column, ()) if cell}

    def numbers(self, column: str) -> list[float]:
        """Distinct values of a column in rising order; empty where a text is not a number."""
        try:
            return sorted(float(value) for value in self.values(column))
        except ValueError:
            return []

    def measured(self, column: str) -> bool:
        """Whether a column holds measurements: many distinct numbers, or three or more of which some are fractions.

        More than eight whole numbers are a scale too where they go beyond ten: an MMSE of 21 to 30.
        """
        numbers = self.numbers(column)
        scale = len(numbers) > _LEVELS and numbers[-1] > FEW
        return len(numbers) > FEW or scale or (len(numbers) > 2 and any(value % 1 for value in numbers))


@dataclass(frozen=True)
class Suggestion:
    """Blocks that a task suggests for a table.

    Attributes:
        dataset: keys of the dataset: targets or masks.
        task: the task's block.
        stratify: the target that the split is stratified on; "" for none.
        model: the network, where the task decides it.
        strength: 1 for any column of its kind, 2 for files beside the images, 3 for columns known by their names.
    """

    dataset: Mapping[str, Any]
    task: Mapping[str, Any]
    stratify: str = ""
    model: Mapping[str, Any] = field(default_factory=dict)
    strength: int = 1


def one_target(task: str, column: str) -> Suggestion:
    """The suggestion of a task with one target in one column."""
    short = re.sub(r"[^A-Za-z0-9]+", "_", column).strip("_").lower() or "target"
    return Suggestion({"targets": {short: column}}, {"name": task, "target": short}, short)
