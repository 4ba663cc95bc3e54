"""A table as it comes (CSV with any common separator and encoding, Excel) as rows of text."""

from __future__ import annotations

import csv
import datetime
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scantune.cohort.faults import CohortError, Fault

SEPARATORS = (",", ";", "\t")
_EXCEL_MAGIC = b"PK\x03\x04"
_OLD_EXCEL_MAGIC = b"\xd0\xcf\x11\xe0"


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
    """A table whole.

    Attributes:
        columns: names as they stand in the header, blanks around them removed.
        rows: all rows that are not blank throughout.
        notes: what was noticed while reading (encoding, separator), for the terminal.
    """

    columns: tuple[str, ...]
    rows: list[Row]
    notes: tuple[str, ...] = ()


def read_table(path: Path, *, separator: str | None = None, sheet: str | None = None) -> Table:
    """Read a CSV or Excel file; which of them is seen from its content. Every cell stays text: 007 is not 7.

    Args:
        path: the file.
        separator: of a CSV; without it the one that the header shows.
        sheet: of an Excel file; without it the first.

    Raises:
        CohortError: the file is not there, is empty, has two columns of one name, or rows with more or fewer cells than
            the header (all such rows).
    """
    if not path.is_file():
        near = sorted(p.name for p in path.parent.glob("*") if p.suffix.lower() in (".csv", ".tsv", ".txt", ".xlsx"))
        raise CohortError(f"no table {path}", [f"tables in its folder: {near}" if near else "its folder has no table"])
    content = path.read_bytes()
    if content.startswith(_OLD_EXCEL_MAGIC):
        raise CohortError(f"table {path.name}", ["an Excel file of before 2007 (.xls): save it as .xlsx or CSV"])
    if content.startswith(_EXCEL_MAGIC):
        return _checked(path, _excel_lines(content, path, sheet), ())
    text, notes = _decode(content)
    if not text.strip():
        raise CohortError(f"table {path.name}", ["it is empty: a header with the column names and one row a sample"])
    separator = separator or _separator(text, path)
    return _checked(path, _csv_lines(text, separator), (*notes, f"separator {separator!r}"))


def _decode(content: bytes) -> tuple[str, tuple[str, ...]]:
    """Text and notes. Byte-order marks decide; else UTF-8; else Windows' Latin-1 (cp1252), noted."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding), (f"encoding {encoding}",)
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), ("encoding Latin-1 (cp1252), since it is not UTF-8",)


def _separator(text: str, path: Path) -> str:
    """The separator of the header. One column alone needs none."""
    header = re.sub(r'"[^"]*"', "", next(line for line in text.splitlines() if line.strip()))
    found = Counter({mark: header.count(mark) for mark in SEPARATORS if mark in header})
    if not found:
        return ","
    (best, count), *others = found.most_common()
    if others and others[0][1] == count:
        raise CohortError(
            f"table {path.name}",
            [Fault(f"its header has as many {best!r} as {others[0][0]!r}: say which one separates by 'separator:'", 1)],
        )
    return best


def _csv_lines(text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row; a quoted cell may span lines, the row's line is its first."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    line = 1
    for cells in reader:
        yield line, [cell.strip() for cell in cells]
        line = reader.line_num + 1


def _excel_lines(content: bytes, path: Path, sheet: str | None) -> Iterator[tuple[int, list[str]]]:
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(content), data_only=True, read_only=False)
    except Exception as error:
        raise CohortError(f"table {path.name}", [f"not a readable Excel file ({type(error).__name__})"]) from error
    if sheet is not None and sheet not in book.sheetnames:
        raise CohortError(f"table {path.name}", [f"no sheet {sheet!r}; there are {book.sheetnames}"])
    for line, cells in enumerate((book[sheet] if sheet else book.worksheets[0]).iter_rows(), start=1):
        yield line, [_excel_text(cell.value, cell.number_format) for cell in cells]


def _excel_text(value: Any, number_format: str) -> str:
    """A cell as its reader sees it: 7 shown by the format ``000`` is 007, a date is ISO, 3.0 is 3."""
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int) and re.fullmatch(r"0+", number_format or ""):
        return str(value).zfill(len(number_format))
    return str(value).strip()


def _checked(path: Path, lines: Iterator[tuple[int, list[str]]], notes: Sequence[str]) -> Table:
    """Header and rows; faults of their form are gathered and raised together."""
    header: list[str] | None = None
    rows: list[Row] = []
    faults: list[Fault] = []
    for line, cells in lines:
        if not any(cells):
            continue
        if header is None:
            header = cells[: max(i for i, cell in enumerate(cells, start=1) if cell)]
            faults += _header_faults(header, line)
            continue
        if len(cells) > len(header) and not any(cells[len(header) :]):
            cells = cells[: len(header)]
        if len(cells) != len(header):
            faults.append(Fault(_ragged(cells, header), line))
            continue
        rows.append(Row(line, dict(zip(header, cells, strict=True))))
    if header is None or (not rows and not faults):
        faults.append(Fault("it has no rows: a header with the column names and one row a sample"))
    if faults:
        raise CohortError(f"table {path.name}", faults)
    return Table(tuple(header or ()), rows, tuple(notes))


def _header_faults(header: list[str], line: int) -> list[Fault]:
    faults = [Fault(f"column {i} of the header has no name", line) for i, name in enumerate(header, 1) if not name]
    twice = [name for name, count in Counter(header).items() if count > 1 and name]
    return faults + [Fault("the header has this column more than once", line, name) for name in twice]


def _ragged(cells: list[str], header: list[str]) -> str:
    message = f"{len(cells)} cells where the header has {len(header)}"
    others = [mark for mark in SEPARATORS if any(cell.count(mark) >= len(header) - 1 > 0 for cell in cells)]
    if others and len(cells) < len(header):
        return f"{message}: it seems to be separated by {others[0]!r}, unlike the header"
    if len(cells) > len(header):
        return f"{message}: quote cells that contain the separator"
    return message
