"""A folder of DICOM files to one volume: series told apart, one chosen, foreign files set aside and counted."""

from __future__ import annotations

import os
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.uid import UID

from scantune.io import geometry
from scantune.io.arrays import Options, Volume
from scantune.io.detect import HEAD, format_of
from scantune.io.dicom_choice import digest
from scantune.io.dicom_file import DicomFile, parse, vendor
from scantune.io.dicom_pixels import Pixels, syntax_name
from scantune.io.dicom_stack import Frame, Stack, choose, fill
from scantune.io.values import apply_window, check_size, check_values
from scantune.records import ReadError


def scan(folder: Path, options: Options, aside: Counter[str]) -> list[DicomFile]:
    """Headers of all DICOM images below a folder; links to folders are not followed.

    Args:
        folder: to look in.
        options: its limits are used.
        aside: gets counts of what is not an image.

    Raises:
        ReadError: too many files, or a DICOM file whose header is damaged.
    """
    paths = sorted(Path(base) / name for base, _, names in os.walk(folder) for name in names)
    if len(paths) > options.limits.max_files:
        raise ReadError(
            f"the folder has {len(paths)} files, more than the limit of {options.limits.max_files}", str(folder)
        )
    files = []
    for path in paths:
        with path.open("rb") as handle:
            head = handle.read(HEAD)
            if not head or format_of(head) not in ("dicom", "dicom without preamble"):
                aside["empty file" if not head else "not DICOM"] += 1
                continue
            file = parse(handle, head, path, options.limits)
        kind = not_an_image(file)
        if kind:
            aside[kind] += 1
        elif not file.rows:
            raise ReadError("a DICOM file among the slices is cut short: its header ends before the image", str(path))
        else:
            files.append(file)
    return files


@lru_cache(256)
def _name(uid: str) -> str:
    return UID(uid).name


def not_an_image(file: DicomFile) -> str:
    """Why a DICOM file holds no image by its own account ("DICOMDIR", "not an image"), or ""."""
    sop = file.text("SOPClassUID") or file.media_class
    if sop == "1.2.840.10008.1.3.10":
        return "DICOMDIR"
    name = _name(sop) if sop else ""
    if sop and name != sop and "Image" not in name:
        return "DICOM without an image"
    return "DICOM without an image" if not sop and not file.rows else ""


def refuse_mosaic(file: DicomFile) -> None:
    """Refuse slices that lie side by side in one picture, as Siemens writes them.

    Raises:
        ReadError: with the remedy.
    """
    if "MOSAIC" in file.text("ImageType").upper():
        raise ReadError("its slices lie side by side in one picture (a Siemens mosaic); convert it to NIfTI first")


def counts_of(aside: Counter[str]) -> str:
    """What was set aside, in words: ``2 × DICOMDIR, 1 × not DICOM``."""
    return ", ".join(f"{count} × {what}" for what, count in sorted(aside.items()))


def read_series(files: list[DicomFile], options: Options, aside: Counter[str]) -> Volume:
    """Single-frame files of one series to a volume."""
    notes = [note for file in files for note in file.notes][:3]
    first = files[0]
    for file in files:
        refuse_mosaic(file)
        if file.samples != 1 or file.photometric not in ("MONOCHROME1", "MONOCHROME2"):
            raise ReadError(
                f"the slices are {file.photometric or 'of no stated colour'}; a volume has one number a voxel"
            )
    check_size((len(files), first.rows, first.columns), 4, options.limits)
    stack = choose(series_frames(files), options, notes)
    _note_doubts(files, stack, notes)
    facts = series_facts(first, len(files), aside, notes)
    return assemble(stack, first, options, facts)


def _note_doubts(files: list[DicomFile], stack: Stack, notes: list[str]) -> None:
    """Note signs of slices that are missing at the ends or at even distances, where the positions cannot show it."""
    step = float(geometry.spacing_of(stack.affine)[2])
    stated = files[0].number("SpacingBetweenSlices")
    if stated is not None and np.isfinite(stated) and abs(abs(stated) - step) > 0.05 * step:
        notes.append(f"the header states {abs(stated):g} mm between slices, their positions are {step:.4g} mm apart")
    images = files[0].whole("ImagesInAcquisition")
    if images > len(stack.frames):
        notes.append(f"the header states {images} images in the acquisition, {len(stack.frames)} are here")
    numbers = [file.number("InstanceNumber") for file in files]
    known = sorted({int(number) for number in numbers if number is not None and abs(number) < 1e9})
    if len(known) == len(files) > 1 and known[-1] - known[0] + 1 > len(files):
        notes.append(f"instance numbers run from {known[0]} to {known[-1]}, and there are {len(files)} files")


def assemble(stack: Stack, first: DicomFile, options: Options, facts: dict[str, Any]) -> Volume:
    """Decode a stack into a volume: tilt, values, window."""
    geometry.check_affine(stack.affine)
    shape = (first.columns, first.rows, len(stack.frames))
    shear = geometry.shear_of(stack.affine)
    drift = shear * geometry.spacing_of(stack.affine)[2] * (shape[2] - 1)
    sheared = drift > 0.25 * float(geometry.spacing_of(stack.affine)[:2].min()) and shear > 1e-4
    if sheared and options.tilt == "refuse":
        raise ReadError(
            f"the slices are sheared by {np.degrees(np.arcsin(min(1.0, shear))):.2f}° (gantry tilt); "
            "they can be resampled upright by choice"
        )
    orientation = geometry.orientation_of(stack.affine)
    facts["orientation"] = orientation.codes
    array = fill(stack, orientation, options.keep_integers)
    array = check_values(array, options, facts["notes"])
    array = _shown(array, first, options, facts)
    volume = Volume(array, geometry.to_ras(stack.affine, shape, orientation), facts)
    if sheared:
        from scantune.io.upright import resample_upright

        return resample_upright(volume)
    return volume


