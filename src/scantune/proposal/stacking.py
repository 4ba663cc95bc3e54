"""Tables of the same columns for different files, one below the other: of numbered parts, of left and right."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from scantune.cohort.folders import SIDES
from scantune.proposal import headings
from scantune.proposal.own_cells import words_of
from scantune.proposal.source import Content

TABLE = "table"
"""Column with the name of the table that a row stood in."""
_PARTS = {"base", "part", "teil", "batch", "chunk", "block"}
_BODY = ("left", "right")


def stacked(contents: Sequence[tuple[Path, Content]], folder_name: str, notes: list[str]) -> list[tuple[Path, Content]]:
    """Tables named alike but for a part's number, or left and right, as one, where no id has a row in two of them.

    Args:
        contents: tables of a folder.
        folder_name: stands in for names without any other word.
        notes: to which what was done is added.
    """
    groups: dict[tuple[str, ...], list[tuple[Path, Content]]] = defaultdict(list)
    names_of: dict[tuple[str, ...], str] = {}
    for path, content in contents:
        words = words_of(path.stem)
        bare = [re.sub(r"\d+$", "", word) for word in words]
        of_part = [one in _PARTS or (not one and before in _PARTS) for one, before in zip(bare, ["", *bare])]
        words = [one for one, part in zip(words, of_part, strict=True) if not part]  # hospital1, lab 2 stay apart
        rest = "_".join(word for word in words if word not in _BODY)
        key: tuple[str, ...] = (str(path), content.sheet)
        if not (set(words) & set(SIDES) or content.marked or TABLE in content.columns):
            key = (str(path.parent), rest, *content.columns)
            names_of[key] = rest or folder_name
        groups[key].append((path, content))
    result: list[tuple[Path, Content]] = []
    for key, members in groups.items():
        if len({path for path, _ in members}) < 2 or len({p for p, _ in members}) < len(members) or not _apart(members):
            result += members
            continue
        path, first = members[0]
        rows = [{**row, TABLE: own.stem} for own, content in members for row in content.rows]
        places = [f"{place} of {own.name}" for own, content in members for place in content.places]
        told = list(dict.fromkeys(note for _, content in members for note in content.notes))
        whole = Content([*first.columns, TABLE], rows, first.header, told, anew=True, places=places)
        whole_path = path.with_name(f"{names_of[key]}{path.suffix}")
        result.append((path if any(own == whole_path for own, _ in contents) else whole_path, whole))
        names = ", ".join(own.name for own, _ in members)
        notes.append(f"{names} are one table: the column {TABLE!r} has the table of each row")
    return sorted(result, key=lambda pair: pair[0])


def _apart(members: Sequence[tuple[Path, Content]]) -> bool:
    """Whether a column of names or ids has every cell once in all the tables together."""
    for column in members[0][1].columns:
        cells = [row[column] for _, content in members for row in content.rows]
        named = headings.is_id(column) or not any(re.fullmatch(r"[-+\d.,]*", cell) for cell in cells)
        if named and len(set(cells)) == len(cells):
            return True
    return False


def alike_columns(one: Content, other: Content) -> bool:
    """Whether tables of two partitions share most columns, and all that are named like targets."""
    alike, unlike = {*one.columns} & {*other.columns}, {*one.columns} ^ {*other.columns}
    return len(alike) > len(unlike) and not any(headings.TARGET.search(column) for column in unlike)
