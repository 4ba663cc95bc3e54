"""A CSV as rows of text: its encoding, its separator, and cells over several lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from scantune.cohort.faults import CohortError, Fault

SEPARATORS = (",", ";", "\t", "|")
_LETTERS = 1 << 23  # of a cell, at most: the run lengths of a mask of a large picture have millions
_UNSEEN = "\u200b\u200e\u200f\u2060\ufeff"  # zero-width characters, which copying from web pages and PDFs leaves


def decoded(content: bytes) -> tuple[str, tuple[str, ...]]:
    """Text and notes. Byte-order marks decide; else UTF-8; else Windows' Latin-1 (cp1252), noted.

    What is not of the encoding that a mark states becomes U+FFFD, a lost letter.
    """
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if content.startswith(mark):
            return content.decode(encoding, errors="replace"), (f"encoding {encoding}",)
    try:
        return content.decode("utf-8"), ()
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace"), ("encoding Latin-1 (cp1252), since it is not UTF-8",)


def without_statement(text: str) -> tuple[str, str]:
    """The text with an empty line where ``sep=;`` stands first, as Excel has it, and the separator, or ""."""
    match = re.match(r"\"?sep=(.)\"?[ ,;\t]*(?=[\r\n])", text, re.IGNORECASE)
    return (text[match.end() :], match[1]) if match else (text, "")


def separator_of(text: str, path: Path, line: int) -> str:
    """The separator of the header, or, where a title stands in its place, of the first line that has one.

    Of several marks in it the one that the rows below have as often (names of classes may have a ``;`` or ``|``), else
    the most frequent one.
    """
    below = (one for one in islice(text.splitlines(), line - 1, None) if one.strip())
    lines = [re.sub(r'"[^"]*"', "", one) for one in islice(below, 20)]
    at = next((i for i, one in enumerate(lines) if any(mark in one for mark in SEPARATORS)), 0)
    header, rows = (lines[at], lines[at + 1 :]) if lines else ("", [])
    counts = {mark: header.count(mark) for mark in SEPARATORS if mark in header}
    if not counts:
        return ","
    fits = {mark: (sum(row.count(mark) == n for row in rows), n) for mark, n in counts.items()}
    best, *others = sorted(fits, key=lambda mark: fits[mark], reverse=True)
    if others and fits[others[0]] == fits[best]:
        words = f"its header has as many {best!r} as {others[0]!r}: state which one separates by 'separator:'"
        raise CohortError(f"table {path.name}", [Fault(words, line)])
    return best


def csv_lines(text: str, separator: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each row; a quoted cell may span lines, the row's line is its first.

    Raises:
        CohortError: a quote that is not closed: the cell holds the rows up to the next quote; a cell that is too long.
    """
    physical = text.splitlines(keepends=True)
    if len(physical) != text.count("\n") + (not text.endswith("\n")):  # form feeds and the like, or old Mac line ends
        physical = io.StringIO(text, newline=None).read().splitlines(keepends=True)
    csv.field_size_limit(_LETTERS)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    line, width = 1, 0
    for cells in _parsed(reader, path):
        span = physical[line - 1 : reader.line_num]
        if len(span) > 1 and _unclosed(span, separator, width):
            raise CohortError(f"table {path.name}", [Fault(_QUOTE.format(line, reader.line_num), line)])
        width = width or len(cells)
        yield line, [_stated(bare(cell)) for cell in cells]
        line = reader.line_num + 1


def _parsed(reader: Any, path: Path) -> Iterator[list[str]]:
    """The rows of a CSV reader; what it cannot take is a fault with its line."""
    try:
        yield from reader
    except csv.Error as error:
        words = (
            f"a cell has more than {csv.field_size_limit():,} letters" if "larger than" in str(error) else str(error)
        )
        raise CohortError(f"table {path.name}", [Fault(words, reader.line_num)]) from None


def bare(cell: str) -> str:
    """A cell without blanks and characters of no width around it."""
    return cell.strip().strip(_UNSEEN).strip()


def _stated(cell: str) -> str:
    """The text of a cell such as ``="007"``, by which exports keep spreadsheets from reading a number."""
    return bare(cell[2:-1]) if cell[:2] == '="' and cell.find('"', 2) == len(cell) - 1 else cell


_QUOTE = (
    "a cell spans rows {} to {}, each of which is a whole row but for a quotation mark at a cell's start that is not "
    "closed: remove it (within a quoted cell it is doubled); where line breaks are meant, write one line"
)


def _unclosed(span: Sequence[str], separator: str, width: int) -> bool:
    """Whether a cell over several lines swallowed rows: each line but blank ones is one where quotes are taken for
    letters.

    Cells with line breaks are in order: their lines are parts of rows. In a table of one column they cannot be told.
    """
    odd = sum(line.count('"') for line in span) % 2 == 1
    return odd or all(line.count(separator) == width - 1 for line in span if line.strip())
