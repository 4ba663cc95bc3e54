"""The header of an NRRD file (teem.sourceforge.net/nrrd/format.html), attached to its data or in a file of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scantune.io.data_names import MOST_HEADER, numbered
from scantune.io.file_bytes import Packing
from scantune.io.geometry import LPS_TO_RAS
from scantune.io.grid_header import GridHeader, checked_sizes, numbers, take_field
from scantune.records import ReadError

_SPACES = {
    "left-posterior-superior": LPS_TO_RAS,
    "lps": LPS_TO_RAS,
    "right-anterior-superior": np.eye(4),
    "ras": np.eye(4),
    "left-anterior-superior": np.diag([-1.0, 1.0, 1.0, 1.0]),
    "las": np.diag([-1.0, 1.0, 1.0, 1.0]),
}
_TYPES = {
    name: code
    for code, names in {
        "i1": "signed char, int8, int8_t",
        "u1": "uchar, unsigned char, uint8, uint8_t",
        "i2": "short, short int, signed short, signed short int, int16, int16_t",
        "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
        "i4": "int, signed int, int32, int32_t",
        "u4": "uint, unsigned int, uint32, uint32_t",
        "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
        "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
        "f4": "float",
        "f8": "double",
    }.items()
    for name in names.split(", ")
}
_PACKINGS: dict[str, Packing | None] = {
    "raw": None, "gzip": "gzip", "gz": "gzip", "bzip2": "bzip2", "bz2": "bzip2",
}  # fmt: skip
_MILLIMETRES = {"mm": 1.0, "millimeter": 1.0, "millimetre": 1.0, "cm": 10.0, "m": 1000.0, "um": 0.001, "µm": 0.001}
_SPACE_KINDS = ("domain", "space")
#: Kinds of axes that hold several volumes, or several values of which one can be chosen.
_SERIES_KINDS = ("list", "time", "vector", "point", "none", "scalar", "stub", "parameter", "???", "")
_KINDS = re.compile(r"[A-Za-z0-9?-]{1,40}")
_VECTOR = re.compile(r"none|\([^()]*\)", re.I)
_OUR_COMMENTS = ("Complete NRRD file format specification", "http://teem.sourceforge.net")


@dataclass
class _Text:
    """A header's lines.

    Attributes:
        fields: of the format, by their names in lower case.
        texts: pairs of key and value that are not of the format.
        files: lines after ``data file: LIST``.
        comments: number of comments, without those that libraries write.
        end: byte at which the data follow.
    """

    fields: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    comments: int = 0
    end: int = 0


def parse(head: bytes) -> GridHeader:
    """What a header states.

    Args:
        head: the file's first bytes, at least the whole header.

    Raises:
        ReadError: it breaks the format, or states what is not read.
    """
    text = _split(head)
    fields = text.fields
    n_axes = numbers(_required(fields, "dimension"), "dimension", int)[0]
    sizes = checked_sizes(numbers(_required(fields, "sizes"), "sizes", int), "sizes", n_axes)
    directions = _directions(fields, n_axes)
    kinds = _per_axis(fields.get("kinds", ""), n_axes)
    axis, refused = _values_axis(kinds, directions, sizes)
    sizes, directions = _without_single_values(sizes, directions, axis)
    axis = None if axis is not None and len(sizes) < n_axes else axis
    space = [direction for at, direction in enumerate(directions) if at != axis]
    affine, unplaced = _affine(fields, space)
    packing = _packing(fields)  # voxels that are stored as text need no order of bytes
    return GridHeader(
        "nrrd", sizes, axis, _dtype(fields), packing, affine, unplaced,
        _zooms(fields, space, axis, n_axes), _files(fields, text.files), text.end,
        _skipped(fields, "byte skip", -1), _skipped(fields, "line skip", 0),
        text.texts | {"content": fields.get("content", "")}, text.comments, refused=refused,
    )  # fmt: skip


def _split(head: bytes) -> _Text:
    """Fields are ``name: value``, pairs ``key:=value``; an empty line ends them."""
    result, at = _Text(), 0
    while True:
        end = head.find(b"\n", at)
        if end < 0:
            if len(head) >= MOST_HEADER:
                raise ReadError(f"its NRRD header does not end within {MOST_HEADER:,} bytes")
            end = len(head)
        line = head[at:end].rstrip(b"\r").decode("utf-8", "replace")
        first, at = at == 0, end + 1
        if not line.strip() or end >= len(head):
            _take(line, result)
            break
        if not first:
            _take(line, result)
            if _is_list(result.fields):
                result.files = [name.strip() for name in head[at:].decode("utf-8", "replace").splitlines()]
                break
    result.end = min(at, len(head))
    return result


def _take(line: str, into: _Text) -> None:
    if line.startswith("#"):
        into.comments += bool(line[1:].strip()) and not any(words in line for words in _OUR_COMMENTS)
        return
    key, separator, value = line.partition(":")
    if separator and value.startswith("="):
        into.texts[key] = value[1:].strip()
    elif separator:
        take_field(into.fields, key.strip().lower(), value.strip())


def _is_list(fields: Mapping[str, str]) -> bool:
    return _data_file(fields).split()[:1] == ["LIST"]


def _data_file(fields: Mapping[str, str]) -> str:
    return fields.get("data file", fields.get("datafile", ""))


def _required(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise ReadError(f"its NRRD header has no field '{name}'")
    return fields[name]


def _per_axis(text: str, n_axes: int) -> list[str]:
    words = text.split()
    return words if len(words) == n_axes else [""] * n_axes


def _directions(fields: Mapping[str, str], n_axes: int) -> list[list[float] | None]:
    """The vector of each axis; None for an axis that is not one of space."""
    text = fields.get("space directions", "")
    if not text:
        return [None] * n_axes
    words = _VECTOR.findall(text)
    if len(words) != n_axes:
        raise ReadError(f"its NRRD header has {len(words)} space directions for {n_axes} axes")
    vectors = [None if word.lower() == "none" else _vector(word, "space directions") for word in words]
    return [None if vector is None or np.isnan(vector).any() else vector for vector in vectors]


def _vector(text: str, what: str) -> list[float]:
    return numbers(text.strip("() ").replace(",", " "), what)


def _values_axis(
    kinds: Sequence[str], directions: Sequence[Sequence[float] | None], sizes: Sequence[int]
) -> tuple[int | None, str]:
    """The axis that is not one of space, and why its values are no image's ("" where they may be)."""
    n_axes = len(sizes)
    if any(directions):
        others = [axis for axis in range(n_axes) if not directions[axis]]
    else:
        others = [axis for axis in range(n_axes) if kinds[axis] and kinds[axis].lower() not in _SPACE_KINDS]
    others = others if n_axes - len(others) <= 3 else [*others, n_axes - 1]
    if len(others) > 1 or n_axes - len(others) not in (2, 3):
        times = "×".join(map(str, sizes))
        raise ReadError(f"it has {n_axes} dimensions ({times}); an image has 3, a series of them 4")
    if not others:
        return None, ""
    kind = kinds[others[0]]
    if kind.lower() in _SERIES_KINDS or not _KINDS.fullmatch(kind) or kind in _SPACE_KINDS:
        return others[0], ""
    return others[0], f"its kinds say that a voxel is a {kind}, not one real number"


