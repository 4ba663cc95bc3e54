"""NIfTI-1 and NIfTI-2 to volumes and one-slice images, nibabel for the header."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from scantune.io import geometry, label_tables
from scantune.io.arrays import Image, Options, Volume
from scantune.io.file_bytes import FileBytes
from scantune.io.stored_grid import Placement, chosen_volumes, volume_notes, volume_or_slice
from scantune.io.values import check_size, note_rounding
from scantune.records import ReadError

#: Intent codes whose numbers are not intensities or labels (nifti1.h): vectors, matrices, meshes, colours.
_REFUSED_INTENTS = {
    1003: "a fit's estimates",
    1004: "matrices",
    1005: "symmetric matrices",
    1006: "displacement vectors",
    1007: "vectors",
    1008: "points",
    1009: "triangles",
    1010: "quaternions",
    2003: "RGB colours",
    2004: "RGBA colours",
    2005: "a shape",
}
Header = nibabel.Nifti1Header | nibabel.Nifti2Header
_MILLIMETRES = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}  # by the code of xyzt_units; 0 is "not stated"
_FILE = "a NIfTI file"
_AFFINE_TOLERANCE = 0.25  # of the smallest spacing, at the farthest corner


def read_nifti(path: Path, options: Options) -> Volume | Image:
    """Read a .nii or .nii.gz file.

    Returns:
        A Volume in RAS+, or an Image where the file has one slice and no volume was asked for.

    Raises:
        ReadError: see the module's tests, which make each of the faults.
    """
    source = FileBytes(path, options)
    header = _header(source)
    shape, volumes = _shape(header, options)
    dtype = header.get_data_dtype()
    check_size(shape, max(4, dtype.itemsize), options.limits)
    notes: list[str] = []
    names = _label_names(source, header) if options.labels else {}
    facts: dict[str, Any] = {
        **({"label_names": names} if names else {}),
        "format": "nifti",
        "stored_dtype": str(dtype.newbyteorder("=")),
        "decoder": f"nibabel {nibabel.__version__}",
        "notes": notes,
    }
    if volumes is not None and len(volumes) > 1:
        values = _mean(source, header, shape, volumes)
    else:
        values = _scaled(_voxels(source, header, shape, volumes[0] if volumes else None), header)  # i, j, k
        note_rounding(values, notes)
    notes += volume_notes(volumes, int(header["dim"][4]))
    neither = int(header["sform_code"]) <= 0 and int(header["qform_code"]) <= 0
    placement = Placement(
        lambda: _affine(header, shape, options, notes),
        "neither sform nor qform is set" if neither else "",
        [float(zoom) for zoom in header["pixdim"][1:4]],
    )
    return volume_or_slice(values, placement, options, facts, _FILE)


def _label_names(source: FileBytes, header: Header) -> dict[str, str]:
    """Name of each label in the header's extensions, by its number as text; empty without a table."""
    start, end = int(header.sizeof_hdr), header["vox_offset"]
    if not np.isfinite(end) or not start + 4 < end <= 1 << 24:
        return {}
    names = label_tables.in_extensions(source.first(int(end))[start:], header.endianness == "<")
    return {str(number): name for number, name in names.items()}


def header_of(path: Path) -> Header:
    """The header of a NIfTI file, by nibabel.

    Raises:
        ReadError: it is not one.
    """
    return _header(FileBytes(path, Options()))


_NOT_INSIDE = (
    "it is compressed with gzip, but what is inside is not NIfTI, NRRD, MetaImage or DICOM: unpack it (gunzip)"
)


def _header(source: FileBytes) -> Header:
    from scantune.io.detect import is_nifti

    head = source.first(544)
    if not is_nifti(head):
        raise ReadError(_NOT_INSIDE if source.packed else "not NIfTI")
    if b"ni" in (head[344:346], head[4:6]):
        raise ReadError("it is the header of a NIfTI pair (.hdr and .img); give one .nii file")
    kind = nibabel.Nifti2Header if head[4:6] == b"n+" else nibabel.Nifti1Header
    try:
        return kind.from_fileobj(io.BytesIO(head[: kind.sizeof_hdr]), check=False)
    except Exception as error:
        raise ReadError("the NIfTI header cannot be read", repr(error)) from error


def _shape(header: Header, options: Options) -> tuple[tuple[int, int, int], list[int] | None]:
    """Size of one volume (i, j, k) and which volumes of a 4D file to take (None where there is one)."""
    dim = [int(n) for n in header["dim"]]
    if not 1 <= dim[0] <= 7 or any(n < 1 for n in dim[1 : dim[0] + 1]):
        raise ReadError(f"the NIfTI header states impossible sizes {dim}")
    sizes = dim[1 : dim[0] + 1]
    intent = int(header["intent_code"])
    if intent in _REFUSED_INTENTS:
        raise ReadError(f"its intent code says that it holds {_REFUSED_INTENTS[intent]}, not an image")
    if any(n > 1 for n in sizes[4:]):
        raise ReadError(
            f"it has {len(sizes)} dimensions ({'×'.join(map(str, sizes))}); an image has 3, a series of them 4"
        )
    sizes = (sizes + [1] * 4)[:4]
    return (sizes[0], sizes[1], sizes[2]), chosen_volumes(sizes[3], options.volume, _FILE)


