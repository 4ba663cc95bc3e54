"""The wanted items of a plain DICOM header, straight from its bytes.

A series has hundreds of headers, and parsing them with pydicom takes longer than reading their pixels. What is not
plain (little endian, no wanted sequence, none of undefined length that is nested deeply) is left to pydicom: the answer
is None.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass

from pydicom.dataelem import RawDataElement
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

_LONG = frozenset((b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"))
_SHORT = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS")
    + (b"ST", b"TM", b"UI", b"UL", b"US")
)
_PIXELS = frozenset((0x7FE00010, 0x7FE00008, 0x7FE00009))
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xE000, 0xE00D, 0xE0DD  # elements of group FFFE
_DEEPEST = 16
_HEAD = struct.Struct("<HH2sH").unpack_from
_IMPLICIT = struct.Struct("<HHL").unpack_from
_LENGTH = struct.Struct("<L").unpack_from


@dataclass(frozen=True)
class Scanned:
    """A header.

    Attributes:
        items: raw elements by tag.
        syntax: transfer syntax UID.
        media_class: SOP class of the meta header, "" where there is none.
        offset: byte at which the pixel data element starts.
        implicit: whether value representations are left out.
    """

    items: dict[int, RawDataElement]
    syntax: str
    media_class: str
    offset: int
    implicit: bool


def scan(raw: bytes, wanted: Collection[int]) -> Scanned | None:
    """Scan the first bytes of a file, which must reach to its pixel data.

    Args:
        raw: from the start of the file.
        wanted: tags.

    Returns:
        The header, or None where it is not plain or does not end within ``raw``.
    """
    if raw[128:132] != b"DICM":
        return None
    try:
        found = _elements(raw, 132, (0x00020002, 0x00020010), explicit=True, last_group=2)
        if found is None:
            return None
        meta, start = found
        syntax = _text(meta, 0x00020010)
        if not syntax or syntax in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian):
            return None
        implicit = syntax == ImplicitVRLittleEndian
        found = _elements(raw, start, wanted, explicit=not implicit, last_group=0xFFFF)
    except struct.error:  # the header goes on beyond these bytes
        return None
    if found is None:
        return None
    items, offset = found
    return Scanned(items, syntax, _text(meta, 0x00020002), offset, implicit)


def _elements(
    raw: bytes, at: int, wanted: Collection[int], *, explicit: bool, last_group: int
) -> tuple[dict[int, RawDataElement], int] | None:
    """Elements from ``at`` to the pixel data or the end of a group, and where that is."""
    items: dict[int, RawDataElement] = {}
    before = -1
    while True:
        if explicit:
            group, element, vr, length = _HEAD(raw, at)
            start = at + 8
        else:
            group, element, length = _IMPLICIT(raw, at)
            vr, start = b"", at + 8
        tag = group << 16 | element
        if tag in _PIXELS or group > last_group:
            return items, at
        if explicit and vr in _LONG:
            (length,) = _LENGTH(raw, start)
            start += 4
        elif explicit and vr not in _SHORT:
            return None
        if length == _UNDEFINED and tag not in wanted and (not explicit or vr in (b"SQ", b"UN")):
            after = _past_items(raw, start, explicit and vr == b"SQ", 0)
            if after is None or tag <= before:
                return None
            before, at = tag, after
            continue
        if length == _UNDEFINED or tag <= before or start + length > len(raw):
            return None
        if tag in wanted:
            if vr == b"SQ" or (not explicit and raw[start : start + 4] == b"\xfe\xff\x00\xe0"):
                return None
            name = vr.decode() if explicit else None
            value = raw[start : start + length]
            items[tag] = RawDataElement(BaseTag(tag), name, length, value, start, not explicit, True)
        before, at = tag, start + length


def _past_items(raw: bytes, at: int, explicit: bool, depth: int) -> int | None:
    """Where a sequence of undefined length ends, whose first item starts at ``at``; None where it is not plain."""
    while depth <= _DEEPEST:
        group, element, length = _IMPLICIT(raw, at)
        at += 8
        if group != 0xFFFE:
            return None
        if element == _SEQUENCE_END:
            return at
        if element != _ITEM:
            return None
        if length != _UNDEFINED:
            at += length
            continue
        found = _past_elements(raw, at, explicit, depth)
        if found is None:
            return None
        at = found
    return None


def _past_elements(raw: bytes, at: int, explicit: bool, depth: int) -> int | None:
    """Where an item of undefined length ends, whose first element starts at ``at``; None where it is not plain."""
    while True:
        if _IMPLICIT(raw, at)[:2] == (0xFFFE, _ITEM_END):
            return at + 8
        if explicit:
            _, _, vr, length = _HEAD(raw, at)
            start = at + 8
            if vr in _LONG:
                (length,) = _LENGTH(raw, start)
                start += 4
            elif vr not in _SHORT:
                return None
        else:
            length, start, vr = _IMPLICIT(raw, at)[2], at + 8, b""
        if length != _UNDEFINED:
            at = start + length
            continue
        after = _past_items(raw, start, explicit and vr == b"SQ", depth + 1)
        if after is None:
            return None
        at = after


def _text(items: dict[int, RawDataElement], tag: int) -> str:
    return bytes(items[tag].value or b"").rstrip(b" \0").decode("latin-1") if tag in items else ""
