"""Tables in HTML and in Excel's XML of 2003, which hospital information systems export under the name ``.xls``."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from xml.etree.ElementTree import Element

from scantune.amounts import number_of
from scantune.cohort.delimited import decoded
from scantune.cohort.excel import Sheet, named_sheet, notes_of
from scantune.cohort.faults import CohortError
from scantune.cohort.xml_tree import tree_of

_EXCEL = "urn:schemas-microsoft-com:office:spreadsheet"
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([A-Za-z0-9_\-]+)", re.I)
_START = 4096  # bytes in which the kind and the encoding are sought
_MOST_BYTES = 25e6  # of HTML, of which a megabyte takes seconds
_MOST_CELLS = 20_000_000
_MOST_COLUMNS = 16_384  # of Excel
_MOST_SPAN = 1000  # columns of a cell (HTML 4.9.11)
_HIDDEN = ("script", "style", "title", "template")
_BREAKS = ("br", "p", "div", "li")
_SPANNED = "one of several cells that a cell spans, of which the first alone has the value: write it into each"


def is_markup(text: str) -> bool:
    """Whether a text is HTML or XML."""
    return text.lstrip("\ufeff \t\r\n")[:1] == "<"


def sheets_of(content: bytes, path: Path) -> list[str]:
    """Names of the sheets of Excel's XML that are not hidden; none of HTML.

    Raises:
        CohortError: the XML cannot be read.
    """
    sheets = _sheets(content, path) if _is_excel(content) else []
    return [_attribute(sheet, "Name") for sheet in sheets if _is_visible(sheet)]


def read_markup(content: bytes, path: Path, sheet: str | None = None, decimal: str = ".") -> Sheet:
    """A table of HTML, of several the one with the most cells; or a sheet of Excel's XML, without a name the first.

    Args:
        content: of the file.
        path: for messages.
        sheet: its name.
        decimal: sign that the numbers of Excel's XML are written with; those of HTML stay as they are.

    Raises:
        CohortError: no table, no such sheet, too many cells, or not readable.
    """
    return _of_excel(content, path, sheet, decimal) if _is_excel(content) else _of_html(content, path)


def _is_excel(content: bytes) -> bool:
    start = content[:_START].replace(b"\0", b"")
    return _EXCEL.encode() in start and b"<html" not in start.lower()


@dataclass
class _Grid:
    """A table of HTML.

    Attributes:
        rows: cells; None for one that another cell spans.
        below: column → rows that the cell above it spans further.
        merged: as of :class:`scantune.cohort.excel.Sheet`.
        open: parts of the text of the cell that is open; None where none is.
        span: columns and rows of the cell that is open.
    """

    rows: list[list[str | None]] = field(default_factory=list)
    below: dict[int, int] = field(default_factory=dict)
    merged: dict[tuple[int, int], int] = field(default_factory=dict)
    open: list[str] | None = None
    span: tuple[int, int] = (1, 1)

    def filled(self) -> int:
        return sum(bool(cell) for row in self.rows for cell in row)


class _Tables(HTMLParser):
    """All tables of an HTML text, one within another apart."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tables: list[_Grid] = []
        self.formatted = 0
        self._path = path
        self._inside: list[_Grid] = []
        self._hidden = 0
        self._cells = 0

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self._hidden += tag in _HIDDEN
        if tag == "table":
            self._inside.append(_Grid())
        if not self._inside:
            return
        table = self._inside[-1]
        if tag == "tr":
            self._close(table)
            self._row(table)
        elif tag in ("td", "th"):
            self._close(table)
            stated = dict(attrs)
            if not table.rows:
                self._row(table)
            self._skip(table)
            table.open, table.span = [], (_span(stated.get("colspan")), _span(stated.get("rowspan")))
            self.formatted += bool(stated.get("x:num"))
        elif tag in _BREAKS and table.open is not None:
            table.open.append(" ")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in _HIDDEN and self._hidden > 0
        if not self._inside:
            return
        if tag in ("td", "th", "tr", "table"):
            self._close(self._inside[-1])
        if tag == "table":
            self.tables.append(self._inside.pop())

    def handle_data(self, data: str) -> None:
        if self._inside and self._inside[-1].open is not None and not self._hidden:
            self._inside[-1].open.append(data)

    def close(self) -> None:
        """End of the text: tables that were not closed end there."""
        super().close()
        while self._inside:
            self.handle_endtag("table")

    def _row(self, table: _Grid) -> None:
        if table.rows:
            self._skip(table, to_end=True)
            table.below = {column: rows - 1 for column, rows in table.below.items() if rows > 1}
        table.rows.append([])

    def _skip(self, table: _Grid, to_end: bool = False) -> None:
        """Cells that those above span, as far as the next free place, or all that follow."""
        row = table.rows[-1]
        while len(row) in table.below or (to_end and any(column > len(row) for column in table.below)):
            if len(row) in table.below:
                _merge(table.merged, len(table.rows), len(row), table.rows[-2][len(row)] is None)
            self._add(row, None if len(row) in table.below else "")

    def _add(self, row: list[str | None], cell: str | None) -> None:
        self._cells += 1
        if self._cells > _MOST_CELLS:
            raise CohortError(f"table {self._path.name}", [f"it has more than {_MOST_CELLS:,} cells"])
        row.append(cell)

    def _close(self, table: _Grid) -> None:
        if table.open is None:
            return
        text, (columns, rows) = " ".join("".join(table.open).split()), table.span
        row, table.open = table.rows[-1], None
        for number in range(columns):
            if rows > 1:
                table.below[len(row)] = rows
            self._add(row, None if number else text)


