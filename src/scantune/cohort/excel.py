"""An Excel sheet as rows of text, and its cells without a reliable value: formulas without values, errors."""

from __future__ import annotations

import datetime
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from scantune.amounts import number_of
from scantune.cohort.faults import CohortError

EXACT = 10**15
"""The least number that Excel may have rounded."""
TOO_LONG = "a number of more digits than the 15 that Excel keeps: format the column as text and enter it again"
_FORMAT = re.compile(r'(?:"[^"]*"|\\.|[_*].|[0 /()-])+')  # zeros and letters in quotes or behind a backslash
_POSITIVE = re.compile(r'(?:"[^"]*"|\\.|[^;])*')  # of the parts for numbers above, below and of 0
_PART = re.compile(r'"([^"]*)"|\\(.)|[_*].|(.)')
_ERROR = re.compile(r"#[¡¿]?[A-ZÀ-Ý0/]{3,}[!?]")  # #REF!, #DIV/0!, #WERT!; #N/A is an empty cell


@dataclass
class Sheet:
    """A sheet.

    Attributes:
        lines: (line, cells) of each row.
        unusable: (line, place in the row) → what is wrong with that cell.
        merged: (line, place) of a cell that merging has emptied → line of the first of them, in the same column.
        percent: place in the row → lines of the cells that are shown as percent.
        plain: place in the row → lines of the other numbers.
        notes: remarks on the sheet.
    """

    lines: list[tuple[int, list[str]]] = field(default_factory=list)
    unusable: dict[tuple[int, int], str] = field(default_factory=dict)
    merged: dict[tuple[int, int], int] = field(default_factory=dict)
    percent: dict[int, list[int]] = field(default_factory=dict)
    plain: dict[int, list[int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def text(self, line: int, at: int, value: Any, number_format: str, decimal: str) -> str:
        """A cell as its reader sees it; that it has no reliable value, or is shown as percent, is kept.

        Args:
            line: of the cell.
            at: its place in the row.
            value: number, text, date, bool or None.
            number_format: of Excel, such as ``000`` or ``0.0%``.
            decimal: sign that numbers are written with.
        """
        if isinstance(value, str) and (wrong := error_in_words(value.strip())):
            self.unusable[line, at] = wrong
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if abs(value) >= EXACT:
                self.unusable[line, at] = TOO_LONG
            kind = self.percent if "%" in number_format else self.plain
            kind.setdefault(at, []).append(line)
        return text_of(value, number_format, decimal)

    def merged_cell(self, line: int, at: int, area: str) -> None:
        """Keep that merging has emptied a cell of an area such as ``A2:A4``."""
        from openpyxl.utils import range_boundaries

        left, top, _, _ = range_boundaries(area)
        if left == at + 1 and top is not None:
            self.merged[line, at] = top
        self.unusable[line, at] = (
            f"one of the merged cells {area}, of which the first alone has the value: unmerge them and write it into "
            "each"
        )


def read_sheet(content: bytes, path: Path, sheet: str | None, decimal: str = ".") -> Sheet:
    """Read a sheet; without a name the first. Hidden rows are read, and noted.

    Args:
        content: of the file.
        path: for messages.
        sheet: its name.
        decimal: sign that numbers are written with.

    Raises:
        CohortError: not an Excel file, no such sheet, or a first sheet that is hidden.
    """
    worksheet = _worksheet(content, path, sheet, values=True)
    sheet_content = Sheet(notes=_notes(worksheet))
    formulas, merged = _formulas(content, path, sheet), _merged(worksheet)
    for line, cells in enumerate(worksheet.iter_rows(), start=1):
        texts = []
        for at, cell in enumerate(cells):
            texts.append(sheet_content.text(line, at, cell.value, cell.number_format or "", decimal))
            if (line, at) in merged:
                sheet_content.merged_cell(line, at, merged[line, at])
            elif cell.value is None and (line, at) in formulas:
                sheet_content.unusable[line, at] = "a formula without a value: open the file in Excel and save it"
        sheet_content.lines.append((line, texts))
    return sheet_content


def error_in_words(text: str) -> str:
    """What is wrong with a cell that shows an error of a spreadsheet, or that its column was too narrow; else ""."""
    if not text.startswith("#"):
        return ""
    if _ERROR.fullmatch(text):
        return f"an Excel error, {text}: correct the formula or empty the cell"
    if len(text) > 2 and set(text) == {"#"}:
        return f"{text}: a spreadsheet's column was too narrow to show the value: widen it and save the table anew"
    return ""


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


def _notes(worksheet: Any) -> tuple[str, ...]:
    hidden = sorted(line for line, size in worksheet.row_dimensions.items() if size.hidden)
    return notes_of(
        worksheet.title, worksheet.parent.sheetnames, [line for line in hidden if line <= worksheet.max_row],
        _struck_out(worksheet),
    )  # fmt: skip


def notes_of(name: str, names: list[str], hidden: list[int], struck: list[int]) -> tuple[str, ...]:
    """Which sheet it is where there are several; rows that a filter or a user has hidden, or that are struck out.

    Args:
        name: of the sheet.
        names: of all sheets.
        hidden: lines that are not shown.
        struck: lines with struck-out cells.
    """
    others = [other for other in names if other != name]
    notes = [f"sheet {name!r}; the file has {', '.join(map(repr, others))} too"] if others else []
    if hidden:
        notes.append(
            number_of(len(hidden), "row is", "rows are") + f" hidden in Excel (by a filter?) and "
            f"{'is' if len(hidden) == 1 else 'are'} read as the others: {_some(hidden)}"
        )
    if struck:
        notes.append(
            f"{number_of(len(struck), 'row has', 'rows have')} struck-out cells, which are read as the others; "
            f"delete what is not to "
            f"count: {_some(struck)}"
        )
    return tuple(notes)


def _some(lines: list[int]) -> str:
    return ", ".join(map(str, lines[:10])) + (" …" if len(lines) > 10 else "")


def _struck_out(worksheet: Any) -> list[int]:
    """Lines that have a cell with a line through it and something in it."""
    struck: dict[int, bool] = {}  # by style, of which there are few
    lines = []
    for row in worksheet.iter_rows():
        for cell in row:
            if cell.has_style and cell.value is not None:
                if cell.style_id not in struck:
                    struck[cell.style_id] = bool(cell.font.strike)
                if struck[cell.style_id]:
                    lines.append(cell.row)
                    break
    return lines


def _merged(worksheet: Any) -> dict[tuple[int, int], str]:
    """Line and place of the cells that merging has emptied, with the range that they are of."""
    return {
        (line, at - 1): str(area.coord)
        for area in worksheet.merged_cells.ranges
        for line in range(area.min_row, area.max_row + 1)
        for at in range(area.min_col, area.max_col + 1)
        if (line, at) != (area.min_row, area.min_col)
    }


def visible_sheets(content: bytes, path: Path) -> list[str]:
    """Names of the sheets that are not hidden.

    Raises:
        CohortError: not an Excel file.
    """
    return [sheet.title for sheet in _book(content, path, read_only=True).worksheets if sheet.sheet_state == "visible"]


def _book(content: bytes, path: Path, **options: bool) -> Any:
    import openpyxl

    try:
        return openpyxl.load_workbook(io.BytesIO(content), **options)
    except Exception as error:
        raise CohortError(f"table {path.name}", [_unreadable(content, error)]) from error


def _worksheet(content: bytes, path: Path, sheet: str | None, *, values: bool) -> Any:
    book = _book(content, path, data_only=values, read_only=False)
    first = book.worksheets[0]
    return book[named_sheet(path, sheet, book.sheetnames, first.title, first.sheet_state == "visible")]


def named_sheet(path: Path, sheet: str | None, names: list[str], first: str, shown: bool) -> str:
    """The sheet that is read: the named one, else the first.

    Args:
        path: for messages.
        sheet: its name; None for the first.
        names: of all sheets.
        first: name of the first that has cells.
        shown: whether the first is not hidden.

    Raises:
        CohortError: no such sheet, or a first sheet that is hidden.
    """
    if sheet is not None and sheet not in names:
        raise CohortError(f"table {path.name}", [f"no sheet {sheet!r}; there are {names}"])
    if sheet is None and not shown:
        raise CohortError(
            f"table {path.name}", [f"its first sheet, {first!r}, is hidden: say by 'sheet' which of {names}"]
        )
    return sheet or first


def _unreadable(content: bytes, error: Exception) -> str:
    """What a zip archive is that openpyxl does not read."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = set(archive.namelist())
        kind = archive.read("mimetype")[:80] if "mimetype" in names else b""
    if b"opendocument" in kind:
        return "an OpenDocument table (.ods): save it as .xlsx or CSV"
    if "xl/workbook.bin" in names:
        return "a binary Excel file (.xlsb): save it as .xlsx or CSV"
    return f"not a readable Excel file ({type(error).__name__})"


def _formulas(content: bytes, path: Path, sheet: str | None) -> set[tuple[int, int]]:
    """Line and place of cells with a formula; the file is parsed a second time only where some sheet has one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheets = [name for name in archive.namelist() if name.startswith("xl/worksheets/")]
        if not any(re.search(rb"<f[ />]", archive.read(name)) for name in sheets if name.endswith(".xml")):
            return set()
    rows: Iterator[Any] = _worksheet(content, path, sheet, values=False).iter_rows()
    return {(line, at) for line, cells in enumerate(rows, 1) for at, cell in enumerate(cells) if cell.data_type == "f"}


def _in_format(digits: str, shown: str) -> str:
    """Digits in a format of zeros and letters: 7 in ``"P"000`` is P007, 12345 in ``000-00`` is 123-45.

    What stands behind a single zero is a unit, and none of the number: 7 in ``0 "mm"`` is 7, as 7.5 is.
    """
    parts = [match.groups() for match in _PART.finditer(shown)]
    zeros = sum(plain == "0" for _, _, plain in parts)
    first = next((plain for quoted, one, plain in parts if (quoted or one or plain or "").strip()), "")
    if not zeros or (zeros == 1 and first == "0"):
        return digits
    digits = digits.zfill(zeros)
    left = iter([digits[: len(digits) - zeros + 1], *digits[len(digits) - zeros + 1 :]])
    return "".join(next(left) if plain == "0" else quoted or one or plain or "" for quoted, one, plain in parts).strip()


def text_of(value: Any, number_format: str, decimal: str = ".") -> str:
    """A cell as its reader sees it: 7 shown as ``000`` is 007, as ``"P"000`` P007; a date is ISO, 3.0 is 3."""
    if value is None:
        return ""
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(sep=" ")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, Decimal):  # exact, of Parquet
        value = int(value) if value == value.to_integral_value() else str(value).replace(".", decimal)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        value = int(value)
    if isinstance(value, int) and value >= 0:
        shown = _POSITIVE.match(number_format or "")
        if shown and "0" in shown[0] and _FORMAT.fullmatch(shown[0]):
            return _in_format(str(value), shown[0])
    return str(value).replace(".", decimal) if isinstance(value, float) else str(value).strip()
