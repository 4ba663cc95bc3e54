"""Which number of a network's output a map explains.

A target takes one sample's output, without the batch axis, and gives a scalar that keeps its gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

from torch import Tensor

from scantune.tasks.catalogue import part

if TYPE_CHECKING:
    from scantune.tasks.protocol import Task

Target = Callable[[Tensor], Tensor]


def unit(index: int = 0, sign: float = 1.0) -> Target:
    """One number of the output [K]: a class's logit or a regression's score.

    Args:
        index: which one.
        sign: −1 asks what lowers it (the negative class of a single logit; a low score).
    """
    return lambda output: sign * output.reshape(-1)[index]


def zone(zone: int, grade: int) -> Target:
    """The logit of one grade in one zone, of an output [Z, K]."""
    return lambda output: output[zone, grade]


def dense(channel: int = 0, region: Tensor | None = None, *, exclusive: bool = True) -> Target:
    """The mean logit of a class over a region, of an output [K, …space].

    Args:
        channel: class; with K = 1 the only one, told by its sign.
        region: bool [… space]; None is where the network itself puts the class (all places if nowhere).
        exclusive: classes exclude each other; else each is told by its sign.
    """

    def mean(output: Tensor) -> Tensor:
        where = region
        if where is None:
            by_sign = output.shape[0] == 1 or not exclusive
            where = output[channel] > 0 if by_sign else output.argmax(0) == channel
        logits = output[channel]
        return logits[where.to(logits.device)].mean() if bool(where.any()) else logits.mean()

    return mean


@dataclass(frozen=True)
class MapQuestion:
    """A number of the output that a map explains, and what that number is about.

    Attributes:
        target: for :func:`scantune.explain.maps.maps`.
        index: () for a score, (class,) for classes, (zone, grade) for zones, (channel,) for masks.
    """

    target: Target
    index: tuple[int, ...] = ()


#: What a mask is compared with: a target, and the label of the mask that it is about (None: anything marked).
MaskQuestion = tuple[Target, int | None]


class SaliencyOfTask(Protocol):
    """A task's ``saliency`` module: what is asked of a network about the answer that it gave."""

    PLACED: bool
    """A question is about one place of the image, which the mean over places of Grad-CAM forgets."""

    def questions(self, output: Tensor, task: Task) -> list[MapQuestion]:
        """What to ask about one sample's output, without the batch axis, of a network for ``task``."""
        ...

    def main_question(self, task: Task, prediction: str, count: int) -> int:
        """Which of ``count`` questions stands for the sample, by its prediction in words."""
        ...

    def subject(self, task: Task, index: tuple[int, ...]) -> str:
        """What a question is about, in words; "" where there is but one."""
        ...

    def notes(self, task: Task) -> list[str]:
        """What the words over a picture need to be understood."""
        ...

    def mask_questions(
        self, task: Task, output: Tensor, evidence: str | None, targets: Mapping[str, str]
    ) -> Iterator[MaskQuestion]:
        """The questions whose answer lies in the sample's mask.

        Args:
            task: the task.
            output: of the sample, without the batch axis.
            evidence: ``evaluate.saliency.mask_class``: the class that masks are evidence of.
            targets: the sample's targets, as text.

        Raises:
            ScantuneError: ``evidence`` is no class of the task.
        """
        ...


def of_task(task: str) -> SaliencyOfTask:
    """The ``saliency`` module of a task."""
    return cast(SaliencyOfTask, part(task, "saliency"))
