"""What a map explains of a segmentation: each structure where the network puts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from scantune.tasks.questions import MapQuestion, MaskQuestion, dense

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.tasks.segmentation.task import SegmentationTask

PLACED = True


def questions(output: Tensor, task: SegmentationTask | None = None) -> list[MapQuestion]:
    """What speaks for each structure, by an output [K, …space]; channel 0 is the background where classes exclude each
    other."""
    exclusive = task is None or not task.overlapping
    first = 1 if exclusive and output.shape[0] > 1 else 0
    return [MapQuestion(dense(c, exclusive=exclusive), (c,)) for c in range(first, output.shape[0])]


def regions(output: Tensor, task: SegmentationTask) -> list[Tensor]:
    """Where the network puts each structure of :func:`questions`, bool [… space], by an output [K, …space]."""
    by_sign = output.shape[0] == 1 or task.overlapping
    channels = [question.index[0] for question in questions(output, task)]
    return [output[c] > 0 if by_sign else output.argmax(0) == c for c in channels]


def _label(task: SegmentationTask, channel: int) -> int:
    """The label, from 1, that a channel is about."""
    return channel + 1 + len(task.foreground) - task.outputs


def main_question(task: SegmentationTask, prediction: str, count: int) -> int:
    """The first structure."""
    return 0


def subject(task: SegmentationTask, index: tuple[int, ...]) -> str:
    """The structure."""
    return task.foreground[_label(task, index[0]) - 1]


def notes(task: SegmentationTask) -> list[str]:
    """A structure explains itself."""
    return []


def mask_questions(
    task: SegmentationTask, output: Tensor, evidence: str | None, targets: Mapping[str, str]
) -> Iterator[MaskQuestion]:
    """Each structure against its own label of the mask."""
    several = len(task.foreground) > 1
    for question in questions(output, task):
        yield question.target, _label(task, question.index[0]) if several else None
