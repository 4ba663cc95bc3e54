"""The header of a MetaImage file (``.mha``, ``.mhd``; itk.org/Wiki/MetaIO/Documentation), as ITK understands it."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from scantune.io.data_names import MOST_HEADER, numbered
from scantune.io.file_bytes import Packing
from scantune.io.geometry import LPS_TO_RAS
from scantune.io.grid_header import GridHeader, checked_sizes, numbers, take_field
from scantune.records import ReadError

_TYPES = {
    "MET_CHAR": "i1", "MET_UCHAR": "u1", "MET_SHORT": "i2", "MET_USHORT": "u2", "MET_INT": "i4", "MET_UINT": "u4",
    "MET_LONG": "i4", "MET_ULONG": "u4", "MET_LONG_LONG": "i8", "MET_ULONG_LONG": "u8", "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}  # fmt: skip
#: Names of one field, the first that is there counts; those of a matrix and of an origin must agree.
_MATRIX = ("TransformMatrix", "Orientation", "Rotation")
_ORIGIN = ("Offset", "Position", "Origin")
_SPACING = ("ElementSpacing", "ElementSize")
_ORDER = ("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
_LAST = "ElementDataFile"
_SLOPE, _INTERCEPT = "ElementToIntensityFunctionSlope", "ElementToIntensityFunctionOffset"
#: Fields of the format that hold no text of anybody's.
_FIELDS = frozenset((
    *_MATRIX, *_ORIGIN, *_SPACING, *_ORDER, _LAST, "ObjectType", "ObjectSubType", "TransformType", "NDims", "Color",
    "CenterOfRotation", "DistanceUnits", "AnatomicalOrientation", "BinaryData", "CompressedData", "CompressedDataSize",
    "CompressionLevel", "DimSize", "HeaderSize", "HeaderSizePerSlice", "Modality", "SequenceID", "ElementMin",
    "ElementMax", "ElementNumberOfChannels", "ElementType", "ElementNBits", _SLOPE, _INTERCEPT, "ID", "ParentID",
))  # fmt: skip


def parse(head: bytes) -> GridHeader:
    """What a header states.

    Args:
        head: the file's first bytes, at least the whole header.

    Raises:
        ReadError: it breaks the format, or states what is not read.
    """
    fields, end, listed = _split(head)
    if fields.get("ObjectType", "Image") != "Image":
        raise ReadError("it is a MetaIO object that is not an image")
    n_axes = numbers(_required(fields, "NDims"), "NDims", int)[0]
    sizes = checked_sizes(numbers(_required(fields, "DimSize"), "DimSize", int), "DimSize", n_axes)
    channels = numbers(fields.get("ElementNumberOfChannels", "1"), "ElementNumberOfChannels", int)[0]
    if n_axes not in (2, 3, 4) or channels < 1 or (n_axes == 4 and channels > 1):
        times = "×".join(map(str, sizes))
        raise ReadError(
            f"it has {n_axes} dimensions ({times}) of {channels} values; an image has 3, a series of them 4"
        )
    notes: list[str] = []
    zooms = _zooms(fields, n_axes)
    affine = None if n_axes == 2 else _affine(fields, n_axes, zooms, notes)
    axis = 0 if channels > 1 else 3 if n_axes == 4 and sizes[3] > 1 else None
    if fields.get(_SLOPE, "1") not in ("1", "1.0") or fields.get(_INTERCEPT, "0") not in ("0", "0.0"):
        notes.append("ElementToIntensityFunction of the header is not applied, as ITK does not apply it")
    files = _files(fields[_LAST], listed)
    skipped = numbers(fields.get("HeaderSize", "0"), "HeaderSize", int)[0]  # of LOCAL data too from the file's start
    if not files and 0 < skipped < end:
        raise ReadError(f"its HeaderSize of {skipped} bytes is less than its MetaImage header, which has {end}")
    return GridHeader(
        "metaimage", (channels, *sizes) if channels > 1 else sizes[:3] if axis is None else sizes, axis,
        _dtype(fields), _packing(fields), affine, "the MetaImage file has two axes" if n_axes == 2 else "",
        (*zooms, 1.0)[:3], files, 0 if files or skipped > 0 else end, skipped, 0,
        {key: text for key, text in fields.items() if key not in _FIELDS and text}, notes=tuple(notes),
    )  # fmt: skip


def _split(head: bytes) -> tuple[dict[str, str], int, list[str]]:
    """Fields by name, the byte behind the last one, and the lines that follow it."""
    fields: dict[str, str] = {}
    at = 0
    while _LAST not in fields:
        end = head.find(b"\n", at)
        end = len(head) if end < 0 else end
        key, separator, value = head[at:end].decode("utf-8", "replace").partition("=")
        if separator:
            take_field(fields, key.strip(), value.strip())
        at = end + 1
        if at > len(head) and _LAST not in fields:
            within = f" within {MOST_HEADER:,} bytes" if len(head) >= MOST_HEADER else ""
            raise ReadError(f"its MetaImage header has no field '{_LAST}'{within}")
    rest = head[at:] if fields[_LAST].split()[:1] == ["LIST"] else b""
    return fields, min(at, len(head)), [line.strip() for line in rest.decode("utf-8", "replace").splitlines()]


def _required(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise ReadError(f"its MetaImage header has no field '{name}'")
    return fields[name]


def _first(fields: Mapping[str, str], names: tuple[str, ...]) -> str:
    """The text of the first of several names of one field.

    Raises:
        ReadError: another one states other numbers.
    """
    there = [name for name in names if fields.get(name)]
    for other in there[1:] if names in (_MATRIX, _ORIGIN) else ():  # ElementSize may be the thickness of slices
        if numbers(fields[other], other) != numbers(fields[there[0]], there[0]):
            raise ReadError(f"its MetaImage header states {there[0]} and {other}, names of one field, differently")
    return fields[there[0]] if there else ""


def _true(text: str) -> bool:
    return text[:1] in ("T", "t", "1")  # as MetaIO reads it


def _zooms(fields: Mapping[str, str], n_axes: int) -> tuple[float, ...]:
    text = _first(fields, _SPACING)
    zooms = numbers(text, "ElementSpacing") if text else [np.nan] * n_axes
    if len(zooms) != n_axes:
        raise ReadError(f"its MetaImage header has {len(zooms)} numbers as ElementSpacing for {n_axes} axes")
    return tuple(zooms)


def _affine(fields: Mapping[str, str], n_axes: int, zooms: tuple[float, ...], notes: list[str]) -> np.ndarray:
    """In mm, RAS. A row of the matrix is the direction of one axis, in the patient's left, posterior, superior."""
    if not np.isfinite(zooms).all():
        raise ReadError("its MetaImage header states no spacing: ElementSpacing is not set")
    text, origin = _first(fields, _MATRIX), _first(fields, _ORIGIN)
    if not text or not origin:
        missing = "TransformMatrix" if not text else "Offset"
        notes.append(f"the header has no {missing}: axes run to left, posterior, superior from 0, as ITK takes it")
    matrix = np.array(numbers(text, "TransformMatrix")) if text else np.eye(n_axes).ravel()
    place = numbers(origin, "Offset") if origin else [0.0] * n_axes
    if matrix.size != n_axes**2 or len(place) != n_axes:
        raise ReadError(f"TransformMatrix or Offset of its MetaImage header is not one of {n_axes} axes")
    affine = np.eye(4)
    affine[:3, :3] = matrix.reshape(n_axes, n_axes)[:3, :3].T * np.array(zooms[:3])
    affine[:3, 3] = place[:3]
    return LPS_TO_RAS @ affine


def _dtype(fields: Mapping[str, str]) -> np.dtype:
    code = _TYPES.get(_required(fields, "ElementType"))
    if code is None:
        raise ReadError("the ElementType of its MetaImage header is none of whole or real numbers of up to 64 bits")
    if fields.get("BinaryData") and not _true(fields["BinaryData"]):
        raise ReadError("its voxels are stored as text (BinaryData = False)")
    return np.dtype(code).newbyteorder(">" if _true(_first(fields, _ORDER)) else "<")


def _packing(fields: Mapping[str, str]) -> Packing | None:
    return "zlib" if _true(fields.get("CompressedData", "")) else None


def _files(text: str, listed: list[str]) -> tuple[str, ...]:
    """Names of data files: one, a list, or a pattern with a range; none where the data follow the header."""
    if text.upper() == "LOCAL":
        return ()
    if text.split()[:1] == ["LIST"]:
        return tuple(name for name in listed if name)
    pattern = re.fullmatch(r"(.*%\S*)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)", text)
    return (text,) if pattern is None else numbered(pattern[1], int(pattern[2]), int(pattern[3]), int(pattern[4]))
