"""Reporting checklists: each item filled from the run's facts, or marked as the author's to fill.

Sources: CLAIM, 2024 update (Tejani et al., Radiology: Artificial Intelligence 2024;6:e240300, doi 10.1148/ryai.240300),
44 items; TRIPOD+AI (Collins et al., BMJ 2024;385:e078378, doi 10.1136/bmj-2023-078378), 27 items with their parts.
Numbers and sections are the published ones; the descriptions are in words of our own, and the published text counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scantune.report.facts import RunFacts

AUTHOR = "author to fill"


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
    found = []
    for item in items:
        text = item.fill(facts) if item.fill is not None else ""
        found.append(Answer(item, text or AUTHOR, bool(text)))
    return found


def checklists() -> dict[str, tuple[Item, ...]]:
    """Title to items."""
    from scantune.report.claim import CLAIM
    from scantune.report.tripod import TRIPOD

    return {"CLAIM, 2024 update": CLAIM, "TRIPOD+AI": TRIPOD}


SOURCES = {
    "CLAIM, 2024 update": "Tejani et al., Radiology: Artificial Intelligence 2024;6:e240300, doi 10.1148/ryai.240300",
    "TRIPOD+AI": "Collins et al., BMJ 2024;385:e078378, doi 10.1136/bmj-2023-078378",
}
"""Title to where the checklist was published."""
