"""Columns beside each other that answer yes or no in words or by marks, as columns of 1 and 0."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from scantune.proposal import headings
from scantune.proposal.cleaning import NO, YES

Rows = Sequence[Mapping[str, str]]
_SEVERAL = 3  # columns beside each other from which on they are findings
_MARKS = frozenset({"x", "+", "✓", "✔"})
_NUMBERS = {"1", "0", "-1", ""}  # as they are
_UNKNOWN = {"": "", "?": "", "-1": "-1", "-1.0": "-1"}


def with_signs(
    columns: Sequence[str], rows: Rows, taken: set[str]
) -> tuple[list[dict[str, str]], dict[str, list[str]]]:
    """Rows with 1 and 0 in runs of three or more such columns, and the cells of those that were words.

    Where a column has marks alone, an empty cell is 0, as nobody marks what is absent; else it stays empty.

    Args:
        columns: of the table.
        rows: cells by column.
        taken: columns that are something else.
    """
    run: list[str] = []
    words: dict[str, list[str]] = {}
    for column in [*columns, ""]:
        cells = _signs([row[column] for row in rows]) if column and not _other(column, taken) else None
        if cells is not None:
            run.append(column)
            words[column] = cells
            continue
        for left in run if len(run) < _SEVERAL else ():
            del words[left]
        run = []
    changed = {c: cells for c, cells in words.items() if not {row[c].removesuffix(".0") for row in rows} <= _NUMBERS}
    return [{**row, **{c: cells[i] for c, cells in changed.items()}} for i, row in enumerate(rows)], changed


def _other(column: str, taken: set[str]) -> bool:
    return column in taken or bool(headings.group_of(column)) or headings.is_technical(column)


def _signs(cells: Sequence[str]) -> list[str] | None:
    """1 and 0 for the cells of a column; None where they are no answers."""
    folded = [cell.strip().casefold().removesuffix(".0") for cell in cells]
    full = set(folded) - set(_UNKNOWN)
    if not full or not full <= YES | NO | _MARKS | {"-"} or ("-" in full and "+" not in full):
        return None
    alone = full <= _MARKS
    known = {**_UNKNOWN, **dict.fromkeys(YES | _MARKS, "1"), **dict.fromkeys(NO | {"-"}, "0")}
    return ["0" if alone and not cell else known[cell] for cell in folded]
