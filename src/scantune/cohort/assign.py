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
    subjects left is dealt first, to each side what it still wants of the label. Within a label the subjects are cut in
    the order of their digests, as :func:`cut` does, and not dealt in turn: a subject that comes, goes or gets another
    label moves the few others at the cuts, where a turn would move every one after it.

    Args:
        labels: each subject's labels; one or several, or none.
        shares: each side's share, in sum 1.
        seed: of the digests.
    """
    shares = {side: share for side, share in shares.items() if share > 0}
    room = counts(len(labels), shares)
    order = by_digest(list(labels), seed)
    left: dict[Label, list[str]] = {}
    for subject in order:
        for label in labels[subject]:
            left.setdefault(label, []).append(subject)
    taken = {label: dict.fromkeys(shares, 0) for label in left}
    total = {label: len(members) for label, members in left.items()}
    assigned: dict[str, str] = {}

    def give(members: Sequence[str], parts: Mapping[str, int]) -> None:
        sides = [side for side in shares for _ in range(parts[side])]
        for subject, side in zip(members, sides, strict=True):
            assigned[subject] = side
            room[side] -= 1
            for label in labels[subject]:
                taken[label][side] += 1

    while left:
        label = min(left, key=lambda name: (len(left[name]), repr(name)))
        quota = _quota(total[label], shares, room)
        wants = {side: max(0.0, quota[side] - taken[label][side]) for side in shares}
        members = left.pop(label)
        give(members, _parts(len(members), wants, room))
        left = {name: rest for name, members in left.items() if (rest := [m for m in members if m not in assigned])}
    give([s for s in order if s not in assigned], dict(room))
    return assigned


def _quota(total: int, shares: Mapping[str, float], room: Mapping[str, int]) -> Mapping[str, float]:
    """What each side is to have of a label: whole numbers of a rare one, so that each side has one where there are
    enough, and what is over goes to the sides with most room, else all rare labels would meet in the same ones."""
    exact = {side: total * share for side, share in shares.items()}
    if min(exact.values()) >= 1:
        return exact
    return counts(total, {side: shares[side] for side in sorted(shares, key=lambda s: -room[s])})


def _parts(total: int, wants: Mapping[str, float], room: Mapping[str, int]) -> dict[str, int]:
    """Integers that sum to ``total``, nearest to what the sides want, none above the room of its side."""
    if not any(wants.values()):
        wants = room
    every = sum(wants.values())
    exact = {side: total * want / every for side, want in wants.items()}
    parts = {side: math.floor(value + 1e-9) for side, value in exact.items()}
    for side in sorted(parts, key=lambda s: (parts[s] - exact[s], -room[s]))[: total - sum(parts.values())]:
        parts[side] += 1
    for side in parts:
        while parts[side] > room[side]:
            roomy = max(parts, key=lambda s: room[s] - parts[s])
            parts[side], parts[roomy] = parts[side] - 1, parts[roomy] + 1
    return parts
