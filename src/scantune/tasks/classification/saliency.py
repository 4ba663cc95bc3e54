"""What a map explains of a classification: the predicted class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from scantune.class_names import label
from scantune.records import ScantuneError
from scantune.tasks.questions import MapQuestion, MaskQuestion, Target, unit

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.tasks.classification.task import ClassificationTask

PLACED = False


def questions(output: Tensor, task: object = None) -> list[MapQuestion]:
    """What speaks for the predicted class, by an output [K], or [1] where one logit stands for two classes."""
    logits = output.reshape(-1)
    best = int(logits[0] > 0) if len(logits) == 1 else int(logits.argmax())
    return [MapQuestion(_towards(best, len(logits)), (best,))]


def _towards(number: int, outputs: int) -> Target:
    """What speaks for a class; of one logit the first class is what lowers it."""
    return unit(0, 1.0 if number else -1.0) if outputs == 1 else unit(number)


def main_question(task: ClassificationTask, prediction: str, count: int) -> int:
    """There is one question."""
    return 0


def subject(task: ClassificationTask, index: tuple[int, ...]) -> str:
    """The class."""
    return f"class {task.classes[index[0]]}"


def notes(task: ClassificationTask) -> list[str]:
    """A class explains itself."""
    return []


def mask_questions(
    task: ClassificationTask, output: Tensor, evidence: str | None, targets: Mapping[str, str]
) -> Iterator[MaskQuestion]:
    """The class that masks are evidence of, on its own samples; without one the predicted class.

    Raises:
        ScantuneError: ``evidence`` is no class.
    """
    if evidence is None:
        yield from ((question.target, None) for question in questions(output))
        return
    names = [label(name) for name in task.classes]
    if label(evidence) not in names:
        listed = ", ".join(task.classes)
        raise ScantuneError(f"evaluate.saliency.mask_class: {evidence!r} is not one of the classes {listed}")
    if label(targets[task.target]) == label(evidence):
        yield _towards(names.index(label(evidence)), task.outputs), None
