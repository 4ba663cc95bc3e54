"""Sides of a table in the form that the names of files have: ``right`` beside ``9000099R.png``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from scantune.proposal import headings
from scantune.proposal.listing import ENDING, Listing, stem
from scantune.proposal.own_cells import side_of_body
from scantune.proposal.source import Content

_FORMS = (("l", "r"), ("left", "right"), ("os", "od"), ("le", "re"))
_SIGNS = ("", "_", "-", " ")
_NUMBERS = ({"1", "2"}, {"0", "1"})
_SHARE = 0.5  # of the rows that must lead to a file so
_MOST = 20  # cells of a column of sides
_SIDED = re.compile(r"side|later|knee|hip|hand|foot|eye|breast|seite|auge|knie", re.I)
CODED = "the sides in column"
"""Start of a note of sides that are numbers."""


def with_sides_as_named(content: Content, listing: Listing) -> Content:
    """The table with columns of left and right as names of files have them behind an id.

    Args:
        content: a table. Of sides that are numbers (1 and 2) a note is added: which is which cannot be known.
        listing: the files.
    """
    ids = [c for c in content.columns if headings.is_id(c)]
    stems: dict[str, str] = {}
    cells_of = {column: {row[column] for row in content.rows} - {""} for column in content.columns}
    sides_of = {c: {cell: side_of_body(cell) for cell in cells} for c, cells in cells_of.items() if len(cells) <= _MOST}
    by_words = {c for c, sides in sides_of.items() if set(sides.values()) == {"left", "right"}}
    for column, sides in sides_of.items():
        cells = cells_of[column]
        numbers = not by_words and _numbers(column, cells, ids, content)
        if not (numbers or column in by_words):
            continue
        stems = stems or {stem(name): ENDING.sub("", name.rpartition("/")[2]) for name in listing.names}
        starts = [
            [f"{row[one]}{sign}".lower() for row in content.rows] for one in ids if one != column for sign in _SIGNS
        ]
        own = [row[column].lower() for row in content.rows]
        if numbers and any(start + cell in stems for some in starts for start, cell in zip(some, own, strict=True)):
            continue
        found = [
            [stems[start + side] for start in some for side in form if start + side in stems]
            for some in starts for form in _FORMS
        ]  # fmt: skip
        names, form = max(zip(found, _FORMS * len(starts), strict=True), key=lambda one: len(one[0]), default=([], ()))
        if len(names) < _SHARE * len(content.rows):
            continue
        written = {text.lower(): text for text in (name[-len(side) :] for name in names for side in form)}
        left, right = (written.get(side, side) for side in form)
        if numbers:
            listed = " and ".join(sorted(cells))
            words = (
                f"{CODED} {column!r} are {listed}, those in names of files {left!r} and {right!r}: write these into "
                "the table, since nothing says which number is which"
            )
            return replace(content, notes=[*content.notes, words])
        shown = {cell: left if side == "left" else right for cell, side in sides.items()}
        if all(cell == text for cell, text in shown.items()):
            continue
        rows = [{**row, column: shown.get(row[column], row[column])} for row in content.rows]
        cell = min(shown)
        note = f"sides in {column!r} are written as in the names of files: {cell!r} is {shown[cell]!r}"
        content = replace(content, rows=rows, anew=True, notes=[*content.notes, note])
    return content


def _numbers(column: str, cells: set[str], ids: Sequence[str], content: Content) -> bool:
    """Whether a column can have sides as numbers: 1 and 2 by its name, and no id has one of them twice."""
    if not (_SIDED.search(column) and {cell.removesuffix(".0") for cell in cells} in _NUMBERS):
        return False
    return any(len({(row[one], row[column]) for row in content.rows}) == len(content.rows) for one in ids)
