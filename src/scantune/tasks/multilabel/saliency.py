"""What a map explains of findings: what speaks for each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from scantune.records import ScantuneError
from scantune.tasks.questions import MapQuestion, MaskQuestion, unit

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.tasks.multilabel.task import MultilabelTask

PLACED = False


def questions(output: Tensor, task: object = None) -> list[MapQuestion]:
    """What speaks for each finding, by an output [F, 1]."""
    return [MapQuestion(unit(place), (place,)) for place in range(len(output))]


def main_question(task: MultilabelTask, prediction: str, count: int) -> int:
    """The finding that the prediction in words names first: the most probable of those called present."""
    named = re.sub(r"^none \(", "", prediction)
    matching = [
        place for place, name in enumerate(task.findings[:count]) if re.match(re.escape(name) + r" \(?[0-9–]", named)
    ]
    return max(matching, key=lambda place: len(task.findings[place]), default=0)


def subject(task: MultilabelTask, index: tuple[int, ...]) -> str:
    """The finding."""
    return task.findings[index[0]].replace("_", " ")


def notes(task: MultilabelTask) -> list[str]:
    """What the numbers in brackets are."""
    return ["In brackets the calibrated probability of each finding that is called present."]


def mask_questions(
    task: MultilabelTask, output: Tensor, evidence: str | None, targets: Mapping[str, str]
) -> Iterator[MaskQuestion]:
    """The finding that masks are evidence of, where it is present; without one each that is present, the mask's label 1
    being the first finding.

    Raises:
        ScantuneError: ``evidence`` is no finding.
    """
    if evidence is not None and evidence not in task.findings:
        listed = ", ".join(task.findings)
        raise ScantuneError(f"evaluate.saliency.mask_class: {evidence!r} is not one of the findings {listed}")
    for place, (name, state) in enumerate(zip(task.findings, task.encode(targets).tolist())):
        if state == 1 and evidence in (None, name):
            yield unit(place), place + 1 if evidence is None else None
