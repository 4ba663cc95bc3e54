"""NRRD and MetaImage, which ITK's programs write (3D Slicer, SimpleITK, elastix), to volumes and pictures.

Headers and voxels are read here and not by SimpleITK: it has no bzip2, and takes a damaged zlib stream for an image
without an error (version 2.5.7). The tests compare what is read with SimpleITK.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from scantune.io import metaimage, nrrd, nrrd_segments
from scantune.io.absent import missing
from scantune.io.arrays import Image, Options, Volume
from scantune.io.data_names import MOST_HEADER, beside
from scantune.io.detect import HEAD, file_head, format_of
from scantune.io.file_bytes import exactly, first_unpacked, whole, whole_unpacked
from scantune.io.grid_header import GridHeader
from scantune.io.stored_grid import Placement, chosen_volumes, picture, volume_notes, volume_or_slice
from scantune.io.values import check_size, check_values, note_rounding
from scantune.records import ReadError

_PARSERS = {"nrrd": nrrd.parse, "metaimage": metaimage.parse}
FORMATS = tuple(_PARSERS)
"""As :func:`scantune.io.detect.format_of` names them."""

_FILES = {"nrrd": "an NRRD file", "metaimage": "a MetaImage file"}


def is_header(path: Path) -> bool:
    """Whether a file, or what a gzip file holds, starts with the header of one of the formats.

    Raises:
        ReadError: it is missing, empty, or a damaged gzip file.
    """
    kind = format_of(file_head(path))
    return kind in FORMATS or (kind == "gzip" and format_of(first_unpacked(path, HEAD)) in FORMATS)


def header_of(path: Path) -> GridHeader:
    """What the header of a file states.

    Raises:
        ReadError: it is of none of the formats, or its header breaks the format.
    """
    return _parsed(first_unpacked(path, MOST_HEADER), path)


def _parsed(head: bytes, path: Path) -> GridHeader:
    name = format_of(head)
    if name not in _PARSERS:
        raise ReadError("it is neither NRRD nor MetaImage", str(path))
    try:
        return _PARSERS[name](head)
    except ReadError:
        raise
    except (ValueError, OverflowError, IndexError) as error:
        raise ReadError(f"the header of {_FILES[name]} cannot be read ({type(error).__name__})", str(path)) from error


def read_itk(path: Path, options: Options) -> Volume | Image:
    """Read an NRRD or MetaImage file; its voxels may be in files that its header names, below the header's folder.

    Returns:
        A Volume in RAS+, or an Image where the file has one slice and no volume was asked for.

    Raises:
        ReadError: see the module's tests, which make each of the faults.
    """
    header = _checked(path, options)
    if options.labels and nrrd_segments.described(header.texts):
        return _segmented(header, _voxels(header, path, options), options, ())
    if header.colour and options.volume is None:
        return _coloured(header, _voxels(header, path, options), options)
    if header.refused:
        raise ReadError(header.refused)
    volumes = chosen_volumes(header.count, options.volume, _FILES[header.format])
    check_size(header.shape, max(4, header.dtype.itemsize), options.limits)
    voxels = _voxels(header, path, options)  # i, j, k, volume
    facts = _facts(header)
    if volumes is not None and len(volumes) > 1:
        values = voxels.mean(axis=3, dtype=np.float64).astype(np.float32)
    else:
        values = np.asfortranarray(voxels[..., volumes[0] if volumes else 0])
        note_rounding(values, facts["notes"])
    facts["notes"] += volume_notes(volumes, header.count)
    return volume_or_slice(values, _placement(header), options, facts, _FILES[header.format])


def read_segments(path: Path, names: Collection[str], options: Options) -> Volume | Image:
    """Labels of a segmentation of 3D Slicer on its own grid, which may be a part of its image's.

    Args:
        path: a file that :func:`is_segmentation` is true of.
        names: of the segments to read, all without any.
        options: how to read.

    Raises:
        ReadError: as :func:`read_itk`; segments overlap; a name is not one of its segments.
    """
    header = _checked(path, options)
    return _segmented(header, _voxels(header, path, options), options, names)


def is_segmentation(path: Path) -> bool:
    """Whether a file is a segmentation of 3D Slicer: NRRD whose header describes segments."""
    try:
        return is_header(path) and nrrd_segments.described(header_of(path).texts)
    except (ReadError, OSError):
        return False


def _checked(path: Path, options: Options) -> GridHeader:
    """The header; the size that it states is within the limit."""
    header = header_of(path)
    check_size(header.sizes, header.dtype.itemsize, options.limits)
    return header


def _stored(header: GridHeader, path: Path, options: Options) -> list[tuple[Path, memoryview]]:
    """Path and bytes of each file that the data are in."""
    if not header.files:
        return [(path, memoryview(whole_unpacked(path, options))[header.start :])]
    if path.stat().st_size > MOST_HEADER:
        raise ReadError(f"a header that names its data files is larger than {MOST_HEADER:,} bytes", str(path))
    files = beside(path, header.files)
    for file in files:
        if not file.is_file():
            error = missing(file)
            raise ReadError(f"the data file that its header names: {error.reason}", error.detail)
    return [(file, memoryview(whole(file, options))) for file in files]


def _voxels(header: GridHeader, path: Path, options: Options) -> np.ndarray:
    """[i, j, k, value], as stored."""
    stored = _stored(header, path, options)
    size, rest = divmod(header.n_bytes, len(stored))
    if rest:
        raise ReadError(f"its header names {len(stored)} data files, which cannot share {header.n_bytes} bytes")
    pieces = [_data(header, raw, size, file) for file, raw in stored]
    data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
    voxels = np.frombuffer(data, header.dtype).reshape(header.sizes, order="F")  # the first axis is fastest
    if header.values_axis is not None:
        voxels = np.moveaxis(voxels, header.values_axis, -1)
    return voxels.reshape((*header.shape, header.count), order="F")


def _data(header: GridHeader, raw: memoryview, size: int, path: Path) -> memoryview:
    """The bytes of one file's share of the voxels."""
    data, packing, skipped = raw[_after_lines(header, raw, path) :], header.packing, max(0, header.skipped)
    if packing == "zlib":  # MetaIO skips bytes of the file, NRRD those of what was compressed
        data, skipped = data[skipped:], 0
        packing = "gzip" if bytes(data[:2]) == b"\x1f\x8b" else "zlib"  # MetaIO reads both
    return exactly(data, skipped + size, packing, path, last=header.skipped < 0)[skipped:]


