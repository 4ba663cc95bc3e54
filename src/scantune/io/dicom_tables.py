"""Look-up tables in DICOM: modality LUT, VOI LUT, palettes, of any representation, checked by their descriptor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from pydicom.pixels import apply_color_lut
from pydicom.tag import Tag

from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_numbers import NotANumberError, numbers
from scantune.records import ReadError

_LUT_DESCRIPTOR, _LUT_DATA = 0x00283002, 0x00283006
_COLOURS = ("Red", "Green", "Blue")


@dataclass(frozen=True, eq=False)
class Table:
    """A look-up table (PS3.3 C.11.1.1).

    Attributes:
        first: stored value of the first entry; values below take that entry too, values beyond the last one.
        entries: [N], or [N, 3] of a palette.
        bits: of an entry.
    """

    first: int
    entries: np.ndarray
    bits: int

    def of(self, raw: np.ndarray) -> np.ndarray:
        """The entries of whole numbers, of their shape (and 3 for a palette)."""
        return self.entries[np.clip(raw.astype(np.int64) - self.first, 0, len(self.entries) - 1)]

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest entry."""
        return float(self.entries.min()), float(self.entries.max())


def sequence_table(sequence: Any, keyword: str, signed: bool) -> Table:
    """The table of a modality LUT sequence, or the first of a VOI LUT sequence, whose others are other ways to show it.

    Args:
        sequence: its items.
        keyword: of the sequence, for messages.
        signed: whether the values that it is applied to can be negative.

    Raises:
        ReadError: a descriptor or data that are missing or do not fit each other; several modality LUTs.
    """
    if not sequence:
        raise ReadError(f"{keyword} is empty")
    if keyword == "ModalityLUTSequence" and len(sequence) > 1:  # PS3.3 C.11.1: a single item
        raise ReadError(f"{keyword} has {len(sequence)} tables: which one gives the values cannot be told")
    item = sequence[0]
    elements = [item.get_item(Tag(tag)) for tag in (_LUT_DESCRIPTOR, _LUT_DATA)]
    n, first, bits = _descriptor(elements[0], _LUT_DESCRIPTOR, f"LUTDescriptor of {keyword}", signed)
    return Table(first, _entries(elements[1], n, bits, f"LUTData of {keyword}"), bits)


def palette(file: DicomFile, signed: bool) -> Table:
    """The palette of PALETTE COLOR pixels as RGB of 8 bits (PS3.3 C.7.6.3.1.5 and .6).

    Entries of 16 bits keep their upper eight; some writers state 16 bits and use 8 of them, which is seen from the
    entries of all three colours together.

    Raises:
        ReadError: a colour is missing, entries of neither 8 nor 16 bits, or descriptors or lengths that contradict each
            other.
    """
    described = []
    for colour in _COLOURS:
        name = f"{colour}PaletteColorLookupTableDescriptor"
        described.append(_descriptor(file.item(name), _tag(name), name, signed))
    if len(set(described)) > 1:
        raise ReadError(f"the palette's descriptors differ by colour: {described}")
    n, first, bits = described[0]
    if bits not in (8, 16):
        raise ReadError(f"the palette has entries of {bits} bits; the standard has 8 and 16")
    segmented = file.has("SegmentedRedPaletteColorLookupTableData")
    entries = _expanded(file, n, first, bits) if segmented else _columns(file, n, bits)
    if int(entries.max()) > 255:
        entries = entries >> 8
    return Table(first, entries.astype(np.uint8), 8)


def _tag(keyword: str) -> int:
    return int(Tag(keyword))


def _columns(file: DicomFile, n: int, bits: int) -> np.ndarray:
    names = [f"{colour}PaletteColorLookupTableData" for colour in _COLOURS]
    return np.stack([_entries(file.item(name), n, bits, name) for name in names], axis=-1)


def _expanded(file: DicomFile, n: int, first: int, bits: int) -> np.ndarray:
    """A segmented palette, its segments unrolled by pydicom."""
    segmented = pydicom.Dataset()
    for colour in _COLOURS:
        name = f"{colour}PaletteColorLookupTable"
        segmented.add_new(_tag(f"{name}Descriptor"), "US", [n % 65536, 0, bits])
        data = _bytes(file.item(f"Segmented{name}Data"), f"Segmented{name}Data")
        segmented.add_new(_tag(f"Segmented{name}Data"), "OW", data)
    segmented.set_original_encoding(False, file.little)
    segmented.PhotometricInterpretation = "PALETTE COLOR"
    try:
        return apply_color_lut(np.arange(n, dtype=np.uint16), segmented)
    except Exception as error:  # segments that lead nowhere raise anything
        raise ReadError("the palette's segments do not make a table", repr(error)) from error


def _descriptor(item: Any, tag: int, name: str, signed: bool) -> tuple[int, int, int]:
    """Entries, first mapped value, bits of an entry."""
    try:
        values = [int(value) for value in numbers(item, tag)]
    except NotANumberError as error:
        raise ReadError(f"{name} is not a number: {error}") from error
    if len(values) != 3:
        raise ReadError(f"{name} has {len(values)} values where 3 belong")
    n, first, bits = values[0] % 65536 or 65536, values[1], values[2]
    if signed and first >= 32768:
        first -= 65536
    elif not signed and first < 0:
        first += 65536
    if not 1 <= bits <= 16:
        raise ReadError(f"{name} states entries of {bits} bits")
    return n, first, bits


def _bytes(item: Any, name: str) -> bytes:
    value = getattr(item, "value", None)
    if isinstance(value, bytes):
        if getattr(item, "VR", None) == "SS" and len(value) % 2 == 0:
            little = getattr(item, "is_little_endian", True) is not False
            _check_entries(np.frombuffer(value, "<i2" if little else ">i2"), name)
        return value
    if value is None or isinstance(value, str):
        raise ReadError(f"{name} is missing or no table")
    many = np.atleast_1d(np.asarray(value))
    if many.dtype.kind not in "iu":
        raise ReadError(f"{name} is no table")
    _check_entries(many, name)
    return many.astype("<u2").tobytes()


def _check_entries(entries: np.ndarray, name: str) -> None:
    if entries.size and entries.min() < 0:
        raise ReadError(f"{name} has the entry {int(entries.min())}; entries are not negative")


def _entries(item: Any, n: int, bits: int, name: str) -> np.ndarray:
    """[N] whole numbers; bytes or words by the length, which must be one of the two."""
    raw = _bytes(item, name)
    little = getattr(item, "is_little_endian", True) is not False or not isinstance(item.value, bytes)
    if len(raw) == 2 * n:
        entries = np.frombuffer(raw, "<u2" if little else ">u2")
    elif len(raw) in (n, n + n % 2):
        entries = np.frombuffer(raw, np.uint8)[:n]
    else:
        raise ReadError(f"{name} has {len(raw)} bytes where its descriptor states {n} entries of {bits} bits")
    if int(entries.max()) >> bits:
        raise ReadError(f"{name} has the entry {int(entries.max())} where its descriptor states {bits} bits")
    return entries.astype(np.uint16)
