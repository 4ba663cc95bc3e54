"""Uncompressed pixels by their place in the file, and the bits of a stored value."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pydicom

from scantune.amounts import number_of
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_meaning import Meaning
from scantune.records import ReadError

_LITTLE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
_BIG = "1.2.840.10008.1.2.2"
_FLOATS = {0x7FE00008: 32, 0x7FE00009: 64}
_PIXELS = 0x7FE00010


def native_frames(file: DicomFile, meaning: Meaning) -> tuple[int, int, np.dtype] | None:
    """Start of the first frame, bytes of a frame and dtype, for uncompressed pixels that need no unpacking; else None.

    Raises:
        ReadError: no pixel data, less of it than the header says, or frames that it does not speak of.
    """
    if file.offset is None or file.syntax not in (*_LITTLE, _BIG, ""):
        return None
    with file.path.open("rb") as handle:
        handle.seek(file.offset)
        element = handle.read(12)
        size = handle.seek(0, 2)
    order: Literal["little", "big"] = "little" if file.little else "big"
    if len(element) < 8:
        raise ReadError("the file has no pixel data, or is cut before it", str(file.path))
    tag = int.from_bytes(element[0:2], order) << 16 | int.from_bytes(element[2:4], order)
    if tag != _PIXELS and tag not in _FLOATS:
        raise ReadError("the file has no pixel data", str(file.path))
    explicit = element[4:6] in (b"OW", b"OB", b"OF", b"OD", b"UN", b"OL")
    length = int.from_bytes(element[8:12] if explicit else element[4:8], order)
    start = file.offset + (12 if explicit else 8)
    if not file.little and element[4:6] == b"OW" and meaning.allocated == 8:
        return None  # bytes lie swapped in words of two
    dtype = _stored_dtype(file, tag, meaning)
    if length == 0xFFFFFFFF or dtype is None or file.photometric == "YBR_FULL_422":
        return None
    frame = file.rows * file.columns * meaning.samples * dtype.itemsize
    check_length(min(length, size - start), frame, file)
    return start, frame, dtype


def encapsulated(file: DicomFile) -> bytes | None:
    """The items of compressed pixel data by their place in the file, five times as fast as parsing it once more.

    None where something else stands in that place, such as an extended offset table.

    Raises:
        ReadError: cut short.
    """
    if file.offset is None or not file.little:
        return None
    with file.path.open("rb") as handle:
        handle.seek(file.offset)
        element = handle.read(12)
        if element[:4] != b"\xe0\x7f\x10\x00" or element[4:6] not in (b"OB", b"OW") or element[8:] != b"\xff" * 4:
            return None
        data = handle.read()
    at = 0
    while data[at : at + 4] == b"\xfe\xff\x00\xe0":
        at += 8 + int.from_bytes(data[at + 4 : at + 8], "little")
    if data[at : at + 4] != b"\xfe\xff\xdd\xe0":  # the delimiter behind the last item
        raise ReadError("the compressed pixel data is damaged or cut short", str(file.path))
    return data[:at]


def check_length(available: int, frame: int, file: DicomFile) -> None:
    """Refuse pixel data that is not as long as the header says; a byte or some behind it are noted.

    Args:
        available: bytes that are there.
        frame: bytes of a frame.
        file: its number of frames counts; gets the note.

    Raises:
        ReadError: too short, or with room for a whole frame more.
    """
    needed = frame * file.n_frames
    if available < needed:
        raise ReadError(f"the pixel data is cut short: {max(0, available)} of {needed} bytes are there", str(file.path))
    if available - needed >= max(2, frame):
        count = "NumberOfFrames is missing" if not file.text("NumberOfFrames") else f"the header says {file.n_frames}"
        raise ReadError(f"the pixel data holds {available / frame:g} frames where {count}", str(file.path))
    if available - needed > 1:
        file.notes.append(f"not used: {number_of(available - needed, 'byte')} behind the pixels of the last frame")


def _stored_dtype(file: DicomFile, tag: int, meaning: Meaning) -> np.dtype | None:
    order = "<" if file.little else ">"
    if tag in _FLOATS:
        if meaning.allocated != _FLOATS[tag]:
            raise ReadError(f"BitsAllocated is {meaning.allocated} where the pixels are floats of {_FLOATS[tag]} bits")
        return np.dtype(f"{order}f{_FLOATS[tag] // 8}")
    if meaning.stored is None:
        raise ReadError(f"BitsStored is missing (BitsAllocated {meaning.allocated})", str(file.path))
    if meaning.allocated not in (8, 16, 32):
        return None
    return np.dtype(f"{order}{'i' if meaning.signed else 'u'}{meaning.allocated // 8}")


def read_native(file: DicomFile, meaning: Meaning, place: tuple[int, int, np.dtype], index: int) -> np.ndarray:
    """One uncompressed frame as stored: [H, W] or [H, W, 3]."""
    start, frame, dtype = place
    flat = np.fromfile(file.path, dtype=dtype, count=frame // dtype.itemsize, offset=start + index * frame)
    if flat.size * dtype.itemsize != frame:
        raise ReadError("the pixel data is cut short", str(file.path))
    if meaning.samples == 1:
        return in_stored_bits(flat.reshape(file.rows, file.columns), file, meaning)
    planes = file.one_integer("PlanarConfiguration")
    if planes not in (0, 1):
        words = "missing" if planes is None else planes
        raise ReadError(f"PlanarConfiguration is {words}: how the colours lie cannot be told", str(file.path))
    if planes == 1:
        return np.moveaxis(flat.reshape(3, file.rows, file.columns), 0, -1)
    return flat.reshape(file.rows, file.columns, 3)


def in_stored_bits(values: np.ndarray, file: DicomFile, meaning: Meaning) -> np.ndarray:
    """The stored values out of their words (PS3.5 8.1.1), the sign from their highest bit.

    What the other bits hold has no meaning by the standard. Where they are set and no overlay is declared there, a note
    says so: the values of some scanners run over.

    Args:
        values: words as they lie in the file.
        file: looked at for overlays where bits outside the stored ones are set; gets the note.
        meaning: bits and sign.

    Raises:
        ReadError: a sign bit in pixels of unknown sign.
    """
    stored, allocated = meaning.stored, values.dtype.itemsize * 8
    if values.dtype.kind not in "iu" or stored is None or values.size == 0:
        return values
    high = stored - 1 if meaning.high is None else meaning.high
    low_bits = high + 1 - stored
    least, most = int(values.min()), int(values.max())
    if low_bits == 0 and _fits(least, most, stored, meaning.signed):
        _check_sign(most, stored, meaning)
        return values
    words = values.view(f"{values.dtype.byteorder}u{values.dtype.itemsize}")
    outside = (1 << allocated) - 1 & ~(((1 << stored) - 1) << low_bits)
    extended = meaning.signed and bool(
        (words >> (high + 1) == np.where(words >> high & 1, (1 << allocated - high - 1) - 1, 0)).all()
    )
    ignored = outside & ((1 << low_bits) - 1) if extended else outside
    if (words & words.dtype.type(ignored)).any() and not _overlay_in_pixels(file):
        file.notes.append(f"bits outside of BitsStored {stored} and HighBit {high} are set, and cleared")
    cleared = words >> low_bits & words.dtype.type((1 << stored) - 1)
    _check_sign(int(cleared.max()), stored, meaning)
    if not meaning.signed:
        return cleared
    shift = allocated - stored
    return (cleared << shift).view(f"{values.dtype.byteorder}i{values.dtype.itemsize}") >> shift


def _fits(least: int, most: int, stored: int, signed: bool | None) -> bool:
    if signed:
        return -(1 << (stored - 1)) <= least and most < 1 << (stored - 1)
    return most >> stored == 0


def _check_sign(most: int, stored: int, meaning: Meaning) -> None:
    if meaning.signed is None and most >> (stored - 1):
        raise ReadError(f"{meaning.doubt}, and a pixel is {most}, or {most - (1 << stored)} if signed")


def _overlay_in_pixels(file: DicomFile) -> bool:
    """Whether an overlay is declared in the unused bits of the pixels (retired in 2004)."""
    positions = [0x60000102 + (group << 17) for group in range(16)]
    header = pydicom.dcmread(file.path, stop_before_pixels=True, force=True, specific_tags=positions)
    return any(int(header[tag].value or 0) > 0 for tag in positions if tag in header)
