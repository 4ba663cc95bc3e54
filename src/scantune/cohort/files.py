"""Small files written whole or not at all."""

from __future__ import annotations

import csv
import io
import os
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_text(path: Path, text: str) -> None:
    """Stage beside the target, fsync, rename: a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        with staged.open("w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staged, path)
    finally:
        staged.unlink(missing_ok=True)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A CSV file; cells that a spreadsheet would run as a formula are quoted by an apostrophe (OWASP CSV injection)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([guarded(cell) for cell in header])
    writer.writerows([guarded(cell) for cell in row] for row in rows)
    write_text(path, buffer.getvalue())


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
