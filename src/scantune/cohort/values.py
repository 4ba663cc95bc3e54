"""Cells as numbers, filters of rows, valid values of a target column."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence

from scantune.class_names import EMPTY, label, nfc

_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}[-. ][A-Za-z]{3,9}|[A-Za-z]{3,9}[-. ]\d{1,4}")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:[ ,'\u00a0\u202f]\d{3})+\.\d+|[+-]?\d{1,3}(?:[ ,'\u00a0\u202f]\d{3}){2,}")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def is_empty(text: str, named: Collection[object] = ()) -> bool:
    """Whether a cell is empty: blank, NaN, NA, null, none; except words that are ``named`` as values."""
    return text.strip().casefold() in EMPTY and not (text.strip() and text.strip() in map(str, named))


def number(text: str, decimal: str = ".") -> float:
    """A cell as a finite number.

    Raises:
        ValueError: with what is wrong and what would be right.
    """
    plain = text.strip()
    if decimal == ",":
        if "." in plain and _NUMBER.fullmatch(plain.replace(",", "").replace(".", "")):
            raise ValueError(
                f"{text!r} has a point, though 'decimal' is a comma: write it without separators of thousands"
            )
        plain = plain.replace(",", ".")
    if _NUMBER.fullmatch(plain) and math.isfinite(float(plain)):
        return float(plain)
    if _DATE.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is a date, not a number (spreadsheets turn 3-2 and 1.5 into dates)")
    if plain.endswith("%"):
        raise ValueError(f"{text!r} is not a number: write it without the percent sign")
    if decimal == "." and _THOUSANDS.fullmatch(plain):
        raise ValueError(f"{text!r} is not a number: write it without separators of thousands")
    if decimal == "." and _NUMBER.fullmatch(plain.replace(",", ".")):
        raise ValueError(f"{text!r} is not a number with a point: set 'decimal: \",\"' if commas are meant")
    raise ValueError(f"{text!r} is not a number")


def is_number(text: str) -> bool:
    """Whether a cell is a finite number with a point."""
    try:
        number(text)
    except ValueError:
        return False
    return True


def same(text: str, value: object, decimal: str = ".") -> bool:
    """Whether a cell is a value of ``params.yaml``: equal as numbers, as yes/no (1, true, yes), or as text."""
    if isinstance(value, bool):
        return label(text.casefold()) in (("1", "true", "yes", "y") if value else ("0", "false", "no", "n"))
    if isinstance(value, int | float):
        try:
            return number(text, decimal) == float(value)
        except ValueError:
            return False
    return nfc(text) == nfc(str(value)) or (value == "" and is_empty(text))


def in_range(text: str, low: float | None, high: float | None, decimal: str = ".") -> bool:
    """Whether a cell is a number from ``low`` to ``high``; an empty cell is not.

    Raises:
        ValueError: it is neither empty nor a number.
    """
    if is_empty(text):
        return False
    value = number(text, decimal)
    return (low is None or value >= low) and (high is None or value <= high)


def wrong_target(
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    numeric: bool = False,
    values: Sequence[object] | None = None,
    decimal: str = ".",
) -> str | None:
    """What is wrong with a target that isn't empty, or None."""
    if values is not None:
        return None if any(same(text, value, decimal) for value in values) else f"{text!r} is not one of {list(values)}"
    if not (numeric or low is not None or high is not None):
        return None
    try:
        value = number(text, decimal)
    except ValueError as error:
        return str(error)
    if (low is not None and value < low) or (high is not None and value > high):
        ends = f"{'−∞' if low is None else f'{low:g}'} to {'∞' if high is None else f'{high:g}'}"
        return f"{text!r} is out of range: {ends}"
    return None