def _after_lines(header: GridHeader, raw: memoryview, path: Path) -> int:
    """The byte behind the lines that the header says to skip."""
    if not header.skipped_lines:
        return 0
    text, at = bytes(raw), 0
    for _ in range(header.skipped_lines):
        at = text.find(b"\n", at) + 1
        if not at:
            raise ReadError("its data file has fewer lines than its header says to skip", str(path))
    return at


def _facts(header: GridHeader) -> dict[str, Any]:
    return {
        "format": header.format,
        "stored_dtype": str(header.dtype.newbyteorder("=")),
        "decoder": f"numpy {np.__version__}",
        "notes": list(header.notes),
    }


def _placement(header: GridHeader) -> Placement:
    def affine() -> np.ndarray:
        if header.affine is None:
            raise ReadError(f"{header.unplaced}: the file does not say where its voxels lie")
        return header.affine

    return Placement(affine, header.unplaced, header.zooms)


def _coloured(header: GridHeader, voxels: np.ndarray, options: Options) -> Image:
    """RGB of one slice, rows along j and columns along i, as stored."""
    if options.kind not in (None, "image"):
        raise ReadError(f"a colour picture is not a {options.kind}")
    facts = _facts(header)
    pixels = np.ascontiguousarray(voxels[:, :, 0].transpose(2, 1, 0))  # i j C -> C H W
    return picture(check_values(pixels, options, facts["notes"]), header.zooms, options, facts)


def _segmented(header: GridHeader, voxels: np.ndarray, options: Options, names: Collection[str]) -> Volume | Image:
    segments = nrrd_segments.segments_of(header.texts, header.count)
    labels = nrrd_segments.labels(voxels, segments, names)
    facts = _facts(header) | {"label_names": {str(segment.number): segment.name for segment in segments}}
    return volume_or_slice(labels, _placement(header), options, facts, _FILES[header.format])
