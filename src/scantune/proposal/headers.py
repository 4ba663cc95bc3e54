"""Rows whose ids stand in the headers of DICOM files: patient and day, accession number, UIDs."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from scantune import io
from scantune.amounts import number_of
from scantune.proposal import headings
from scantune.proposal.cleaning import are_dates
from scantune.proposal.folders import images_of
from scantune.proposal.listing import Listing, are_dicom, first_file
from scantune.proposal.matching import Rows

_FEWEST = 4  # ids that must be in headers
_HEADERS = 20_000  # files whose headers are read
_PATIENT = "PatientID"
_COUNTED = "StudyID"  # a running number of many devices, which a column of numbers has by chance
_DAYS = ("StudyDate", "AcquisitionDate", "SeriesDate", "ContentDate")
_ROWS = "Rows"  # of an image: reports and presentation states have none


@dataclass(frozen=True)
class HeaderMatch:
    """Files of each row of a table, by a column whose cells stand in their headers.

    Attributes:
        column: of the table.
        keyword: the attribute of DICOM that has its cells.
        files: of each row; [] where no header has its id.
        day: the column whose day the files of a row were taken on, where that tells a patient's studies apart.
        notes: what was noticed.
    """

    column: str
    keyword: str
    files: list[list[str]]
    day: str = ""
    notes: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows that have files."""
        return sum(map(bool, self.files))

    @property
    def key(self) -> list[str]:
        """Columns that together lead to the files."""
        return [self.column, *([self.day] if self.day else [])]

    def surer_than(self, by_numbers: int) -> bool:
        """Whether these files are rather meant than those with numbers in their names that cells may have by chance.

        Args:
            by_numbers: rows or files that such numbers lead to.
        """
        named = headings.is_id(self.column) and self.keyword != _COUNTED
        return named and self.rows >= max(_FEWEST, by_numbers) and 2 * self.rows >= len(self.files)


@dataclass(frozen=True)
class _Headers:
    """What headers of a listing state: files by keyword and id, the day of each file, and those without an image."""

    with_id: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    day: dict[str, str] = field(default_factory=dict)
    no_image: int = 0


@lru_cache(maxsize=1)
def _headers(listing: Listing) -> _Headers:
    """Headers of the files; empty where these are not DICOM, or very many."""
    images = images_of(listing)
    if not images or len(images) > _HEADERS or not are_dicom(listing.root, images):
        return _Headers()
    with_id: dict[tuple[str, str], list[str]] = defaultdict(list)
    days: dict[str, str] = {}
    no_image = 0
    for name in images:
        path = listing.root / name
        stated = io.read_texts(first_file(path), (*io.NAMED_BY, *_DAYS, _ROWS))
        if stated and not stated[_ROWS] and path.is_file():
            no_image += 1
            continue
        days[name] = next((stated[k][:8] for k in _DAYS if stated.get(k)), "")
        for keyword in io.NAMED_BY:
            if stated.get(keyword):
                with_id[keyword, stated[keyword]].append(name)
    return _Headers(dict(with_id), days, no_image)


def by_header(columns: Sequence[str], rows: Rows, listing: Listing) -> HeaderMatch | None:
    """The column whose cells most headers have, and the files of each row; None where few have.

    Ids that differ in zeros in front, signs between and case are one (a spreadsheet turns ``001200`` into 1200), where
    that makes no two ids of the headers, or of the column, alike. A patient's row has the files of its day where a
    column of days agrees with the headers.

    Args:
        columns: of the table.
        rows: cells by column.
        listing: the files.
    """
    headers = _headers(listing)
    keywords = sorted({keyword for keyword, _ in headers.with_id})
    found = {
        k: _of_forms({text: files for (kind, text), files in headers.with_id.items() if kind == k}) for k in keywords
    }
    cells = {c: [row[c].removesuffix(".0") for row in rows] for c in columns}
    forms = {c: _forms(own) for c, own in cells.items()}
    tried = [
        (len({cell for cell in own if _of(cell, forms[c], found[k])}), -keywords.index(k), c, k)
        for c, own in cells.items() for k in keywords
    ]  # fmt: skip
    count, _, column, keyword = max(tried, default=(0, 0, "", ""))
    if count < _FEWEST:
        return None
    files = [_of(cell, forms[column], found[keyword]) for cell in cells[column]]
    left = f"{headers.no_image} DICOM files without an image, such as reports, are left out"
    match = HeaderMatch(column, keyword, files, notes=[left] if headers.no_image else [])
    return _of_days(match, rows, headers.day) if keyword == _PATIENT else match


def _of_days(match: HeaderMatch, rows: Rows, taken: Mapping[str, str]) -> HeaderMatch:
    """The match with the files of each row's day, where most rows with files have some of the day in a column."""
    best: list[list[str]] = []
    chosen, most = "", 0
    for column in rows[0] if rows else ():
        texts = [row[column] for row in rows]
        if not are_dates(texts):
            continue
        for day_first in (True, False):
            days = [_day(text, day_first) for text in texts]
            files = [[f for f in own if d and taken.get(f) == d] for own, d in zip(match.files, days, strict=True)]
            count = sum(map(bool, files))
            if count > most:
                best, chosen, most = files, column, count
    if 2 * most >= match.rows:
        gone = match.rows - most
        without = f"; not used: {number_of(gone, 'row')} of days without a file" if gone else ""
        note = f"a row has the files whose StudyDate is the day in column {chosen!r}{without}"
        return replace(match, files=best, day=chosen, notes=[*match.notes, note])
    several = sum(len({taken.get(f, "") for f in own}) > 1 for own in match.files)
    if not several:
        return match
    note = (
        f"{number_of(several, 'row')} of column {match.column!r} {'has' if several == 1 else 'have'} files of several "
        "days (StudyDate), which all get the row's target: is it the same on each day? A column with the "
        "day of the study, or its accession number, would tell them apart"
    )
    return replace(match, notes=[*match.notes, note])


def _day(text: str, day_first: bool) -> str:
    """YYYYMMDD of a date as tables have it; "" for what is none."""
    parts = re.match(r"\d{8}(?!\d)|\d+[./-]\d+[./-]\d+", text.strip())
    if parts is None:
        return ""
    if parts[0].isdecimal():
        return parts[0]
    numbers = [int(part) for part in re.split(r"[./-]", parts[0])]
    if numbers[0] > 999:
        year, month, day = numbers
    else:
        day, month, year = numbers if day_first or "." in parts[0] else (numbers[1], numbers[0], numbers[2])
    year += 0 if year > 99 else 2000 if year < 70 else 1900
    return f"{year:04d}{month:02d}{day:02d}"


def _of(cell: str, forms: Mapping[str, str], found: Mapping[str, list[str]]) -> list[str]:
    """Files of an id as it is written, else of its plain form."""
    return found.get(cell) or found.get(forms.get(cell, ""), [])


def _of_forms(files: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Ids of headers and their plain forms → files."""
    return {**{form: files[text] for text, form in _forms(files).items()}, **files}


def _forms(texts: Iterable[str]) -> dict[str, str]:
    """Id → its plain form, where no other id has the same."""
    forms = {text: re.sub(r"[^a-z0-9]", "", text.casefold()).lstrip("0") for text in set(texts)}
    alike = Counter(forms.values())
    return {text: form for text, form in forms.items() if form and alike[form] == 1}