def _mean(source: FileBytes, header: Header, shape: tuple[int, int, int], volumes: list[int]) -> np.ndarray:
    """The mean of several volumes, float32."""
    total = np.zeros(shape, dtype=np.float64, order="F")
    for index in volumes:
        total += _scaled(_voxels(source, header, shape, index), header)
    return (total / len(volumes)).astype(np.float32)


def _voxels(source: FileBytes, header: Header, shape: tuple[int, int, int], index: int | None) -> np.ndarray:
    dtype = _dtype(header)
    start = float(header["vox_offset"])
    offset = int(start) if np.isfinite(start) else -1
    if not header.single_vox_offset <= offset <= 1 << 24 or offset != start:  # 352, and 544 of NIfTI-2
        raise ReadError(f"the NIfTI header states that the image starts at byte {header['vox_offset']}")
    count = shape[0] * shape[1] * shape[2]
    size = offset + count * dtype.itemsize * (1 if index is None else int(header["dim"][4]))
    data = source.exactly(size)
    start = offset + count * dtype.itemsize * (index or 0)
    flat = np.frombuffer(data, dtype=dtype, count=count, offset=start)
    return flat.reshape(shape, order="F")  # i varies fastest


def _dtype(header: Header) -> np.dtype:
    try:
        dtype = header.get_data_dtype()
    except Exception as error:
        raise ReadError(f"data type code {int(header['datatype'])} is not one of NIfTI's") from error
    if dtype.fields is not None or dtype.kind not in "biuf" or dtype.itemsize > 8:
        name = "RGB" if dtype.fields is not None else str(dtype)
        raise ReadError(f"its voxels are {name}, not one real number each")
    return dtype


def _scaled(raw: np.ndarray, header: Header) -> np.ndarray:
    """Stored values by ``scl_slope`` and ``scl_inter``; a slope of 0 or NaN means none (nifti1.h)."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if np.isinf(slope):
        raise ReadError("the header's scl_slope is infinite")
    if slope == 0 or not np.isfinite(slope) or (slope == 1 and inter == 0):
        return raw
    if not np.isfinite(inter):
        raise ReadError("the header's scl_inter is not finite")
    return (raw.astype(np.float64) * slope + inter).astype(np.float32)


def _affine(header: Header, shape: tuple[int, int, int], options: Options, notes: list[str]) -> np.ndarray:
    """The one affine that the header states, in mm."""
    unit = int(header["xyzt_units"]) & 7
    if unit not in _MILLIMETRES:
        raise ReadError(f"the unit of length has code {unit}, which NIfTI does not have")
    sform = header.get_sform() if int(header["sform_code"]) > 0 else None
    try:
        qform = _qform(header) if int(header["qform_code"]) > 0 else None
    except ReadError:
        if sform is None or options.affine != "sform":
            raise
        qform = None
        notes.append("the qform places nothing; the sform is used, as configured")
    chosen = sform if sform is not None else qform
    if sform is not None and qform is not None:
        chosen = _agreed({"sform": sform, "qform": qform}, shape, options.affine, notes)
    if chosen is None:
        raise ReadError("neither sform nor qform is set: the file does not say where its voxels lie")
    affine = np.asarray(chosen, dtype=np.float64).copy()
    if unit in (1, 3):
        affine[:3] *= _MILLIMETRES[unit]
        notes.append("the header's unit of length is not mm; converted")
    return affine


def _agreed(forms: dict[str, np.ndarray], shape: tuple[int, int, int], trusted: str, notes: list[str]) -> np.ndarray:
    """The sform where both are the same within a quarter of a voxel, else the one that is trusted, with a note."""
    if trusted == "agree":
        geometry.check_affine(forms["sform"])
    distance = geometry.corner_distance(forms["sform"], forms["qform"], shape)
    if distance <= _AFFINE_TOLERANCE * float(geometry.spacing_of(forms["qform"]).min()):
        return forms["sform"]
    if trusted == "agree":
        both = "; ".join(f"{name} {np.round(form[:3], 4).tolist()}" for name, form in forms.items())
        raise ReadError(f"sform and qform disagree by {distance:.3g} mm; the key affine chooses one: {both}")
    notes.append(f"sform and qform disagree; the {trusted} is used, as configured")
    return forms[trusted]


def _qform(header: Header) -> np.ndarray:
    zooms = np.asarray(header["pixdim"][1:4], dtype=float)
    if (zooms <= 0).any() or not np.isfinite(zooms).all():
        raise ReadError(f"the header states no spacing: pixdim is {zooms.tolist()}")
    signed = header.copy()
    signed["pixdim"][0] = -1 if header["pixdim"][0] < 0 else 1  # nifti1.h: 0 "should not occur", and is taken for 1
    try:
        return signed.get_qform()
    except Exception as error:
        raise ReadError("the quaternion of the header is not a rotation", repr(error)) from error
