"""NIfTI-1 and NIfTI-2 to volumes and one-slice images, nibabel for the header."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from scantune.io import geometry, label_tables
from scantune.io.arrays import Image, Options, Volume, VolumeRule
from scantune.io.file_bytes import FileBytes
from scantune.io.values import apply_window, check_size, check_values, note_rounding
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
        notes.append(f"the mean of {len(volumes)} volumes")
    else:
        values = _scaled(_voxels(source, header, shape, volumes[0] if volumes else None), header)  # i, j, k
        note_rounding(values, notes)
        if volumes:
            notes.append(f"volume {volumes[0]} of {int(header['dim'][4])}, from 0")
    if options.kind == "video":
        raise ReadError("a NIfTI file is not a video")
    if min(shape) == 1 and options.kind != "volume":
        return _image(values, header, options, facts)
    if min(shape) == 1:
        raise ReadError("one slice only: this is an image, not a volume")
    if options.kind == "image":
        raise ReadError(f"a volume of {'×'.join(map(str, shape))} voxels is not an image")
    affine = _affine(header, shape, options, notes)
    return oriented(values, affine, options, facts)


def _label_names(source: FileBytes, header: Header) -> dict[str, str]:
    """Name of each label in the header's extensions, by its number as text; empty without a table."""
    start, end = int(header.sizeof_hdr), header["vox_offset"]
    if not np.isfinite(end) or not start + 4 < end <= 1 << 24:
        return {}
    names = label_tables.in_extensions(source.first(int(end))[start:], header.endianness == "<")
    return {str(number): name for number, name in names.items()}


def oriented(values: np.ndarray, affine: np.ndarray, options: Options, facts: dict[str, Any]) -> Volume:
    """A stored grid (axes i, j, k) to a Volume in RAS+ by permutation and flips only."""
    geometry.check_affine(affine)
    shear = geometry.shear_of(affine)
    if shear > geometry.MAX_SHEAR and options.tilt == "refuse":
        degrees = float(np.degrees(np.arcsin(shear)))
        raise ReadError(
            f"the grid is sheared by {degrees:.2f}°; 'tilt: resample' in the input's block resamples it upright"
        )
    orientation = geometry.orientation_of(affine)
    facts["orientation"] = orientation.codes
    turned = geometry.to_ras(affine, values.shape, orientation)
    array = turn(values, orientation, options.keep_integers)
    array = check_values(array, options, facts["notes"])
    if options.window is not None:
        if options.window == "file":
            raise ReadError("this file has no window of its own")
        array = apply_window(array, *options.window)
    volume = Volume(array, turned, facts)
    if shear > geometry.MAX_SHEAR:
        from scantune.io.upright import resample_upright

        return resample_upright(volume)
    return volume


def turn(values: np.ndarray, orientation: geometry.Orientation, keep_integers: bool = False) -> np.ndarray:
    """Stored voxels (i, j, k) as float32 [D, H, W]: flipped while converted, transposed as a view.

    Args:
        values: as stored.
        orientation: of their affine.
        keep_integers: integers of at most 16 bits are only viewed.
    """
    steps: list[slice] = [slice(None)] * 3
    for world, axis in enumerate(orientation.source):
        if orientation.flipped[world]:
            steps[axis] = slice(None, None, -1)
    flipped = values[tuple(steps)]
    right, anterior, superior = orientation.source
    if keep_integers and values.dtype.kind in "iu" and values.dtype.itemsize <= 2 and values.dtype.isnative:
        return flipped.transpose(superior, anterior, right)  # i j k -> D H W
    fresh = np.empty_like(values, dtype=np.float32, order="K", subok=False)
    np.copyto(fresh, flipped, casting="unsafe")
    return fresh.transpose(superior, anterior, right)


def header_of(path: Path) -> Header:
    """The header of a NIfTI file, by nibabel.

    Raises:
        ReadError: it is not one.
    """
    return _header(FileBytes(path, Options()))


def _header(source: FileBytes) -> Header:
    from scantune.io.detect import is_nifti

    head = source.first(544)
    if not is_nifti(head):
        raise ReadError("it is compressed with gzip, but what is inside is not NIfTI" if source.packed else "not NIfTI")
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
    return (sizes[0], sizes[1], sizes[2]), _volumes(sizes[3], options.volume)


def _volumes(count: int, rule: VolumeRule | None) -> list[int] | None:
    """Which volumes of a 4D file the rule names, None where there is one."""
    if rule is not None and rule.keys:
        named = " and ".join(key for key, _ in rule.keys)
        raise ReadError(f"a NIfTI file does not state {named}; name its volume with 'volume: {{index: 0}}'")
    if rule is not None and rule.index is not None and not 0 <= rule.index < count:
        raise ReadError(f"volume {{index: {rule.index}}} is not one of the file's {count} volumes (0 to {count - 1})")
    if count == 1:
        return None
    if rule is None:
        raise ReadError(
            f"it is 4D with {count} volumes; say which with 'volume: first', 'volume: mean' or 'volume: {{index: 0}}'"
        )
    if rule.index is not None:
        return [rule.index]
    return [0] if rule.take == "first" else list(range(count))


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
    qform = _qform(header) if int(header["qform_code"]) > 0 else None
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
    try:
        return header.get_qform()
    except Exception as error:
        raise ReadError("the quaternion of the header is not a rotation", repr(error)) from error


def _image(values: np.ndarray, header: Header, options: Options, facts: dict[str, Any]) -> Image:
    """One slice as a radiologist sees it: anterior or superior on top, the patient's right at the picture's left."""
    notes = facts["notes"]
    thin = int(np.argmin(values.shape))
    if int(header["sform_code"]) <= 0 and int(header["qform_code"]) <= 0:
        notes.append("neither sform nor qform is set: shown as stored, sides unknown")
        facts["orientation"] = None
        plane, spacing = np.squeeze(values, axis=thin).T, None  # rows, columns
        zooms = np.delete(np.asarray(header["pixdim"][1:4], dtype=float), thin)
        if np.isfinite(zooms).all() and (zooms > 0).all():
            spacing = (float(zooms[1]), float(zooms[0]))
    else:
        affine = _affine(header, values.shape, options, notes)
        geometry.check_affine(affine)
        orientation = geometry.orientation_of(affine)
        facts["orientation"] = orientation.codes
        array = turn(values, orientation)  # D H W, one of them 1 long
        x, y, z = geometry.spacing_of(geometry.to_ras(affine, values.shape, orientation))
        world = orientation.source.index(thin)
        # R A S: sagittal has A to the left; coronal and axial have R to the left; the top is S, or A where S is thin
        plane = {0: array[::-1, ::-1, 0], 1: array[::-1, 0, ::-1], 2: array[0, ::-1, ::-1]}[world]
        spacing = {0: (float(z), float(y)), 1: (float(z), float(x)), 2: (float(y), float(x))}[world]
        if options.labels and orientation.codes[:thin] + orientation.codes[thin + 1 :] not in ("LP", "PI", "LI"):
            facts["shown_turned"] = True  # it is stored in another order than it is shown in
        facts["patient_orientation"] = {0: ["P", "F"], 1: ["L", "F"], 2: ["L", "P"]}[world]  # as in DICOM
    pixels = np.ascontiguousarray(plane, dtype=np.float32)[None]  # C H W
    pixels = check_values(pixels, options, notes)
    if options.window is not None:
        if options.window == "file":
            raise ReadError("this file has no window of its own")
        pixels = apply_window(pixels, *options.window)
    return Image(pixels, spacing, facts)
