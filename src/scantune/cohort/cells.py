"""Cells of a row to the fields of a record: targets recoded, groups, the side of a given split, places in an order."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Mapping

from scantune.class_names import label, nfc
from scantune.cohort import ids, values
from scantune.cohort.faults import Fault
from scantune.cohort.folders import SIDES
from scantune.cohort.table import Row
from scantune.config.dataset import DatasetConfig, TargetColumn
from scantune.statistics.ages import is_age

_YES, _NO = ("1", "true", "yes", "y", "x"), ("0", "false", "no", "n")


def recoded(text: str, rule: TargetColumn, decimal: str) -> str:
    """The cell, or its value in ``recode``."""
    for value, other in rule.recode.items():
        empty = value == "" and values.is_empty(text, rule.values or ())
        if nfc(text) == nfc(value) or empty or same_number(text, value, decimal):
            return str(other).replace(".", decimal) if isinstance(other, float) else str(other)
    if not rule.recode:
        return text
    try:
        return f"{values.number(text, decimal):.12g}".replace(".", decimal)  # 1.0 and 1 are one class
    except ValueError:
        return text


def replaced(row: Row, recode: Mapping[str, Mapping[str, object]], decimal: str) -> Row:
    """The row with the cells that ``recode`` of the dataset names replaced."""
    cells = dict(row.cells)
    for column, rule in recode.items():
        for value, other in rule.items():
            cell = row.cells[column]
            if nfc(cell) == nfc(value) or same_number(cell, value, decimal):
                cells[column] = str(other).replace(".", decimal) if isinstance(other, float) else str(other)
    return Row(row.line, cells)


def same_number(text: str, value: str, decimal: str) -> bool:
    """Whether two texts are one number, ``value`` with a point, ``text`` as the table writes it."""
    try:
        return values.number(value) == values.number(text, decimal)
    except ValueError:
        return False


def plain(text: str, decimal: str, named: Collection[object] = ()) -> str:
    """A value as later stages read it: empty is "", numbers have a point, letters with accents are one; words that are
    ``named`` as values stay."""
    if values.is_empty(text, named):
        return ""
    text = nfc(text)
    if decimal == "," and "," in text:
        try:
            return f"{values.number(text, decimal):.12g}"
        except ValueError:
            return text
    return text


def group_of(name: str, row: Row, column: str, dataset: DatasetConfig, faults: list[Fault]) -> str:
    """A grouping cell as it may be written: numbers plain, ages over 89 as 90+."""
    text = plain(row.cells[column], dataset.decimal)
    text = ids.cap_age(text) if is_age(name) or is_age(column) else text
    if name not in dataset.bands:
        return text
    try:
        return ids.band(text, dataset.bands[name])
    except ValueError:
        faults.append(Fault(f"{text!r} is not a number, though 'bands' cut it into ranges", row.line, column))
        return text


def side_of(row: Row, dataset: DatasetConfig, faults: list[Fault]) -> str | None:
    """The side that the table names: by one column of names, or by a yes/no column for each side."""
    columns = dataset.split.columns
    if columns is None:
        return None
    if isinstance(columns, str):
        text = row.cells[columns]
        if not values.is_empty(text) and text.casefold() not in SIDES:
            faults.append(Fault(f"{text!r} is not a side: one of {sorted(SIDES)}", row.line, columns))
        return SIDES.get(text.casefold())
    named = []
    for side, column in columns.items():
        text = label(row.cells[column].casefold())  # 1.0, as pandas writes a column with empty cells
        if text in _YES:
            named.append(side)
        elif text not in _NO and not values.is_empty(text):
            faults.append(Fault(f"{row.cells[column]!r} is neither yes (1) nor no (0)", row.line, column))
    if len(named) > 1:
        faults.append(Fault(f"on two sides: {' and '.join(named)}", row.line, ", ".join(columns[s] for s in named)))
    return named[0] if named else None


def order_of(row: Row, dataset: DatasetConfig, faults: list[Fault]) -> str | None:
    """A date or number in a form that sorts: ISO dates as they are, numbers with a point."""
    if dataset.order is None:
        return None

    text = row.cells[dataset.order]
    try:
        number = values.number(text, dataset.decimal)
        return str(int(number)) if number.is_integer() else repr(number)  # 20240331101500 keeps its seconds
    except ValueError:
        pass
    try:
        return datetime.datetime.fromisoformat(text).isoformat()
    except ValueError:
        faults.append(Fault(f"{text!r} is neither a number nor a date like 2024-03-31", row.line, dataset.order))
        return None
