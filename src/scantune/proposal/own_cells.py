"""Rows of several samples: left and right, or visits, and the cells of a row that are of one sample alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from scantune.proposal.source import Source

LABEL = "label"
"""Column for columns that a side alone names: ``OD`` and ``OS``."""
_LEFT, _RIGHT = ("left", "l", "os", "links", "linkes", "gauche", "izquierdo"), ("right", "r", "od", "rechts", "rechtes")
_SIDES = {**dict.fromkeys(_LEFT, "left"), **dict.fromkeys((*_RIGHT, "droite", "derecho"), "right")}


def words_of(name: str) -> list[str]:
    """The words of a name, sides of the body as left and right: ``Score_V1`` is score, v1; ``12OD`` 12, right."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    return [_SIDES.get(word, word) for word in re.findall(r"[^\W\d_]+\d*|\d+", apart)]


def telling(columns: Sequence[str]) -> set[str]:
    """Words that may tell a row's samples apart: the sides, and what columns of one name otherwise differ in."""
    return {"left", "right"}.union(*_families(columns).values())


def _families(columns: Sequence[str]) -> dict[tuple[int, tuple[str, ...]], dict[str, str]]:
    """Columns that are named alike but for one word, by that word; a name of one word where that is a side."""
    families: dict[tuple[int, tuple[str, ...]], dict[str, str]] = defaultdict(dict)
    for column in columns:
        own = words_of(column)
        for at, word in enumerate(own if len(own) > 1 or side_of_body(column) else ()):
            if not word.isdecimal():
                families[at, (*own[:at], *own[at + 1 :])].setdefault(word, column)
    return {key: named for key, named in families.items() if len(named) > 1}


def side_of_body(name: str) -> str:
    """Left or right where a name says one of them; else ""."""
    sides = set(words_of(name)) & {"left", "right"}
    return sides.pop() if len(sides) == 1 else ""


def with_own_cells(source: Source, names: Sequence[str]) -> Source:
    """The source with one column for several that are named alike but for a word that tells a row's samples apart.

    Each sample has the cells of the column whose word its name has: of ``grade OD`` and ``grade OS`` that of its eye,
    of ``score_V1`` and ``score_V2`` that of its visit; of ``V1 grade OD`` … ``V2 grade OS`` that of both.

    Args:
        source: a row a sample.
        names: of each sample: its path, or the column that it is of.
    """
    words = [set(words_of(name)) for name in names]
    cells: dict[str, list[str]] = {}
    merged: list[dict[str, str]] = []
    for (_, rest), columns in _families(source.columns).items():
        marks = [own & columns.keys() for own in words]
        if not all(len(own) == 1 for own in marks) or len(set().union(*marks)) < 2:
            continue
        if any(column in known.values() for known in merged for column in columns.values()):
            continue  # by two words: the other one tells the columns apart that result
        name = " ".join(rest) or LABEL
        name = f"{name} of the sample" if name in source.columns else name
        cells[name] = [row[columns[next(iter(own))]] for row, own in zip(source.rows, marks, strict=True)]
        merged.append(columns)
    if not merged:
        return source
    left = {column for columns in merged for column in columns.values()}
    result = source.rewritten(cells)
    result.columns = [column for column in result.columns if column not in left]
    listed = "; ".join(", ".join(columns.values()) for columns in merged[:4])
    result.notes = [*result.notes, f"each sample has the cells of its own side or visit alone ({listed})"]
    return with_own_cells(result, names)
