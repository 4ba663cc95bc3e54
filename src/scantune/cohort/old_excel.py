"""A sheet of an Excel file of before 2007 (``.xls``), by xlrd, as rows of text like those of newer files."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from scantune.cohort.excel import Sheet, named_sheet, notes_of
from scantune.cohort.faults import CohortError

START = b"\xd0\xcf\x11\xe0"
"""First bytes, which other documents of that time have too."""
_LOCKED = "EncryptedPackage".encode("utf-16-le")
_PASSWORD = "an Excel file with a password: save it without one (File, Info, Protect workbook)"


def read_sheet(content: bytes, path: Path, sheet: str | None, decimal: str = ".") -> Sheet:
    """Read a sheet; without a name the first. Hidden rows are read, and noted.

    Args:
        content: of the file.
        path: for messages.
        sheet: its name.
        decimal: sign that numbers are written with.

    Raises:
        CohortError: not an Excel file, one with a password, no such sheet, or a first sheet that is hidden.
    """
    import xlrd

    book = _book(content, path)
    first = book.sheet_by_index(0)
    cells = book.sheet_by_name(named_sheet(path, sheet, book.sheet_names(), first.name, first.visibility == 0))
    styles = book.xf_list
    result = Sheet()
    struck: list[int] = []
    for row in range(cells.nrows):
        texts = []
        for at, cell in enumerate(cells.row(row)):
            style = styles[cell.xf_index]
            form = book.format_map[style.format_key].format_str
            texts.append(result.text(row + 1, at, _value(cell, book.datemode), form, decimal))
            if texts[-1] and book.font_list[style.font_index].struck_out and row + 1 not in struck[-1:]:
                struck.append(row + 1)
        result.lines.append((row + 1, texts))
    for top, bottom, left, right in cells.merged_cells:
        area = f"{xlrd.cellname(top, left)}:{xlrd.cellname(bottom - 1, right - 1)}"
        for row, at in ((row, at) for row in range(top, bottom) for at in range(left, right)):
            if (row, at) != (top, left):
                result.merged_cell(row + 1, at, area)
    hidden = sorted(row + 1 for row, size in cells.rowinfo_map.items() if size.hidden and row < cells.nrows)
    result.notes = notes_of(cells.name, book.sheet_names(), hidden, struck)
    return result


def visible_sheets(content: bytes, path: Path) -> list[str]:
    """Names of the sheets that are not hidden.

    Raises:
        CohortError: not an Excel file.
    """
    return [sheet.name for sheet in _book(content, path).sheets() if sheet.visibility == 0]


def unpacked(content: bytes, path: Path) -> int:
    """Bytes of the file, which is not packed."""
    return len(content)


def _book(content: bytes, path: Path) -> Any:
    import io

    import xlrd

    try:
        book = xlrd.open_workbook(file_contents=content, formatting_info=True, logfile=io.StringIO())
    except Exception as error:  # xlrd raises anything on damaged bytes
        locked = _LOCKED in content or "encrypt" in str(error)
        words = _PASSWORD if locked else f"not a readable Excel file of before 2007 ({type(error).__name__})"
        raise CohortError(f"table {path.name}", [words]) from error
    if not book.nsheets:
        raise CohortError(f"table {path.name}", ["an Excel file without a sheet of cells"])
    return book


def _value(cell: Any, datemode: int) -> Any:
    """Number, text, date, bool, the word of an error, or None."""
    import xlrd

    if cell.ctype in (xlrd.XL_CELL_EMPTY, xlrd.XL_CELL_BLANK):
        return None
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return bool(cell.value)
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return xlrd.error_text_from_code.get(cell.value, "#VALUE!")
    if cell.ctype == xlrd.XL_CELL_DATE:
        return _date(cell.value, datemode)
    return cell.value


def _date(number: float, datemode: int) -> Any:
    """The date, or the time of a day below one; the number where it is no date, as before March 1900."""
    import xlrd

    try:
        if 0 <= number < 1:
            return (datetime.datetime.min + datetime.timedelta(seconds=round(number * 86400))).time()
        return xlrd.xldate_as_datetime(number, datemode)
    except (xlrd.xldate.XLDateError, OverflowError):
        return number