def _merge(merged: dict[tuple[int, int], int], line: int, at: int, spanned: bool) -> None:
    """Keep the line of the first of the cells that one spans downwards; ``spanned``: so is the one above."""
    first = merged.get((line - 1, at)) if spanned else line - 1
    if first is not None:
        merged[line, at] = first


def _span(text: str | None) -> int:
    return min(max(1, int(text)), _MOST_SPAN) if text and text.strip().isdecimal() and len(text) < 9 else 1


def _of_html(content: bytes, path: Path) -> Sheet:
    if len(content) > _MOST_BYTES:
        words = f"it is HTML of {len(content) / 1e6:,.0f} MB; at most {_MOST_BYTES / 1e6:.0f} are read"
        raise CohortError(f"table {path.name}", [f"{words}: open it in Excel and save it as .xlsx or CSV"])
    parser = _Tables(path)
    parser.feed(_text(content))
    parser.close()
    if not any(table.filled() for table in parser.tables):
        words = "it is HTML or XML without a table: open it in Excel and save it as .xlsx or CSV"
        raise CohortError(f"table {path.name}", [words])
    best = max(parser.tables, key=_Grid.filled)
    notes = ["it is HTML"]
    if len(parser.tables) > 1:
        notes.append(f"of its {len(parser.tables)} tables the one with the most cells is read")
    if parser.formatted:
        notes.append(
            f"{number_of(parser.formatted, 'cell shows', 'cells show')} a number in a format (x:num): it is "
            f"read as it is shown, rounded or not"
        )
    sheet = Sheet(notes=tuple(notes), merged=best.merged)
    for line, row in enumerate(best.rows, start=1):
        sheet.lines.append((line, [cell or "" for cell in row]))
        sheet.unusable |= {(line, at): _SPANNED for at, cell in enumerate(row) if cell is None}
    return _padded(sheet, path)


def _text(content: bytes) -> str:
    """The text by its byte-order mark, as UTF-8, in the encoding that it states, or as Latin-1."""
    text, notes = decoded(content)
    stated = _CHARSET.search(content[:_START])
    if stated and any("Latin-1" in note for note in notes):
        try:
            return content.decode(stated[1].decode("ascii"))
        except (LookupError, UnicodeDecodeError):
            return text
    return text


def _sheets(content: bytes, path: Path) -> list[Element]:
    root = tree_of(content.lstrip(), f"table {path.name}")
    return [one for one in root.iter() if _plain(one.tag) == "Worksheet"]


