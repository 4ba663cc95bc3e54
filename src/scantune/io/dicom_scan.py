"""Selected items of a plain DICOM header, read directly from its bytes.

A series has hundreds of headers, and an enhanced file describes thousands of frames; parsing them with pydicom takes
longer than reading their pixels. What is not plain (big endian, deflated, sequences of an unknown representation or
nested deeply) is left to pydicom: the answer is None.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from dataclasses import dataclass

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian

from scantune.io.dicom_groups import (
    HEAD,
    IMPLICIT,
    LENGTH,
    LONG,
    SHORT,
    UNDEFINED,
    NotPlainError,
    past_items,
    sequence_items,
)

_PIXELS = frozenset((0x7FE00010, 0x7FE00008, 0x7FE00009))


class HeaderGoesOnError(Exception):
    """The header ends beyond the bytes that were handed in."""


@dataclass(frozen=True)
class Scanned:
    """A header.

    Attributes:
        items: raw elements by tag; sequences are parsed.
        syntax: transfer syntax UID.
        media_class: SOP class of the meta header, "" where there is none.
        offset: byte at which the pixel data element starts.
        implicit: whether value representations are left out.
    """

    items: dict[int, RawDataElement | DataElement]
    syntax: str
    media_class: str
    offset: int
    implicit: bool


def scan(raw: bytes, tags: Collection[int], sequences: Collection[int] = ()) -> Scanned | None:
    """Scan the first bytes of a file, which must reach to its pixel data.

    Args:
        raw: from the start of the file.
        tags: tags.
        sequences: which of them are sequences.

    Returns:
        The header, or None where it is not plain.

    Raises:
        HeaderGoesOnError: it does not end within ``raw``.
    """
    if raw[128:132] != b"DICM":
        return None
    try:
        scanned = _elements(raw, 132, (0x00020002, 0x00020010), (), explicit=True, last_group=2)
        if scanned is None:
            return None
        meta, start = scanned
        syntax = _text(meta, 0x00020010)
        if not syntax or syntax in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian):
            return None
        implicit = syntax == ImplicitVRLittleEndian
        scanned = _elements(raw, start, tags, sequences, explicit=not implicit, last_group=0xFFFF)
    except NotPlainError:
        return None
    except struct.error as error:
        raise HeaderGoesOnError from error
    if scanned is None:
        return None
    items, offset = scanned
    return Scanned(items, syntax, _text(meta, 0x00020002), offset, implicit)


def _elements(
    raw: bytes, at: int, tags: Collection[int], sequences: Collection[int], *, explicit: bool, last_group: int
) -> tuple[dict[int, RawDataElement | DataElement], int] | None:
    """Elements from ``at`` to the pixel data or the end of a group, and where that is."""
    items: dict[int, RawDataElement | DataElement] = {}
    before = -1
    while True:
        if explicit:
            group, element, vr, length = HEAD(raw, at)
        else:
            group, element, length = IMPLICIT(raw, at)
            vr = b""
        start, tag = at + 8, group << 16 | element
        if tag in _PIXELS or group > last_group:
            return items, at
        if explicit and vr in LONG:
            (length,) = LENGTH(raw, start)
            start += 4
        elif explicit and vr not in SHORT:
            return None
        if tag <= before:
            return None
        before = tag
        if tag in sequences and tag in tags and vr in (b"SQ", b""):
            sequence, at = sequence_items(raw, start, length, tag, explicit)
            items[tag] = DataElement(BaseTag(tag), "SQ", sequence, already_converted=True)
            continue
        if length == UNDEFINED:
            if tag in tags or (explicit and vr not in (b"SQ", b"UN")):
                return None
            after = past_items(raw, start, explicit and vr == b"SQ", 0)
            if after is None:
                return None
            at = after
            continue
        at = start + length
        if at > len(raw):
            raise struct.error
        if tag in tags:
            if vr == b"SQ" or (not explicit and raw[start : start + 4] == b"\xfe\xff\x00\xe0"):
                return None
            name = vr.decode() if explicit else None
            items[tag] = RawDataElement(BaseTag(tag), name, length, raw[start:at], start, not explicit, True)


def _text(items: dict[int, RawDataElement | DataElement], tag: int) -> str:
    return bytes(items[tag].value or b"").rstrip(b" \0").decode("latin-1") if tag in items else ""
