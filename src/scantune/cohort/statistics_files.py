"""Tables of statistics programs (SPSS, SAS, Stata), by pyreadstat, as rows of text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scantune.cohort.excel import text_of
from scantune.cohort.other_tables import opened

_SAS = b"\x00" * 12 + b"\xc2\xea\x81\x60"
_PADDED = re.compile(r"N(\d+)")  # SPSS's format for numbers with zeros in front
#: First bytes of a file → the function of pyreadstat that reads it.
_READERS = (
    (b"$FL2", "read_sav"),
    (b"$FL3", "read_sav"),
    (b"<stata_dta>", "read_dta"),
    (_SAS, "read_sas7bdat"),
    (b"HEADER RECORD*******LIB", "read_xport"),
)


def reader_of(content: bytes) -> str:
    """The function of pyreadstat for a file; "" for others."""
    old_stata = content[:1] in (b"\x6e", b"\x6f", b"\x71", b"\x72", b"\x73") and content[1:3] in (b"\1\1", b"\2\1")
    return "read_dta" if old_stata else next((name for start, name in _READERS if content.startswith(start)), "")


def lines_of(
    content: bytes, path: Path, reader: str, decimal: str
) -> tuple[list[tuple[int, list[str]]], tuple[str, ...]]:
    """(line, cells) of the names of the columns and of each row, and notes.

    A column whose every value has a label has the labels (1 = "yes"); where some values have none, as on a scale with
    labels at its ends, it has the numbers. What is declared missing is an empty cell.

    Args:
        content: of the file.
        path: for messages.
        reader: from :func:`reader_of`.
        decimal: sign that numbers are written with.

    Raises:
        CohortError: it cannot be read.
    """
    import pyreadstat

    frame, about = opened(content, path, getattr(pyreadstat, reader))
    columns, notes = [], []
    for name in frame.columns:
        cells = frame[name].astype(object).where(frame[name].notna(), None).tolist()
        if about.readstat_variable_types.get(name) == "float":  # single precision: 1.1, not 1.100000023841858
            cells = [cell if cell is None else float(str(np.float32(cell))) for cell in cells]
        labels = about.variable_value_labels.get(name, {})
        texts, numbers = _labelled(cells, labels)
        if numbers:
            some = ", ".join(f"{text_of(cell, '')} = {labels[cell]!r}" for cell in sorted({*cells} & {*labels})[:5])
            words = f"some values have no label ({', '.join(numbers[:3])}): it has the numbers, with {some}"
            notes.append(f"column {name!r}: {words}")
        padded = _PADDED.fullmatch(str(about.original_variable_types.get(name, "")))
        form = "0" * int(padded[1]) if padded else ""
        columns.append([text_of(cell, form, decimal) for cell in texts])
    rows = [list(row) for row in zip(*columns, strict=True)]
    return list(enumerate([list(map(str, frame.columns)), *rows], start=1)), tuple(notes)


def _labelled(cells: list[Any], labels: Mapping[Any, str]) -> tuple[list[Any], list[str]]:
    """The labels of the cells, or the cells with the values that have no label where some have one."""
    values = {cell for cell in cells if cell not in (None, "")}
    without = sorted(text_of(value, "") for value in values if value not in labels)
    if not labels or len(without) == len(values):
        return cells, []
    return (cells, without) if without else ([labels.get(cell, cell) for cell in cells], [])
