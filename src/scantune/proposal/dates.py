"""Dates of a table in the form that the names of files have: 10.03.2021 beside ``P01_20210310.png``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta

from scantune.proposal import headings
from scantune.proposal.cleaning import are_dates
from scantune.proposal.listing import Listing
from scantune.proposal.source import Content

_IN_NAMES = re.compile(r"(?<!\d)(\d{8}|\d{4}[-_.]\d\d[-_.]\d\d|\d\d[-_.]\d\d[-_.]\d{4})(?!\d)")

_READINGS = {
    "year, month, day": re.compile(r"(?P<y>\d{4})[./-]?(?P<m>\d{1,2})[./-]?(?P<d>\d{1,2})"),
    "day, month, year": re.compile(r"(?P<d>\d{1,2})[./-](?P<m>\d{1,2})[./-](?P<y>\d{4}|\d\d)"),
    "month, day, year": re.compile(r"(?P<m>\d{1,2})[./-](?P<d>\d{1,2})[./-](?P<y>\d{4}|\d\d)"),
    "days of a spreadsheet": re.compile(r"(?P<days>[2-5]\d{4})(\.\d+)?"),
}
_NAMED = re.compile(r"date|datum|fecha|visit|scan|exam|study", re.I)  # a column that may have days of a spreadsheet
_FIRST_DAY = date(1899, 12, 30)  # day 0 of spreadsheets
_LATEST = 69  # two digits up to which a year is of this century, as POSIX has it
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
        if len(cells) < 2 or not (are_dates(cells) or _are_days(column, cells)):
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
    dates = {cell: _date(reading, re.split(r"[ T]", cell.strip())[0]) for cell in cells}
    return {
        cell: form.format(y=f"{day.year:04}", m=f"{day.month:02}", d=f"{day.day:02}")
        for cell, day in dates.items()
        if day
    }


def _date(reading: str, text: str) -> date | None:
    match = _READINGS[reading].fullmatch(text)
    if not match:
        return None
    part = {name: int(digits) for name, digits in match.groupdict().items()}
    if "days" in part:
        return _FIRST_DAY + timedelta(days=part["days"])
    century = (2000 if part["y"] <= _LATEST else 1900) if len(match["y"]) == 2 else 0
    try:
        return date(century + part["y"], part["m"], part["d"])
    except ValueError:
        return None


def _are_days(column: str, cells: Iterable[str]) -> bool:
    """Whether a column has dates as a spreadsheet counts them: 44265 for 10.03.2021."""
    days = _READINGS["days of a spreadsheet"]
    return _NAMED.search(column) is not None and all(days.fullmatch(cell.strip()) for cell in cells)
