"""Which stored values of a DICOM image stand for no pixel at all."""

from __future__ import annotations

from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_numbers import in_sign
from scantune.records import ReadError

#: JPEG baseline and extended, JPEG-LS near-lossless, JPEG 2000: values beside an edge are not what they were.
_LOSSY = frozenset(f"1.2.840.10008.1.2.4.{end}" for end in ("50", "51", "81", "91", "203"))


def padding_of(file: DicomFile, signed: bool, allocated: int) -> tuple[float, float] | None:
    """Stored values from … to, both included (PS3.3 C.7.5.1.1.2), or None.

    Args:
        file: its header; gets a note where padding is stated and cannot be told.
        signed: whether stored values are.
        allocated: bits of a stored value.

    Raises:
        ReadError: no numbers, or a limit alone.
    """
    for value, limit in (
        ("PixelPaddingValue", "PixelPaddingRangeLimit"),
        ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
        ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
    ):
        one, other = file.one_number(value), file.one_number(limit)
        if one is None and other is not None:
            raise ReadError(f"{limit} is {other:g} where {value} is missing")
        if one is None:
            if file.has(value):
                file.notes.append(f"{value} is empty: which pixels are padding is not known")
            continue
        if file.syntax in _LOSSY:
            file.notes.append(f"{value} is {one:g}; lossy compression has blurred such pixels, so none is set aside")
            return None
        other = one if other is None else other
        if value.startswith("Pixel"):
            one, other = (in_sign(number, signed, allocated) for number in (one, other))
        return min(one, other), max(one, other)
    return None
