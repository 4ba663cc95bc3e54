"""Columns that lead to files in tables of several rows a file, and ids with the name of a finding behind them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from scantune.amounts import number_of
from scantune.cohort.template import fields
from scantune.proposal import headings
from scantune.proposal.headers import by_header
from scantune.proposal.listing import Listing, stem
from scantune.proposal.matching import by_chance, by_id, by_path, by_template
from scantune.proposal.source import Content

FINDING = "finding"
"""Column of the part of an id that names a finding."""
_FEWEST = 4  # files
_LOOKED = 200  # rows that are looked at to see whether a column leads to files
_NAMES = (2, 40)  # names behind ids
_SIGNS = "_- ."
_LONGEST = 300  # letters of a cell that can begin with a file's name
_CLASSES = re.compile(r"class|label|categor", re.I)  # of a column with numbers behind ids


def key_of(content: Content, listing: Listing, table: str) -> list[str]:
    """The columns that lead to files and whose cells stand in several rows; none where rows have files of their own.

    Args:
        content: the table.
        listing: the files.
        table: its name.
    """
    columns, rows = content.columns, content.rows
    if not rows or not listing.names:
        return []
    some = rows[:_LOOKED]
    for column in columns:
        cells = [row[column] for row in rows if row[column]]
        if len(cells) >= _FEWEST and len(set(cells)) == len(cells) and not by_chance(column, rows):
            ids = by_id([column], some, listing)[1] if headings.is_id(column) else []
            leading = [by_template([column], some, listing, table)[1], by_path([column], some, listing)[1]]
            if any(map(any, leading)) or any(ids):
                return []
    template, files = by_template(columns, rows, listing, table)
    key = fields(template)
    column, named = by_path(columns, rows, listing)
    led = len({f for f in files if f})
    if led < _FEWEST or led < len({f for f in named if f}):  # a number in few names may lead there by chance
        key, files = [column], named
    names = [file for file in files if file]
    if len(set(names)) < _FEWEST or all(by_chance(c, rows) for c in key):
        stated = _by_header(content, listing, len(set(names)))
        if stated is not None:
            return stated
    if len(set(names)) >= _FEWEST:
        return key if len(set(names)) < len(names) else []
    return _by_id(content, listing)


def _by_id(content: Content, listing: Listing) -> list[str]:
    """The column whose ids stand in most names of files, looked at once each."""
    best, most = "", 0
    for column in content.columns:
        firsts = list({row[column]: row for row in reversed(content.rows) if row[column]}.values())
        if not headings.is_id(column) or not _FEWEST <= len(firsts) < len(content.rows):
            continue
        count = sum(map(bool, by_id([column], firsts, listing)[1]))
        if count >= max(_FEWEST, len(firsts) // 2) and count > most:
            best, most = column, count
    if not best:
        match = by_header(content.columns, content.rows, listing)
        return match.key if match and match.rows > _distinct(content, match.key) else []
    return [best]


def _by_header(content: Content, listing: Listing, by_numbers: int) -> list[str] | None:
    """The columns whose cells stand in headers, [] where rows have files of their own; None where names are surer."""
    column, _ = by_id([c for c in content.columns if headings.is_id(c)], content.rows, listing)
    if column and not by_chance(column, content.rows):
        return None
    match = by_header(content.columns, content.rows, listing)
    if match is None or not match.surer_than(by_numbers):
        return None
    return match.key if match.rows > _distinct(content, match.key) else []


def _distinct(content: Content, columns: Sequence[str]) -> int:
    """Number of combinations of cells in some columns, none of them empty."""
    return len({cells for row in content.rows if all(cells := tuple(row[c] for c in columns))})


def with_ids_apart(content: Content, listing: Listing) -> Content:
    """The table with ids such as ``ID_0012_epidural`` as two columns, where ``ID_0012`` alone is the name of a file."""
    stems = {stem(name) for name in listing.names}
    for column in content.columns:
        cells = [row[column].replace("\\", "/") for row in content.rows]
        if any(stem(cell) in stems for cell in cells[:_LOOKED]) or not any(_parts(c, stems) for c in cells[:_LOOKED]):
            continue
        parts = [_parts(cell, stems) for cell in cells]
        word = _CLASSES.search(column)
        if word and all(part[1].isdecimal() for part in parts if part):
            parts = [part and (part[0], f"{word[0].lower()}_{part[1]}") for part in parts]
        known = [part for part in parts if part]
        names, files = {name for _, name in known}, {file for file, _ in known}
        named = all(any(letter.isalpha() for letter in name) for name in names)
        if named and _NAMES[0] <= len(names) <= _NAMES[1] and len(known) >= max(_FEWEST, 2 * len(files)):
            kept = [i for i, part in enumerate(parts) if part]
            rows = [
                {**content.rows[i], column: part[0], FINDING: part[1]} for i in kept if (part := parts[i]) is not None
            ]
            left = (
                f"; left out: {number_of(len(cells) - len(kept), 'row')} without a file"
                if len(kept) < len(cells)
                else ""
            )
            note = f"column {column!r} has names of findings behind the ids ({', '.join(sorted(names)[:6])}){left}"
            return replace(
                content, columns=[*_without(content.columns, FINDING), FINDING], rows=rows, anew=True,
                notes=[*content.notes, note], places=[content.places[i] for i in kept] if content.places else [],
            )  # fmt: skip
    return content


def _without(columns: Sequence[str], column: str) -> list[str]:
    return [c for c in columns if c != column]


def _parts(cell: str, stems: set[str]) -> tuple[str, str] | None:
    """The longest beginning of a cell that is the name of a file, with or without ending, and what follows a sign."""
    for at in range(len(cell) - 2 if len(cell) <= _LONGEST else 0, 0, -1):
        if cell[at] in _SIGNS and stem(cell[:at]) in stems:
            return cell[:at], cell[at + 1 :]
    return None
