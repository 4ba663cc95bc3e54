"""An Excel sheet as rows of text, and what of it cannot be taken at its word: formulas without values, errors."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scantune.cohort.faults import CohortError

_ERRORS = {"#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"}  # #N/A is an empty cell


@dataclass
class Sheet:
    """A sheet.

    Attributes:
        lines: (line, cells) of each row.
        unusable: (line, place in the row) → what is wrong with that cell.
        percent: place in the row → lines of the cells that are shown as percent.
        plain: place in the row → lines of the other numbers.
    """

    lines: list[tuple[int, list[str]]] = field(default_factory=list)
    unusable: dict[tuple[int, int], str] = field(default_factory=dict)
    percent: dict[int, list[int]] = field(default_factory=dict)
    plain: dict[int, list[int]] = field(default_factory=dict)


def read_sheet(content: bytes, path: Path, sheet: str | None, decimal: str = ".") -> Sheet:
    """Read a sheet; without a name the first.

    Args:
        content: of the file.
        path: for messages.
        sheet: its name.
        decimal: sign that numbers are written with.

    Raises:
        CohortError: not an Excel file, or no such sheet.
    """
    found = Sheet()
    rows = _worksheet(content, path, sheet, values=True).iter_rows()
    formulas = _formulas(content, path, sheet)
    for line, cells in enumerate(rows, start=1):
        texts = []
        for at, cell in enumerate(cells):
            if cell.value is None and (line, at) in formulas:
                found.unusable[line, at] = "a formula without a value: open the file in Excel and save it"
            elif isinstance(cell.value, str) and cell.value.strip() in _ERRORS:
                found.unusable[line, at] = (
                    f"an Excel error, {cell.value.strip()}: correct the formula or empty the cell"
                )
            elif isinstance(cell.value, int | float) and not isinstance(cell.value, bool):
                kind = found.percent if "%" in (cell.number_format or "") else found.plain
                kind.setdefault(at, []).append(line)
            texts.append(text_of(cell.value, cell.number_format, decimal))
        found.lines.append((line, texts))
    return found


def unpacked(content: bytes, path: Path) -> int:
    """Bytes of an Excel file when it is unpacked, which may be a thousand times as many, as its directory states them.

    More than that is never unpacked of a part.

    Raises:
        CohortError: not an Excel file.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile as error:
        raise CohortError(f"table {path.name}", [f"not a readable Excel file ({type(error).__name__})"]) from error


def _worksheet(content: bytes, path: Path, sheet: str | None, *, values: bool) -> Any:
    import openpyxl

    try:
        book = openpyxl.load_workbook(io.BytesIO(content), data_only=values, read_only=False)
    except Exception as error:
        raise CohortError(f"table {path.name}", [f"not a readable Excel file ({type(error).__name__})"]) from error
    if sheet is not None and sheet not in book.sheetnames:
        raise CohortError(f"table {path.name}", [f"no sheet {sheet!r}; there are {book.sheetnames}"])
    return book[sheet] if sheet else book.worksheets[0]


def _formulas(content: bytes, path: Path, sheet: str | None) -> set[tuple[int, int]]:
    """Line and place of cells with a formula; the file is parsed a second time only where some sheet has one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        if not any(re.search(rb"<f[ />]", archive.read(name)) for name in sheets if name.endswith(".xml")):
            return set()
    rows: Iterator[Any] = _worksheet(content, path, sheet, values=False).iter_rows()
    return {(line, at) for line, cells in enumerate(rows, 1) for at, cell in enumerate(cells) if cell.data_type == "f"}


def text_of(value: Any, number_format: str, decimal: str = ".") -> str:
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
    return str(value).replace(".", decimal) if isinstance(value, float) else str(value).strip()
