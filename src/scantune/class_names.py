"""Names of classes as they are compared, in tables of labels and of predictions alike."""

from __future__ import annotations

import math
import re
import unicodedata

#: Words that stand for an empty cell, in lower case.
EMPTY = frozenset({"", "nan", "na", "n/a", "null", "none", "#n/a", "#nv", "#n/d"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def label(text: str) -> str:
    """A class's name as it is compared: ``1.0`` and ``1``, ``0.50`` and ``0.5`` are one class, and the Unicode forms of
    one word are."""
    number = value(nfc(text.strip()))
    if isinstance(number, str):
        return number
    return str(int(number)) if number.is_integer() else repr(number)


def value(name: str) -> str | float:
    """A class's name, or the finite number that it is (``1_2`` is a name)."""
    return float(name) if _NUMBER.fullmatch(name) and math.isfinite(float(name)) else name


def nfc(text: str) -> str:
    """A text in the one Unicode form in which texts are compared: letters with accents are one character each."""
    return unicodedata.normalize("NFC", text)
