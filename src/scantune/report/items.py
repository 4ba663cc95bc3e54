"""An item of a reporting checklist, and its answer from the facts of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scantune.report.facts import RunFacts

AUTHOR = "to be completed by the author"


@dataclass(frozen=True)
class Item:
    """An item of a checklist.

    Attributes:
        number: as published ("12", "9a").
        section: of the manuscript.
        asks: what it asks for, in short.
        fill: the answer from a run's facts; "" where they don't have it. None: only the author can know.
    """

    number: str
    section: str
    asks: str
    fill: Callable[[RunFacts], str] | None = None


@dataclass(frozen=True)
class Answer:
    """An item with its answer; ``filled`` is False where the author has to write."""

    item: Item
    text: str
    filled: bool


def answers(items: Sequence[Item], facts: RunFacts) -> list[Answer]:
    """Every item with its answer."""
    answered = []
    for item in items:
        text = item.fill(facts) if item.fill is not None else ""
        answered.append(Answer(item, text or AUTHOR, bool(text)))
    return answered
