"""Tables that name several files of one subject in each row: of both eyes, of all visits."""

from __future__ import annotations

from dataclasses import replace

from scantune.amounts import number_of
from scantune.proposal import headings
from scantune.proposal.listing import stem
from scantune.proposal.source import Content

_SHARED = 0.5  # of the names of a column that the other table has, from which on it names files of its rows
_SUBJECT = "subject"


def one_name_a_row(other: Content, content: Content) -> Content:
    """The table with a row for each name; itself where fewer than two of its columns have names that the other has.

    Where neither table says the subject, the number of the row does: files of one row are of one subject.

    Args:
        other: a table to be joined to the rows of ``content``, such as ``left,right`` with a file of each eye.
        content: a table with a row a file.
    """
    for column in content.columns:
        names = {stem(row[column]): row[column] for row in content.rows if row[column]}
        if len(names) < len(content.rows) or all(name.isdecimal() and len(name) < 6 for name in names):
            continue
        naming = [c for c in other.columns if _names(other, c, names)]
        cells = [stem(row[c]) for row in other.rows for c in naming if row[c]]
        if len(naming) > 1 and len(set(cells)) == len(cells):
            return _apart(other, content, column, naming, names)
    return other


def _names(other: Content, column: str, names: dict[str, str]) -> bool:
    cells = [stem(row[column]) for row in other.rows if row[column]]
    return sum(cell in names for cell in cells) > _SHARED * len(cells)


def _apart(other: Content, content: Content, column: str, naming: list[str], names: dict[str, str]) -> Content:
    rest = [c for c in other.columns if c not in naming and c != column]
    told = headings.subject_of(content.columns, content.rows) or headings.subject_of(rest, other.rows)
    own = [column, *([] if told else [_SUBJECT]), *(c for c in rest if c != _SUBJECT or told)]
    rows = [
        {**row, **({} if told else {_SUBJECT: f"row {i}"}), column: names.get(stem(row[c]), row[c])}
        for i, row in enumerate(other.rows, 1) for c in naming if row[c]
    ]  # fmt: skip
    note = (
        f"columns {', '.join(naming)} name {number_of(len(naming), 'file')} of one subject in each row"
        + ("" if told else f": the column {_SUBJECT!r} has the number of the row")
    )  # fmt: skip
    return replace(other, columns=own, rows=rows, places=[], notes=[*other.notes, note])