def _of_excel(content: bytes, path: Path, name: str | None, decimal: str) -> Sheet:
    sheets = _sheets(content, path)
    names = [_attribute(sheet, "Name") for sheet in sheets]
    title = f"table {path.name}"
    if not sheets:
        raise CohortError(title, ["it is XML of Excel without a sheet"])
    chosen = sheets[names.index(named_sheet(path, name, names, names[0], _is_visible(sheets[0])))]
    result, formats = Sheet(), _formats(content, title)
    line, below, hidden = 0, dict[int, int](), list[int]()
    for row in (one for one in chosen.iter() if _plain(one.tag) == "Row"):
        line = _number(row, "Index", line + 1, title)
        result.lines.append((line, _row_of_excel(row, line, below, result, title, decimal, formats)))
        below = {at: rows - 1 for at, rows in below.items() if rows > 1}
        hidden += [line] if _attribute(row, "Hidden") == "1" else []
    result.notes = ("it is XML of Excel 2003", *notes_of(_attribute(chosen, "Name"), names, hidden, []))
    return _padded(result, path)


def _is_visible(sheet: Element) -> bool:
    return not any(_plain(one.tag) == "Visible" and "Hidden" in (one.text or "") for one in sheet.iter())


def _formats(content: bytes, title: str) -> dict[str, str]:
    """Id of a style → its format of numbers, such as ``000``."""
    styles = (one for one in tree_of(content.lstrip(), title).iter() if _plain(one.tag) == "Style")
    stated = {_attribute(style, "ID"): _attribute(one, "Format") for style in styles for one in style}
    return {style: "0%" if form == "Percent" else form for style, form in stated.items() if form}


def _padded(sheet: Sheet, path: Path) -> Sheet:
    """The sheet with rows of one length: empty cells at their end may be left out."""
    width = max((len(cells) for _, cells in sheet.lines), default=0)
    if width * len(sheet.lines) > _MOST_CELLS:
        raise CohortError(f"table {path.name}", [f"it has more than {_MOST_CELLS:,} cells"])
    sheet.lines = [(line, cells + [""] * (width - len(cells))) for line, cells in sheet.lines]
    return sheet


def _row_of_excel(
    row: Element, line: int, below: dict[int, int], sheet: Sheet, title: str, decimal: str, formats: Mapping[str, str]
) -> list[str]:
    """Cells of a row; those that another one spans are noted, also in the rows below it."""
    cells: list[str] = []
    for at in below:
        _merge(sheet.merged, line, at, (line - 1, at) in sheet.unusable)
        sheet.unusable[line, at] = _SPANNED
    for cell in (one for one in row if _plain(one.tag) == "Cell"):
        at = _number(cell, "Index", len(cells) + 1, title) - 1
        cells += [""] * (at - len(cells))
        data = next((one for one in cell if _plain(one.tag) == "Data"), None)
        style = _attribute(cell, "StyleID") or _attribute(row, "StyleID")
        cells.append(sheet.text(line, at, _value(data), formats.get(style, ""), decimal))
        across, down = (_number(cell, f"Merge{way}", 0, title) for way in ("Across", "Down"))
        for column in range(at, at + across + 1):
            if column > at:
                cells.append("")
                sheet.unusable[line, column] = _SPANNED
            if down:
                below[column] = down + 1
    return cells


def _value(data: Element | None) -> str | float | datetime.datetime:
    """A cell as it would be read from Excel's own file; numbers with zeros in front are text."""
    text = "".join(data.itertext()).strip() if data is not None else ""
    kind = _attribute(data, "Type") if data is not None else ""
    try:
        if kind == "DateTime":
            return datetime.datetime.fromisoformat(text)
        if kind == "Number" and not re.fullmatch(r"0\d+", text):
            return int(text) if re.fullmatch(r"\d+", text) else float(text)
    except ValueError:
        pass
    return text


def _number(element: Element, name: str, default: int, title: str) -> int:
    """An attribute as a number, which is the default or more: a row or cell stands behind those before it."""
    text = _attribute(element, name)
    if not text:
        return default
    most = 1_048_576 if _plain(element.tag) == "Row" else _MOST_COLUMNS
    if not text.isdecimal() or len(text) > 7 or not default <= int(text) <= most:
        raise CohortError(
            title, [f"ss:{name} of a {_plain(element.tag).lower()} is {text[:20]!r}, not from {default} to {most}"]
        )
    return int(text)


def _plain(tag: str) -> str:
    return tag.rpartition(":")[2]


def _attribute(element: Element, name: str) -> str:
    return next((value for key, value in element.attrib.items() if _plain(key) == name), "")