def _without_single_values(
    sizes: tuple[int, ...], directions: list[list[float] | None], axis: int | None
) -> tuple[tuple[int, ...], list[list[float] | None]]:
    """Without an axis of one value: nothing is to be chosen on it."""
    if axis is None or sizes[axis] != 1:
        return sizes, directions
    return sizes[:axis] + sizes[axis + 1 :], directions[:axis] + directions[axis + 1 :]


def _affine(fields: Mapping[str, str], space: Sequence[Sequence[float] | None]) -> tuple[np.ndarray | None, str]:
    """The affine in mm, RAS, or why there is none."""
    to_ras = _SPACES.get(fields.get("space", "").lower())
    if len(space) == 2:
        return None, "the NRRD file has two axes"
    if to_ras is None:
        other = "is none of left-posterior-superior, right-anterior-superior and left-anterior-superior"
        return None, f"the field 'space' {other if fields.get('space') else 'is not set'}"
    if not all(vector is not None and len(vector) == 3 for vector in space):
        return None, "the field 'space directions' is not set"
    origin = _vector(fields.get("space origin", ""), "space origin")
    if len(origin) != 3:
        return None, "the field 'space origin' is not set"
    affine = np.eye(4)
    affine[:3, :3] = np.array(space, dtype=np.float64).T  # a column for each of i, j, k
    affine[:3, 3] = origin
    affine[:3] *= _unit(fields)
    return to_ras @ affine, ""


