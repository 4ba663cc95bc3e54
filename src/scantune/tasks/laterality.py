"""Answers of the right and of the left of the body, which swap when an image is mirrored."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_RIGHT = re.compile(r"(?<![A-Za-z])(right|Right|RIGHT)(?![A-Za-z])")
_LEFT = {"right": "left", "Right": "Left", "RIGHT": "LEFT"}


def pairs(names: Sequence[str], configured: Mapping[str, str] | None = None) -> dict[str, str]:
    """Name of the right to its name of the left: as stated, else those that differ in the word right or left alone
    (``right_apex`` and ``left_apex``, ``Effusion right`` and ``Effusion left``)."""
    if configured is not None:
        return dict(configured)
    left = {name: _RIGHT.sub(lambda word: _LEFT[word[0]], name) for name in names}
    return {right: other for right, other in left.items() if other != right and other in names}


def mirrored(names: Sequence[str], configured: Mapping[str, str] | None = None) -> tuple[int, ...]:
    """For each name the index of the one whose place it takes when the image is mirrored left-right."""
    left_of = pairs(names, configured)
    swap = {**left_of, **{left: right for right, left in left_of.items()}}
    return tuple(list(names).index(swap.get(name, name)) for name in names)


def named(names: Iterable[str]) -> bool:
    """Whether a name has the word left or right: ``kidney-left``, ``right_effusion``."""
    return any({"left", "right"} & set(re.split(r"[^a-z]+", name.lower())) for name in names)


def unpaired(names: Sequence[str], configured: Mapping[str, str] | None = None) -> list[str]:
    """Names of one side that no other takes the place of when the image is mirrored; none where that is stated."""
    places = mirrored(names, configured)
    return [name for place, name in enumerate(names) if configured is None and places[place] == place and named([name])]
