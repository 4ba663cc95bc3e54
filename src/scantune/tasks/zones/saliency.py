"""What a map explains of graded zones: each zone's predicted grade."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from scantune.tasks.questions import MapQuestion, MaskQuestion, zone

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.tasks.zones.task import ZonesTask

PLACED = True


def questions(output: Tensor, task: object = None) -> list[MapQuestion]:
    """What speaks for each zone's predicted grade, by an output [Z, K]."""
    return [
        MapQuestion(zone(place, grade), (place, grade)) for place, grade in enumerate(output.argmax(dim=1).tolist())
    ]


def main_question(task: ZonesTask, prediction: str, count: int) -> int:
    """The zone with the highest predicted grade, of grades in words ("0 2 – 1"); the first of several."""
    grades = [int(word) if word.isdigit() else -1 for word in prediction.split()][:count]
    return max(range(len(grades)), key=lambda place: (grades[place], -place), default=0)


def subject(task: ZonesTask, index: tuple[int, ...]) -> str:
    """Zone and grade."""
    return f"{task.zones[index[0]].replace('_', ' ')}: {task.classes[index[1]]}"


def notes(task: ZonesTask) -> list[str]:
    """The order of the grades."""
    return [f"Grades in the order {', '.join(name.replace('_', ' ') for name in task.zones)}; – is ungradable."]


def mask_questions(
    task: ZonesTask, output: Tensor, evidence: str | None, targets: Mapping[str, str]
) -> Iterator[MaskQuestion]:
    """Each zone that the model calls affected; the mask's label 1 is the first zone."""
    for question in questions(output):
        place, grade = question.index
        if 0 < grade < task.grades:
            yield question.target, place + 1
