"""What a map explains of survival: the predicted risk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from scantune.tasks.questions import MapQuestion, MaskQuestion

if TYPE_CHECKING:
    from torch import Tensor

    from scantune.tasks.survival.task import SurvivalTask

PLACED = False


def _risk(output: Tensor) -> Tensor:
    """The log relative hazard of an output [1]; the cumulative hazard of one of intervals, [K, 1]."""
    from torch.nn import functional

    return output.reshape(-1)[0] if output.ndim == 1 else functional.softplus(output).sum()


def questions(output: Tensor, task: object = None) -> list[MapQuestion]:
    """What raises the risk."""
    return [MapQuestion(_risk)]


def main_question(task: SurvivalTask, prediction: str, count: int) -> int:
    """There is one question."""
    return 0


def subject(task: SurvivalTask, index: tuple[int, ...]) -> str:
    """There is one question, which needs no words."""
    return ""


def notes(task: SurvivalTask) -> list[str]:
    """What the maps are of."""
    return ["Maps show what raises the predicted risk of the event."]


def mask_questions(
    task: SurvivalTask, output: Tensor, evidence: str | None, targets: Mapping[str, str]
) -> Iterator[MaskQuestion]:
    """The map of the risk is compared with everything that the mask marks."""
    yield _risk, None
