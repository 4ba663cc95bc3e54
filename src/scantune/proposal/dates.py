"""Dates of a table in the form that the names of files have: 10.03.2021 beside ``P01_20210310.png``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from scantune.proposal import headings
from scantune.proposal.cleaning import are_dates
from scantune.proposal.listing import Listing
from scantune.proposal.source import Content

_IN_NAMES = re.compile(r"(?<!\d)(\d{8}|\d{4}[-_.]\d\d[-_.]\d\d|\d\d[-_.]\d\d[-_.]\d{4})(?!\d)")

_READINGS = {
    "year, month, day": re.compile(r"(?P<y>\d{4})[./-]?(?P<m>\d{1,2})[./-]?(?P<d>\d{1,2})"),
    "day, month, year": re.compile(r"(?P<d>\d{1,2})[./-](?P<m>\d{1,2})[./-](?P<y>\d{4})"),
    "month, day, year": re.compile(r"(?P<m>\d{1,2})[./-](?P<d>\d{1,2})[./-](?P<y>\d{4})"),
}
_FORMS = tuple(
    sign.join(parts) for sign in ("", "-", "_", ".") for parts in (("{y}", "{m}", "{d}"), ("{d}", "{m}", "{y}"))
)
_SHARE = 0.5  # of the dates of a column that must stand in names of files


def with_dates_as_named(content: Content, listing: Listing) -> Content:
    """The table with columns of dates as names of files have them, where these have none of them as they are.

    Args:
        content: a table.
        listing: the files.
    """
    known: set[str] | None = None
    subject = headings.subject_of(content.columns, content.rows)
    for column in content.columns:
        cells = {row[column] for row in content.rows} - {""}
        if len(cells) < 2 or not are_dates(cells):
            continue
        known = {text for name in listing.names for text in _IN_NAMES.findall(name)} if known is None else known
        if not known or cells & known:
            continue
        ways = ((reading, form) for reading in _READINGS for form in _FORMS)
        named = {way: _written(cells, *way) for way in ways}
        counts = {way: len(known & set(texts.values())) for way, texts in named.items()}
        best = max(counts, key=lambda way: counts[way])
        if counts[best] < max(2, _SHARE * len(set(named[best].values()))):
            continue
        own = [row[subject] if subject else "" for row in content.rows]
        before = {(one, row[column]) for one, row in zip(own, content.rows, strict=True)}
        if len({(one, named[best].get(cell, cell)) for one, cell in before}) < len(before):
            continue  # two visits on one day, which the time told apart
        rows = [{**row, column: named[best].get(row[column], row[column])} for row in content.rows]
        cell = min(named[best])
        note = f"dates of {column!r} are written as in the names of files: {cell} ({best[0]}) is {named[best][cell]}"
        content = replace(content, rows=rows, anew=True, notes=[*content.notes, note])
    return content


def _written(cells: set[str], reading: str, form: str) -> Mapping[str, str]:
    """Cells that can be read so to their date in a form; without the time behind it."""
    matches = {cell: _READINGS[reading].fullmatch(re.split(r"[ T]", cell.strip())[0]) for cell in cells}
    dates = {cell: match.groupdict() for cell, match in matches.items() if match}
    valid = {cell: part for cell, part in dates.items() if 1 <= int(part["m"]) <= 12 and 1 <= int(part["d"]) <= 31}
    return {c: form.format(y=p["y"], m=p["m"].zfill(2), d=p["d"].zfill(2)) for c, p in valid.items()}
