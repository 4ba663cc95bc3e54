"""A table as it comes (CSV with any common separator and encoding, Excel, SPSS, SAS, Stata …) as rows of text."""

from __future__ import annotations

import gzip
import io
import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType

from scantune.amounts import number_of
from scantune.cohort import excel, markup, old_excel, other_tables, statistics_files
from scantune.cohort.delimited import SEPARATORS, bare, csv_lines, decoded, separator_of, without_statement
from scantune.cohort.excel import Sheet
from scantune.cohort.faults import CohortError, Fault
from scantune.cohort.file_names import TABLES

_EXCEL_MAGIC = b"PK\x03\x04"
_START = 1 << 12  # bytes that show what a file is


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        line: its line in the table as a spreadsheet or editor counts it; 1 is the header.
        cells: column to text, blanks around it removed; "" is an empty cell.
    """

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Table:
    """A complete table.

    Attributes:
        columns: names as they stand in the header, blanks around them removed; ``column 3`` where the third has none.
        rows: all rows that are not blank throughout.
        notes: what was noticed while reading (encoding, separator), for the terminal.
        unusable: (line, column) of cells without a reliable value → reason.
        remarks: column → what one should know of its cells.
        merged: (line, column) of cells that merging with the one above has emptied → line of the first of them.
    """

    columns: tuple[str, ...]
    rows: list[Row]
    notes: tuple[str, ...] = ()
    unusable: Mapping[tuple[int, str], str] = field(default_factory=dict)
    remarks: Mapping[str, str] = field(default_factory=dict)
    merged: Mapping[tuple[int, str], int] = field(default_factory=dict)


def read_table(
    path: Path,
    *,
    separator: str | None = None,
    sheet: str | None = None,
    header: int = 1,
    decimal: str = ".",
    max_megabytes: float = 100.0,
    repeated: bool = False,
) -> Table:
    """Read a CSV, Excel, HTML, SPSS, SAS, Stata, Parquet or Feather file, as its content shows.

    Every cell stays text: 007 is not 7.

    Args:
        path: the file.
        separator: of a CSV; without it the one that the header shows.
        sheet: of an Excel file; without it the first.
        header: line of the column names; lines above it are ignored.
        decimal: sign that numbers of an Excel file are written with; those of a CSV stay as they are.
        max_megabytes: of the file, of an Excel file unpacked, that are read.
        repeated: accept two columns of one name; the second is called ``name (2)``.

    Raises:
        CohortError: the file is not there, is too large, is empty, has two columns of one name, quotes that are not
            closed, or rows with more or fewer cells than the header (all such rows); a sheet of a file that has none.
    """
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob("*") if p.name.lower().removesuffix(".gz").endswith(TABLES))
        raise CohortError(f"no table {path}", [f"tables in its folder: {near}" if near else "its folder has no table"])
    _check_size(path, path.stat().st_size, max_megabytes)
    content = path.read_bytes()
    if path.suffix.lower() == ".gz":
        content = _unpacked(content, path, max_megabytes)
    wrong = other_tables.refusal(content)
    if wrong:
        raise CohortError(f"table {path.name}", [wrong])
    stated = _in_columns(content, path, decimal, max_megabytes)
    if stated is not None:
        _refuse_sheet(path, sheet)
        return _reliable(_checked(path, *stated, header, quotes=False, repeated=repeated))
    book = _excel(content)
    if book is not None:
        _check_size(path, book.unpacked(content, path), max_megabytes, "unpacked ")
        return _reliable(_of_sheet(book.read_sheet(content, path, sheet, decimal), path, header, repeated))
    text, notes = decoded(content)
    if text.count("\0") > len(text) // 4:
        words = "it has NUL bytes: it is no text, or UTF-16 without its mark; save it as CSV in UTF-8"
        raise CohortError(f"table {path.name}", [words])
    if not text.strip():
        raise CohortError(f"table {path.name}", ["it is empty: a header with the column names and one row per sample"])
    if markup.is_markup(text):
        return _reliable(_of_sheet(markup.read_markup(content, path, sheet, decimal), path, header, repeated))
    _refuse_sheet(path, sheet)
    text, stated_separator = without_statement(text)
    separator = separator or stated_separator or separator_of(text, path, header)
    lines, notes = list(csv_lines(text, separator, path)), (*notes, f"separator {separator!r}")
    return _reliable(_checked(path, lines, notes, header, quotes=True, repeated=repeated))


def _unpacked(content: bytes, path: Path, most: float) -> bytes:
    """What a gzip file holds, where that is not too large."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            unpacked = file.read(int(most * 1e6) + 1 if most < float("inf") else -1)
    except (OSError, EOFError, zlib.error) as error:
        raise CohortError(f"table {path.name}", [f"not a readable gzip file ({type(error).__name__})"]) from None
    _check_size(path, len(unpacked), most, "unpacked ")
    return unpacked


