"""Assignment of subjects to sides: by digest, in order, balanced in labels. Independent of tables."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Label = TypeVar("Label", bound=Hashable)


def by_digest(subjects: Sequence[str], seed: int) -> list[str]:
    """Subjects in an order that depends on ``seed`` and their own ids, not on who else is there or in which order."""
    return sorted(subjects, key=lambda subject: (hashlib.sha256(f"{seed}:{subject}".encode()).digest(), subject))


def counts(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Integers that sum to ``total`` and are nearest to the shares (largest remainders; Hamilton's method).

    Every side with a share gets at least one where there are enough for that.
    """
    exact = {side: total * share for side, share in shares.items()}
    assigned = {side: math.floor(value + 1e-9) for side, value in exact.items()}
    rest = sorted(shares, key=lambda side: assigned[side] - exact[side])
    for side in rest[: total - sum(assigned.values())]:
        assigned[side] += 1
    required = [side for side, share in shares.items() if share > 0]
    for side in required:
        largest = max(assigned, key=lambda s: assigned[s])
        if assigned[side] == 0 and total >= len(required) and assigned[largest] > 1:
            assigned[side], assigned[largest] = 1, assigned[largest] - 1
    return assigned


def cut(subjects: Sequence[str], shares: Mapping[str, float]) -> dict[str, str]:
    """Subject to side: the first so many to the first side, the next to the second."""
    sides: list[str] = []
    for side, count in counts(len(subjects), shares).items():
        sides += [side] * count
    return dict(zip(subjects, sides, strict=True))


def alike(labels: Mapping[str, frozenset[Label]], shares: Mapping[str, float], seed: int) -> dict[str, str]:
    """Subject to side such that each label has about its share on every side.

    Iterative stratification (Sechidis, Tsoumakas & Vlahavas, ECML 2011, algorithm 1): the label with the fewest
    subjects left is dealt first, each subject to the side that wants that label most. Ties go by what the side wants
    in all, then by the order of sides; subjects of equal labels are dealt in the order of their digests.

    Args:
        labels: each subject's labels; one or several, or none.
        shares: each side's share, in sum 1.
        seed: of the digests.
    """
    sides = [side for side, share in shares.items() if share > 0]
    room: dict[str, float] = {side: float(count) for side, count in counts(len(labels), shares).items()}
    left: dict[Label, list[str]] = {}
    for subject in by_digest(list(labels), seed):
        for label in labels[subject]:
            left.setdefault(label, []).append(subject)
    given = {label: dict.fromkeys(sides, 0) for label in left}
    total = {label: len(members) for label, members in left.items()}
    assigned: dict[str, str] = {}

    def quota(label: Label) -> dict[str, float]:
        """What each side is to have of a label: whole numbers of a rare one, so that each side has one where there are
        enough, and what is over goes to the sides with most room, else all rare labels would meet in the same ones."""
        exact = {side: total[label] * shares[side] for side in sides}
        if min(exact.values()) >= 1:
            return exact
        roomy = sorted(sides, key=lambda side: -room[side])
        return dict(counts(total[label], {side: shares[side] for side in roomy}))

    def give(subject: str, ranking: Sequence[str]) -> None:
        side = next((s for s in ranking if room[s] >= 1), ranking[0])
        assigned[subject] = side
        room[side] -= 1
        for label in labels[subject]:
            given[label][side] += 1

    while left:
        label = min(left, key=lambda name: (len(left[name]), repr(name)))
        wanted = quota(label)
        for subject in left.pop(label):
            if subject not in assigned:
                give(subject, sorted(sides, key=lambda s: (given[label][s] - wanted[s], -room[s], sides.index(s))))
        left = {name: rest for name, members in left.items() if (rest := [m for m in members if m not in assigned])}
    for subject in by_digest([s for s in labels if s not in assigned], seed):
        give(subject, sorted(sides, key=lambda s: (-room[s], sides.index(s))))
    return assigned
