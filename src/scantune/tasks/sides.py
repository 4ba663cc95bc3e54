"""Outputs of the right and of the left side, which swap when an image is mirrored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_RIGHT = re.compile(r"(?<![a-z])right(?![a-z])", re.IGNORECASE)


def pairs(names: Sequence[str], configured: Mapping[str, str] | None = None) -> dict[str, str]:
    """Name of the right to its name of the left: as stated, else by the words right and left (``right_sup``,
    ``kidney-left``)."""
    if configured is not None:
        return dict(configured)
    known = {name.casefold(): name for name in names}
    left = {name: _RIGHT.sub("left", name).casefold() for name in names if _RIGHT.search(name)}
    return {right: known[other] for right, other in left.items() if other in known}


def mirrored(names: Sequence[str], configured: Mapping[str, str] | None = None) -> tuple[int, ...]:
    """For each name the index of the one whose place it takes when the image is mirrored left-right."""
    left_of = pairs(names, configured)
    swap = {**left_of, **{left: right for right, left in left_of.items()}}
    return tuple(list(names).index(swap.get(name, name)) for name in names)
