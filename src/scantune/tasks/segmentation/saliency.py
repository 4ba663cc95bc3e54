"""What a map explains of a segmentation: each structure where the network puts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from scantune.tasks.questions import MapQuestion, MaskQuestion, dense

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.tasks.segmentation.task import SegmentationTask

PLACED = True


def questions(output: Tensor) -> list[MapQuestion]:
    """What speaks for each structure, by an output [K, …space]; channel 0 of several is the background."""
    first = 0 if output.shape[0] == 1 else 1
    return [MapQuestion(dense(channel), (channel,)) for channel in range(first, output.shape[0])]


def main_question(task: SegmentationTask, prediction: str, count: int) -> int:
    """The first structure."""
    return 0


def subject(task: SegmentationTask, index: tuple[int, ...]) -> str:
    """The structure."""
    return task.foreground[index[0] - (len(task.foreground) > 1)]


def notes(task: SegmentationTask) -> list[str]:
    """A structure explains itself."""
    return []


def mask_questions(
    task: SegmentationTask, output: Tensor, evidence: str | None, targets: Mapping[str, str]
) -> Iterator[MaskQuestion]:
    """Each structure against its own label of the mask."""
    for question in questions(output):
        yield question.target, question.index[0] if len(task.foreground) > 1 else None
