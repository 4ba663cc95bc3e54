"""Left and right: whose side a file or a column is of, and the cells of a row that are of a sample's own side."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from scantune.proposal.source import Source

_LEFT, _RIGHT = ("left", "l", "os", "links", "linkes", "gauche", "izquierdo"), ("right", "r", "od", "rechts", "rechtes")
_SIDES = {**dict.fromkeys(_LEFT, "left"), **dict.fromkeys((*_RIGHT, "droite", "derecho"), "right")}


def parts(name: str) -> tuple[str, str]:
    """A side, "" for none or both, and the name without it: ``Left-Fundus`` is left, ``fundus``."""
    words = re.findall(r"[^\W\d_]+|\d+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    sides = {_SIDES[word] for word in words if word in _SIDES}
    return (sides.pop() if len(sides) == 1 else ""), " ".join(word for word in words if word not in _SIDES)


def with_own_cells(source: Source, sides: Sequence[str]) -> Source:
    """The source with one column for two that are named alike but for left and right: the cells of a sample's side.

    Args:
        source: a row a sample.
        sides: of each sample; "" in one of them leaves all as it is.
    """
    if not all(sides) or len(set(sides)) < 2:
        return source
    named: dict[str, dict[str, str]] = defaultdict(dict)
    for column in source.columns:
        side, rest = parts(column)
        if side and rest:
            named[rest].setdefault(side, column)
    pairs = {rest: own for rest, own in named.items() if len(own) == 2}
    if not pairs:
        return source
    cells = {}
    for rest, own in pairs.items():
        name = rest if rest not in source.columns else f"{rest} of the side"
        cells[name] = [row[own[side]] for row, side in zip(source.rows, sides, strict=True)]
    left = {column for own in pairs.values() for column in own.values()}
    result = source.rewritten(cells)
    result.columns = [column for column in result.columns if column not in left]
    listed = "; ".join(f"{own['left']}, {own['right']}" for own in list(pairs.values())[:4])
    result.notes = [*result.notes, f"each sample has the cells of its side alone ({listed})"]
    return result