def _shown(array: np.ndarray, file: DicomFile, options: Options, facts: dict[str, Any]) -> np.ndarray:
    """The window and MONOCHROME1, as asked for."""
    inverted = file.photometric == "MONOCHROME1" and options.monochrome1 == "invert"
    if options.window is not None:
        window = facts["window"] if options.window == "file" else options.window
        if window is None:
            raise ReadError("this series has no window of its own")
        array = apply_window(array, *window)
    if inverted:
        low, high = (0.0, 1.0) if options.window is not None else stored_range(file)
        array = np.float32(low + high) - array
        facts["notes"].append("MONOCHROME1 inverted")
    return array


def stored_range(file: DicomFile) -> tuple[float, float]:
    """Lowest and highest value that the stored bits can hold, after the rescale: MONOCHROME1 inverts within them."""
    bits = file.whole("BitsStored") or file.whole("BitsAllocated")
    low = -(1 << (bits - 1)) if file.whole("PixelRepresentation") else 0
    slope, intercept = slope_of(file), file.number("RescaleIntercept", 0.0) or 0.0
    return low * slope + intercept, (low + (1 << bits) - 1) * slope + intercept


def series_facts(file: DicomFile, n_files: int, aside: Counter[str], notes: list[str]) -> dict[str, Any]:
    """What the manifest may know of a series."""
    center, width = file.number("WindowCenter"), file.number("WindowWidth")
    return {
        "format": "dicom",
        "modality": file.modality,
        "manufacturer": vendor(file),
        "photometric": file.photometric,
        "bits": file.whole("BitsStored") or file.whole("BitsAllocated"),
        "transfer_syntax": syntax_name(file),
        "decoder": f"pydicom {pydicom.__version__}",
        "series": digest(file.text("SeriesInstanceUID")),
        "files": n_files,
        "set_aside": dict(sorted(aside.items())),
        "window": [center, width] if center is not None and width is not None else None,
        "notes": notes,
    }


def series_frames(files: list[DicomFile]) -> list[Frame]:
    """Single-frame files as frames to be stacked."""
    return [_frame(file, at) for at, file in enumerate(files)]


def _frame(file: DicomFile, at: int) -> Frame:
    position, orientation = file.floats("ImagePositionPatient"), file.floats("ImageOrientationPatient")
    spacing = file.floats("PixelSpacing")
    number = file.number("InstanceNumber")
    return Frame(
        name=f"instance {int(number)}" if number is not None else f"file {at + 1}",
        rows=file.rows,
        columns=file.columns,
        position=np.array(position) if len(position) == 3 else None,
        orientation=np.array(orientation) if len(orientation) == 6 else None,
        spacing=(spacing[0], spacing[1]) if len(spacing) == 2 else None,
        slope=slope_of(file),
        intercept=file.number("RescaleIntercept", 0.0) or 0.0,
        keys=_keys(file),
        load=lambda: Pixels(file).frame(0),
        source=file,
        same_bytes=_copies,
    )


def slope_of(file: DicomFile) -> float:
    """Rescale slope, 1 where none is stated.

    Raises:
        ReadError: for a slope of 0 or one that is not finite.
    """
    slope = file.number("RescaleSlope", 1.0)
    assert slope is not None
    if slope == 0 or not np.isfinite(slope):
        raise ReadError(f"the rescale slope is {slope:g}", str(file.path))
    return slope


def _keys(file: DicomFile) -> dict[str, str | float]:
    """What may tell stacks of one series apart."""
    keys: dict[str, str | float] = {}
    for name, keyword in _STACK_KEYS.items():
        value = file.number(keyword)
        if value is not None:
            keys[name] = value
    gradient = file.floats("DiffusionGradientOrientation")
    if gradient:
        keys["gradient"] = " ".join(f"{value:.4f}" for value in gradient)
    keys["image type"] = _image_type(file)
    return keys


def _image_type(file: DicomFile) -> str:
    """The image type where it has known words only, else a digest: it is free text in part."""
    parts = [part.strip() for part in file.text("ImageType").upper().split("\\")]
    known = [part for part in parts if part in _IMAGE_TYPES]
    return " ".join(known) if len(known) == len(parts) else digest(file.text("ImageType"))[:6]


_IMAGE_TYPE_WORDS = """
ORIGINAL DERIVED PRIMARY SECONDARY AXIAL M P R I MAGNITUDE PHASE REAL IMAGINARY M_FFE P_FFE M_SE FFE SE ADC FA TRACEW
DIFFUSION NONE NORM ND DIS2D DIS3D MFSPLIT OTHER VOLUME WATER FAT IN_PHASE OUT_PHASE
"""
_IMAGE_TYPES = frozenset(_IMAGE_TYPE_WORDS.split())

_STACK_KEYS = {
    "echo time": "EchoTime",
    "echo": "EchoNumbers",
    "b-value": "DiffusionBValue",
    "time": "TemporalPositionIdentifier",
    "trigger time": "TriggerTime",
    "inversion time": "InversionTime",
    "flip angle": "FlipAngle",
    "acquisition": "AcquisitionNumber",
}


def _copies(one: Frame, other: Frame) -> bool:
    """Whether two files are the same bytes, or the same instance with the same pixels."""
    mine, theirs = one.source, other.source
    if not isinstance(mine, DicomFile) or not isinstance(theirs, DicomFile):
        return False
    if mine.path.read_bytes() == theirs.path.read_bytes():
        return True
    same = mine.text("SOPInstanceUID") == theirs.text("SOPInstanceUID") != ""
    same = same and (one.slope, one.intercept) == (other.slope, other.intercept)
    return same and bool(np.array_equal(one.load(), other.load()))
