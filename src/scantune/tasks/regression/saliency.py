"""What a map explains of a regression: each predicted number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from scantune.records import ScantuneError
from scantune.tasks.questions import MapQuestion, MaskQuestion, unit

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.tasks.regression.task import RegressionTask

PLACED = False


def questions(output: Tensor, task: object = None) -> list[MapQuestion]:
    """What raises the number, or each of several."""
    if output.numel() == 1:
        return [MapQuestion(unit(0))]
    return [MapQuestion(unit(place), (place,)) for place in range(output.numel())]


def main_question(task: RegressionTask, prediction: str, count: int) -> int:
    """The first target stands for the sample."""
    return 0


def subject(task: RegressionTask, index: tuple[int, ...]) -> str:
    """The target; "" where there is only one."""
    return task.labels[index[0]].replace("_", " ") if index else ""


def notes(task: RegressionTask) -> list[str]:
    """A number explains itself."""
    return []


def mask_questions(
    task: RegressionTask, output: Tensor, evidence: str | None, targets: Mapping[str, str]
) -> Iterator[MaskQuestion]:
    """Each number is compared with all that is marked; of several targets only that which masks are evidence of, if one
    is named.

    Raises:
        ScantuneError: ``evidence`` is none of several targets.
    """
    if task.labels and evidence is not None and evidence not in task.labels:
        listed = ", ".join(task.labels)
        raise ScantuneError(f"evaluate.saliency.mask_class: {evidence!r} is not one of the targets {listed}")
    for place, name in enumerate(task.measures):
        if not task.labels or evidence in (None, name):
            yield unit(place), None
