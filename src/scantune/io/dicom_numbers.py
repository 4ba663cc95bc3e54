"""Numbers of a DICOM element, whatever value representation a writer gave it; never a guess."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement, convert_raw_data_element

_BINARY = {"US": "u2", "SS": "i2", "UL": "u4", "SL": "i4", "FL": "f4", "FD": "f8", "UV": "u8", "SV": "i8"}
_BYTES = frozenset({"UN", "OB", "OW", "OL", "OF", "OD", "OV", None})  # say nothing of how the value is written
_TEXT = re.compile(r"[-+0-9.,eE\\ ]+")
_COMMA = "a decimal comma in the header read as a point"
_DECIMAL_COMMA = re.compile(r"[-+]?\d*,(\d{1,2}|\d{4,})([eE][-+]?\d+)?")


class NotANumberError(ValueError):
    """An element that has a value which is not a number, or may be two."""


def numbers(item: Any, tag: int, notes: list[str] | None = None, vr: str | None = None) -> list[float]:
    """The values of a numeric element, [] where it is absent or empty.

    A decimal comma is a point where it cannot part thousands (``-1024,0``, not ``1,024``), and is noted. An element
    whose value representation is another than the dictionary's (PS3.6) is read by its own where that is one for numbers
    or text, and refused where both ways give a number.

    Args:
        item: of a pydicom data set, raw or converted, or None.
        tag: of the element.
        notes: gets a line for a decimal comma.
        vr: value representation by the vendor's documents, for a private element.

    Raises:
        NotANumberError: its text is the value as it stands in the file.
    """
    if item is None or item.value is None or item.value == "":
        return []
    if not isinstance(item, RawDataElement) or not isinstance(item.value, bytes):
        return _converted(item)
    raw: bytes = item.value
    expected = vr or _dictionary(tag)
    vr = expected if item.VR in _BYTES else str(item.VR)
    if vr in _BINARY:
        if expected in ("DS", "IS") and _as_text(raw, None) is not None:
            raise NotANumberError(f"{_quoted(raw)} in the value representation {vr}")
        return _as_binary(raw, vr, bool(item.is_little_endian))
    values = _as_text(raw, notes)
    if values is None and expected in _BINARY and expected != item.VR:
        return _as_binary(raw, expected, bool(item.is_little_endian))
    if values is None:
        raise NotANumberError(_quoted(raw))
    return values


def in_sign(number: float, signed: bool, allocated: int) -> float:
    """A value of US or SS in the sign of the pixels, of so many allocated bits: files state it in either."""
    span = 1 << max(16, allocated)
    if signed and number >= span >> 1:
        return number - span
    return number + span if not signed and number < 0 else number


@lru_cache(1024)
def _dictionary(tag: int) -> str:
    """The value representation by PS3.6; of "US or SS" the first: the pixel representation decides later."""
    try:
        return dictionary_VR(tag).split(" ")[0]
    except KeyError:
        return "UN"


def _as_binary(raw: bytes, vr: str, little: bool) -> list[float]:
    dtype = np.dtype(("<" if little else ">") + _BINARY[vr])
    if len(raw) % dtype.itemsize:
        raise NotANumberError(f"{len(raw)} bytes where a value of {vr} has {dtype.itemsize}")
    return [float(value) for value in np.frombuffer(raw, dtype)]


def _as_text(raw: bytes, notes: list[str] | None) -> list[float] | None:
    """Numbers of a text, [] of a blank one, None where it is none."""
    stripped = raw.strip(b" \0")
    if not stripped:
        return []
    try:
        return [float(piece) for piece in stripped.split(b"\\")]
    except ValueError:
        pass
    pieces = [piece.strip() for piece in stripped.decode("latin-1").split("\\")]
    if not all(_DECIMAL_COMMA.fullmatch(piece) or _plain(piece) for piece in pieces):
        return None
    if notes is not None and _COMMA not in notes:
        notes.append(_COMMA)
    return [float(piece.replace(",", ".")) for piece in pieces]


def _plain(piece: str) -> bool:
    try:
        float(piece)
    except ValueError:
        return False
    return True


def _converted(item: Any) -> list[float]:
    if isinstance(item, RawDataElement):
        item = convert_raw_data_element(item)
    value = item.value
    if value is None:
        return []
    if isinstance(value, (str, bytes)):
        raw = value.encode("latin-1", "replace") if isinstance(value, str) else value
        values = _as_text(raw, None)
        if values is None:
            raise NotANumberError(_quoted(raw))
        return values
    try:
        return [float(one) for one in (value if hasattr(value, "__iter__") else [value])]
    except (TypeError, ValueError) as error:
        raise NotANumberError("a value that is not a number") from error


def _quoted(raw: bytes) -> str:
    """The value where it is made of figures: other text may be a name, and a reason is written to outputs."""
    text = raw.strip(b" \0").decode("latin-1")
    return f"'{text}'" if _TEXT.fullmatch(text) and len(text) <= 64 else f"{len(raw)} bytes that are no number"
