"""CSV files: written atomically, without text that a spreadsheet would execute."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scantune.files import refuse_unwritable, write_text
from scantune.records import ScantuneError

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Endings by which programs would take a CSV file for another format.
_OTHER = (".xlsx", ".xls", ".xlsm", ".ods", ".parquet", ".feather", ".sav", ".dta", ".sas7bdat", ".json", ".jsonl")


def refuse_table(path: Path) -> None:
    """Refuse a table that cannot be written, before the work of which it is the result.

    Raises:
        ScantuneError: its name is that of another format than CSV; else as :func:`scantune.files.refuse_unwritable`.
        OSError: its folder cannot be created or written.
    """
    if path.suffix.lower() in _OTHER:
        raise ScantuneError(f"{path}: the table is written as CSV; name it {path.with_suffix('.csv').name}")
    refuse_unwritable(path)


def write_csv(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    delimiter: str = ",",
    errors: str = "strict",
) -> None:
    """Write a CSV file in UTF-8 with Unix line ends.

    Args:
        path: the file.
        header: names of the columns.
        rows: cells of each row. Text that a spreadsheet would run as a formula is preceded by an apostrophe (OWASP CSV
            injection); None and NaN are empty.
        delimiter: between two cells.
        errors: as of :meth:`str.encode`.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\n")
    writer.writerow([guarded(name) for name in header])
    writer.writerows([_cell(value) for value in row] for row in rows)
    write_text(path, buffer.getvalue(), errors)


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows by name as CSV: the columns in the order they first come, what a row lacks empty; as `write_csv`."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    write_csv(path, columns, ([row.get(name) for name in columns] for row in rows))


def _cell(value: object) -> object:
    if isinstance(value, str):
        return guarded(value)
    return "" if value is None or value != value else value


def guarded(cell: str) -> str:
    """``=HYPERLINK(…)`` and the like made text; numbers stay."""
    if cell.lstrip("'")[:1] in _FORMULA and cell[:1] in ("'", *_FORMULA):
        try:
            float(cell)
        except ValueError:
            return f"'{cell}"
    return cell


def unguarded(cell: str) -> str:
    """What :func:`guarded` wrote, as it was."""
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'")[:1] in _FORMULA else cell
