"""What a map explains of a regression: the predicted number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from scantune.tasks.questions import MapQuestion, MaskQuestion, unit

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.tasks.regression.task import RegressionTask

PLACED = False


def questions(output: Tensor) -> list[MapQuestion]:
    """What raises the number."""
    return [MapQuestion(unit(0))]


def main_question(task: RegressionTask, prediction: str, count: int) -> int:
    """There is one question."""
    return 0


def subject(task: RegressionTask, index: tuple[int, ...]) -> str:
    """There is one question, which needs no words."""
    return ""


def notes(task: RegressionTask) -> list[str]:
    """A number explains itself."""
    return []


def mask_questions(
    task: RegressionTask, output: Tensor, evidence: str | None, targets: Mapping[str, str]
) -> Iterator[MaskQuestion]:
    """The number is held against all that is marked."""
    yield unit(0), None