def _unit(fields: Mapping[str, str]) -> float:
    """Millimetres of the space's unit."""
    units = set(re.findall(r'"([^"]*)"', fields.get("space units", ""))) - {""}
    if not units:
        return 1.0
    if len(units) > 1 or not units <= set(_MILLIMETRES):
        raise ReadError("the field 'space units' of its NRRD header is not one unit of length (mm, cm, m, um)")
    return _MILLIMETRES[units.pop()]


def _zooms(
    fields: Mapping[str, str], space: Sequence[Sequence[float] | None], axis: int | None, n_axes: int
) -> tuple[float, ...]:
    """Distance of pixels along i, j, k; NaN where it is not stated."""
    if any(space):
        steps = [float(np.linalg.norm(vector)) * _unit(fields) if vector else np.nan for vector in space]
    else:
        stated = [float(word) if _is_number(word) else np.nan for word in _per_axis(fields.get("spacings", ""), n_axes)]
        steps = [step for at, step in enumerate(stated) if at != axis]
    return tuple((steps + [1.0])[:3])


def _is_number(word: str) -> bool:
    return re.fullmatch(r"[-+]?\d*\.?\d+([eE][-+]?\d+)?", word) is not None


def _dtype(fields: Mapping[str, str]) -> np.dtype:
    code = _TYPES.get(_required(fields, "type").lower())
    if code is None:
        raise ReadError("the type of its NRRD header is none of whole or real numbers of up to 64 bits")
    order = fields.get("endian", "little" if code[1] == "1" else "").lower()
    if order not in ("little", "big"):
        raise ReadError("its NRRD header does not state 'endian: little' or 'endian: big'")
    return np.dtype(code).newbyteorder("<" if order == "little" else ">")


def _packing(fields: Mapping[str, str]) -> Packing | None:
    encoding = _required(fields, "encoding").lower()
    if encoding not in _PACKINGS:
        words = "as text" if encoding in ("ascii", "txt", "text", "hex") else "in an encoding that NRRD does not have"
        raise ReadError(f"its voxels are stored {words}; read are raw, gzip and bzip2")
    return _PACKINGS[encoding]


def _skipped(fields: Mapping[str, str], name: str, least: int) -> int:
    count = numbers(fields.get(name) or fields.get(name.replace(" ", "")) or "0", name, int)[0]
    if count < least:
        raise ReadError(f"the field '{name}' of its NRRD header is {count}, below {least}")
    return count


def _files(fields: Mapping[str, str], listed: Sequence[str]) -> tuple[str, ...]:
    """Names of data files: one, a list, or a pattern with a range."""
    text = _data_file(fields)
    if not text:
        return ()
    if _is_list(fields):
        return tuple(name for name in listed if name)
    pattern = re.fullmatch(r"(.*%\S*)\s+(-?\d+)\s+(-?\d+)\s+(-?\d+)(\s+\d+)?", text)
    if pattern is None:
        return (text,)
    return numbered(pattern[1], int(pattern[2]), int(pattern[3]), int(pattern[4]))