def _refuse_sheet(path: Path, sheet: str | None) -> None:
    if sheet is not None:
        raise CohortError(f"table {path.name}", [f"sheet {sheet!r}: the file has no sheets; remove the key"])


def _in_columns(
    content: bytes, path: Path, decimal: str, max_megabytes: float
) -> tuple[list[tuple[int, list[str]]], tuple[str, ...]] | None:
    """Lines and notes of a file whose columns have names and types; None for others."""
    reader, read = statistics_files.reader_of(content), other_tables.reader_of(content)
    if reader:
        return statistics_files.lines_of(content, path, reader, decimal)
    if read is None:
        return None
    _check_size(path, other_tables.unpacked(content), max_megabytes, "unpacked ")
    return other_tables.lines_of(content, path, read, decimal), ()


def _excel(start: bytes) -> ModuleType | None:
    """The module that reads a file of Excel, by its first bytes; None for others."""
    return excel if start.startswith(_EXCEL_MAGIC) else old_excel if start.startswith(old_excel.START) else None


def _of_sheet(sheet: Sheet, path: Path, header: int, repeated: bool) -> Table:
    lines = [(line, [bare(cell) for cell in cells]) for line, cells in sheet.lines]
    table = _checked(path, lines, sheet.notes, header, quotes=False, repeated=repeated)
    names, rows = table.columns, {row.line for row in table.rows}
    for kind in (sheet.percent, sheet.plain):  # a number above the rows, as in a title, is of no column
        kind.update({at: [line for line in lines if line in rows] for at, lines in kind.items()})
    merged = {(line, names[at]): first for (line, at), first in sheet.merged.items() if at < len(names)}
    return replace(table, unusable=_unusable(sheet, table), remarks=_percent(sheet, names), merged=merged)


