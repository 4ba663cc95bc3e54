"""Sequences of a plain header from its bytes: functional groups of thousands of frames, and look-up tables.

pydicom parses every element of every frame; what reading asks for is a tenth of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import lru_cache

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag, Tag

UNDEFINED = 0xFFFFFFFF
LONG = frozenset((b"OB", b"OW", b"OF", b"OD", b"OL", b"OV", b"SQ", b"UC", b"UR", b"UT", b"UN", b"SV", b"UV"))
SHORT = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS")
    + (b"ST", b"TM", b"UI", b"UL", b"US")
)
HEAD = struct.Struct("<HH2sH").unpack_from
IMPLICIT = struct.Struct("<HHL").unpack_from
LENGTH = struct.Struct("<L").unpack_from
_ITEM, _ITEM_END, _SEQUENCE_END = 0xE000, 0xE00D, 0xE0DD  # elements of group FFFE
_DEEPEST = 16
_MACRO_WORDS = """
PlanePositionSequence PlaneOrientationSequence PixelMeasuresSequence PixelValueTransformationSequence
FrameVOILUTSequence FrameContentSequence MREchoSequence MRDiffusionSequence CardiacSynchronizationSequence
MRModifierSequence MRTimingAndRelatedParametersSequence MRArterialSpinLabelingSequence MRImageFrameTypeSequence
CTImageFrameTypeSequence PETFrameTypeSequence XRay3DFrameTypeSequence CTXRayDetailsSequence CTReconstructionSequence
RealWorldValueMappingSequence MRVelocityEncodingSequence TemporalPositionSequence ProjectionPixelCalibrationSequence
FramePixelDataPropertiesSequence
"""
_PHILIPS_FRAME = 0x2005140F
#: What is read of the functional groups of a frame (PS3.3 C.7.6.16).
MACROS = frozenset((*(int(Tag(word)) for word in _MACRO_WORDS.split()), _PHILIPS_FRAME))
_GROUPS = frozenset((0x52009229, 0x52009230))


class NotPlainError(Exception):
    """Bytes that are left to pydicom."""


def sequence_items(raw: bytes, at: int, length: int, tag: int, explicit: bool) -> tuple[Sequence, int]:
    """The items of a sequence, and where it ends.

    Args:
        raw: from the start of the file.
        at: where its first item starts.
        length: of the sequence, or `UNDEFINED`.
        tag: of the sequence; of functional groups the `MACROS` alone are kept.
        explicit: whether value representations are stated.

    Raises:
        NotPlainError: what pydicom should look at.
        struct.error: it goes on beyond ``raw``.
    """
    end, items = (UNDEFINED if length == UNDEFINED else at + length), []
    while at < end:
        group, element, size = IMPLICIT(raw, at)
        at += 8
        if group != 0xFFFE or element not in (_ITEM, _SEQUENCE_END):
            raise NotPlainError
        if element == _SEQUENCE_END:
            break
        item, at = _item(raw, at, size, explicit, MACROS if tag in _GROUPS else None)
        items.append(item)
    if end != UNDEFINED and at != end:
        raise NotPlainError
    return Sequence(items), at


def _item(raw: bytes, at: int, size: int, explicit: bool, tags: frozenset[int] | None) -> tuple[Dataset, int]:
    """One item: sequences among what is kept of functional groups are read, other ones stay bytes."""
    elements: dict[BaseTag, RawDataElement | DataElement] = {}
    end = UNDEFINED if size == UNDEFINED else at + size
    for tag, vr, start, length, after in _elements(raw, at, end, explicit):
        if tag < 0:
            at = after
            break
        at = after
        if tags is not None and tag not in tags:
            continue
        if tags is not None and vr in (b"SQ", b""):
            items, _ = sequence_items(raw, start, length, tag, explicit)
            elements[_tag(tag)] = DataElement(_tag(tag), "SQ", items, already_converted=True)
            continue
        value = raw[start : after - 8 if length == UNDEFINED else after]
        if after > len(raw):
            raise struct.error
        name = vr.decode() if explicit else None
        elements[_tag(tag)] = RawDataElement(_tag(tag), name, len(value), value, start, not explicit, True)
    if end != UNDEFINED and at != end:
        raise NotPlainError
    dataset = Dataset(elements)
    dataset.set_original_encoding(not explicit, True)
    return dataset, at


def _elements(raw: bytes, at: int, end: int, explicit: bool) -> Iterator[tuple[int, bytes, int, int, int]]:
    """Tag, value representation, start, length and end of each element; tag −1 for the end of an open item."""
    while at < end:
        group, element, length = IMPLICIT(raw, at)
        if group == 0xFFFE:
            if element != _ITEM_END or end != UNDEFINED:
                raise NotPlainError
            yield -1, b"", at, 0, at + 8
            return
        vr, start = b"", at + 8
        if explicit:
            _, _, vr, length = HEAD(raw, at)
            if vr in LONG:
                (length,) = LENGTH(raw, start)
                start += 4
            elif vr not in SHORT:
                raise NotPlainError
        after: int | None = start + length
        if length == UNDEFINED:
            after = past_items(raw, start, explicit and vr == b"SQ", 0)
            if after is None:
                raise NotPlainError
        assert after is not None
        yield group << 16 | element, vr, start, length, after
        at = after


def past_items(raw: bytes, at: int, explicit: bool, depth: int) -> int | None:
    """Where a sequence of undefined length ends, whose first item starts at ``at``; None where it is not plain."""
    while depth <= _DEEPEST:
        group, element, length = IMPLICIT(raw, at)
        at += 8
        if group != 0xFFFE:
            return None
        if element == _SEQUENCE_END:
            return at
        if element != _ITEM:
            return None
        if length != UNDEFINED:
            at += length
            continue
        after = _past_elements(raw, at, explicit, depth)
        if after is None:
            return None
        at = after
    return None


def _past_elements(raw: bytes, at: int, explicit: bool, depth: int) -> int | None:
    """Where an item of undefined length ends, whose first element starts at ``at``; None where it is not plain."""
    while True:
        if IMPLICIT(raw, at)[:2] == (0xFFFE, _ITEM_END):
            return at + 8
        if explicit:
            _, _, vr, length = HEAD(raw, at)
            start = at + 8
            if vr in LONG:
                (length,) = LENGTH(raw, start)
                start += 4
            elif vr not in SHORT:
                return None
        else:
            length, start, vr = IMPLICIT(raw, at)[2], at + 8, b""
        if length != UNDEFINED:
            at = start + length
            continue
        after = past_items(raw, start, explicit and vr == b"SQ", depth + 1)
        if after is None:
            return None
        at = after


@lru_cache(512)
def _tag(number: int) -> BaseTag:
    return BaseTag(number)