def sheet_names(path: Path, max_megabytes: float = 100.0) -> list[str]:
    """Sheets of an Excel file that are visible; none of another file, or of one that :func:`read_table` refuses."""
    with path.open("rb") as file:
        start = file.read(_START)
    try:
        _check_size(path, path.stat().st_size, max_megabytes)
        book = _excel(start)
        if book is None:
            known = markup.is_markup(decoded(start[: _START // 2 * 2])[0])
            return markup.sheets_of(path.read_bytes(), path) if known else []
        content = path.read_bytes()
        _check_size(path, book.unpacked(content, path), max_megabytes, "unpacked ")
        return list(book.visible_sheets(content, path))
    except CohortError:
        return []


def row_at(path: Path, line: int, sheet: str | None = None) -> list[str]:
    """Cells of a line of a table as it stands there, such as a title above the header; [] where there is none.

    Args:
        path: a table that :func:`read_table` reads.
        line: 1 is the first.
        sheet: of an Excel file; without it the first.
    """
    content = path.read_bytes()
    book, stated = _excel(content), _in_columns(content, path, ".", float("inf"))
    lines: Iterable[tuple[int, list[str]]]
    if stated is not None:
        lines, _ = stated
    elif book is not None:
        lines = book.read_sheet(content, path, sheet).lines
    elif markup.is_markup(text := decoded(content)[0]):
        lines = markup.read_markup(content, path, sheet).lines
    else:
        lines = csv_lines(text, separator_of(text, path, line + 1), path)
    return next(([bare(cell) for cell in cells] for number, cells in lines if number == line), [])


def _reliable(table: Table) -> Table:
    """The table, cells unusable of which a letter was lost in a change of encoding, so that two names can have become
    one, and those in which a spreadsheet wrote an error or ``####``."""
    lost = "a letter of it is lost (U+FFFD, or no letter of Latin-1): save the table anew, as CSV in UTF-8"
    found = (
        ((row.line, name), lost if "\ufffd" in cell else excel.error_in_words(cell))
        for row in table.rows
        for name, cell in row.cells.items()
        if cell[:1] == "#" or "\ufffd" in cell
    )
    return replace(table, unusable={**{place: words for place, words in found if words}, **table.unusable})


def _check_size(path: Path, size: int, most: float, how: str = "") -> None:
    if size > most * 1e6:
        limit = f"at most {most:g} MB are read (of labels: datasets.<name>.max_table_megabytes)"
        raise CohortError(f"table {path.name}", [f"{how}it has {size / 1e6:,.0f} MB; {limit}"])


def _unusable(sheet: Sheet, table: Table) -> dict[tuple[int, str], str]:
    """Cells without a reliable value, by line and column; percent and plain numbers in one column too."""
    header, read = table.columns, {row.line for row in table.rows}
    unusable = {
        (line, header[at]): what for (line, at), what in sheet.unusable.items() if at < len(header) and line in read
    }
    for at, lines in sheet.percent.items():
        if at < len(header) and lines and sheet.plain.get(at):
            what = (
                f"shown as percent (25 % is stored as 0.25), as {len(lines)} cells of its column are, and "
                f"{len(sheet.plain[at])} are plain numbers: give the column one format"
            )
            unusable |= {(line, header[at]): what for line in lines}
    return unusable


def _percent(sheet: Sheet, header: Sequence[str]) -> dict[str, str]:
    return {
        header[at]: f"shown as percent and read as fractions, 25 % is 0.25: {number_of(len(lines), 'cell')}"
        for at, lines in sheet.percent.items()
        if at < len(header) and lines and not sheet.plain.get(at)
    }


def _checked(
    path: Path,
    lines: Iterable[tuple[int, list[str]]],
    notes: Sequence[str],
    first: int,
    *,
    quotes: bool,
    repeated: bool,
) -> Table:
    """Header and rows; faults of their form are gathered and raised together."""
    lines = list(lines)
    header: list[str] | None = None
    rows: list[Row] = []
    faults: list[Fault] = []
    odd: list[tuple[int, list[str]]] = []
    for line, cells in lines:
        if line < first or not any(cells):
            continue
        if header is None:
            header, unnamed = _names(cells, lines)
            notes = (*notes, *unnamed)
            header = _numbered(header) if repeated else header
            faults += _header_faults(header, line)
            first = line
            continue
        if len(cells) > len(header) and not any(cells[len(header) :]):
            cells = cells[: len(header)]
        if len(cells) != len(header):
            odd.append((line, cells))
            continue
        if len(header) > 1 and cells == header:
            faults.append(Fault("the header again: two tables one below the other? remove this row", line))
        row = Row(line, dict(zip(header, cells, strict=True)))
        faults += [Fault("a NUL byte in the cell", line, name) for name, cell in row.cells.items() if "\0" in cell]
        rows.append(row)
    if header is None or not (rows or odd or faults):
        faults.append(Fault("it has no rows: a header with the column names and one row per sample"))
    title = _title(header or [], first, odd, rows)
    faults += [title] if title else [Fault(_ragged(cells, header or [], quotes), line) for line, cells in odd]
    if faults:
        raise CohortError(f"table {path.name}", faults)
    return Table(tuple(header or ()), rows, tuple(notes))


def _title(header: Sequence[str], line: int, odd: Sequence[tuple[int, list[str]]], rows: Sequence[Row]) -> Fault | None:
    """One fault where the header is shorter than all rows: a title stands above it, or it lacks a name."""
    if not odd or len(rows) > len(odd) or any(len(cells) <= len(header) for _, cells in odd):
        return None
    below, cells = odd[0]
    names = [cell for cell in cells if cell]
    words = f"{len(header)} names where the rows below have {len(cells)} cells"
    if len(set(names)) == len(cells) and not any(re.fullmatch(r"[-+]?[\d.,]+%?", name) for name in names):
        return Fault(f"{words}: is the header in row {below} (then set 'header: {below}')?", line)
    return Fault(f"{words}: does a column lack its name, or is this a title ('header' is the header's row)?", line)


def _names(cells: list[str], lines: Sequence[tuple[int, list[str]]]) -> tuple[list[str], tuple[str, ...]]:
    """The header with names for columns that have none (``column 3``), and a note of them.

    Columns without a name at its end are columns where a row has a cell in them and three quarters of all have a name.
    """
    width = _used(cells)
    if sum(map(bool, cells)) >= 0.75 * len(cells):
        width = max([width, *(_used(row) for _, row in lines if len(row) == len(cells))])
    header = cells[:width]
    named = [name or f"column {i}" for i, name in enumerate(header, 1)]
    unnamed = [name for name, before in zip(named, header, strict=True) if not before]
    return named, (f"columns without a name are called {', '.join(unnamed)}",) if unnamed else ()


def _used(cells: Sequence[str]) -> int:
    """Cells up to the last one that is not empty."""
    return max((i for i, cell in enumerate(cells, start=1) if cell), default=0)


def _numbered(header: Sequence[str]) -> list[str]:
    """The header with a number behind names that were there before: ``score``, ``score (2)``."""
    seen: Counter[str] = Counter()
    names = []
    for name in header:
        seen[unicodedata.normalize("NFC", name)] += 1
        count = seen[unicodedata.normalize("NFC", name)]
        names.append(f"{name} ({count})" if count > 1 else name)
    return names


def _header_faults(header: list[str], line: int) -> list[Fault]:
    count = Counter(unicodedata.normalize("NFC", name) for name in header)
    twice = [name for name, n in count.items() if n > 1]
    return [Fault("the header has this column more than once", line, name) for name in twice]


def _ragged(cells: list[str], header: list[str], quotes: bool) -> str:
    message = f"{len(cells)} cells where the header has {len(header)}"
    others = [mark for mark in SEPARATORS if any(cell.count(mark) >= len(header) - 1 > 0 for cell in cells)]
    if others and len(cells) < len(header):
        return f"{message}: it seems to be separated by {others[0]!r}, unlike the header"
    if quotes and any('"' in cell for cell in cells):
        return f"{message}: is a quotation mark not closed?"
    if quotes and len(cells) > len(header):
        return f"{message}: quote cells that contain the separator"
    return message
