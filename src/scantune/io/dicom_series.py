"""A folder of DICOM files to one volume: series separated, one chosen, other files ignored and counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.uid import UID

from scantune.amounts import number_of
from scantune.io import geometry
from scantune.io.absent import missing, pointer
from scantune.io.arrays import Options, Volume
from scantune.io.detect import HEAD, archive_of, format_of
from scantune.io.dicom_alike import attribute_notes, check_units
from scantune.io.dicom_apart import choose
from scantune.io.dicom_choice import digest
from scantune.io.dicom_dose import plane_positions
from scantune.io.dicom_file import DicomFile, parse, vendor
from scantune.io.dicom_keys import is_mirrored, keys_of, scale_slope
from scantune.io.dicom_meaning import meaning_of, precise
from scantune.io.dicom_mosaic import is_mosaic, mosaic_frames
from scantune.io.dicom_pixels import Pixels, syntax_name
from scantune.io.dicom_stack import Frame, Stack
from scantune.io.dicom_unit import stated_unit, unit_notes
from scantune.io.dicom_volume import assemble
from scantune.io.folders import files_below
from scantune.io.gzipped import Unpacked, is_dicom
from scantune.io.values import check_size
from scantune.records import ReadError

_NAMED = (".dcm", ".ima", ".dicom")
#: What files are counted as in whose place slices may be missing.
_ARCHIVE, _NO_DICOM = "archive (ZIP, tar …)", "named as DICOM, and none"


def scan(folder: Path, options: Options, aside: Counter[str]) -> list[DicomFile]:
    """Headers of all DICOM images below a folder (:func:`scantune.io.folders.files_below`).

    Args:
        folder: to look in.
        options: its limits are used.
        aside: gets counts of what is not an image.

    Raises:
        ReadError: too many files, a folder that cannot be listed, or a DICOM file whose header is damaged.
    """
    paths = sorted(files_below(folder))
    if len(paths) > options.limits.max_files:
        raise ReadError(
            f"the folder has {len(paths)} files, more than the limit of {options.limits.max_files}", str(folder)
        )
    files, unpacked = [], None
    for path in paths:
        file = _opened(path, options)
        if file == "gzip":
            unpacked = unpacked or Unpacked(options.limits)
            file = _opened(unpacked.add(path), options)
            if isinstance(file, DicomFile):
                file.origin, file.unpacked = path, unpacked
        if not isinstance(file, DicomFile):
            aside[file] += 1
            continue
        kind = not_an_image(file)
        if kind:
            aside[kind] += 1
        elif not file.rows:
            raise ReadError("a DICOM file among the slices is cut short: its header ends before the image", str(path))
        else:
            files.append(file)
    return files


def _opened(path: Path, options: Options) -> DicomFile | str:
    """The header of a file, "gzip" where it holds DICOM, else what it is counted as."""
    try:
        handle = path.open("rb")
    except FileNotFoundError:
        raise missing(path) from None
    with handle:
        head = handle.read(HEAD)
        if not head:
            return _NO_DICOM if path.suffix.lower() in _NAMED else "empty file"
        kind = format_of(head)
        if kind in ("dicom", "dicom without preamble"):
            return parse(handle, head, path, options.limits)
    if kind == "gzip" and is_dicom(path):
        return "gzip"
    if archive_of(head):
        return _ARCHIVE
    return _NO_DICOM if path.suffix.lower() in _NAMED or pointer(head) else "not DICOM"


_TILES = "a microscope's slide in tiles, which is not read: save the level that is meant as TIFF or PNG"
#: Images of kinds that are not read (PS3.4 B.5).
_NOT_READ = {
    "1.2.840.10008.5.1.4.1.1.77.1.6": _TILES,
    "1.2.840.10008.5.1.4.1.1.77.1.9": _TILES,
    "1.2.840.10008.5.1.4.1.1.6.2": "an enhanced ultrasound volume, which is not read: export it as NIfTI",
}


@lru_cache(256)
def _name(uid: str) -> str:
    return UID(uid).name


def not_an_image(file: DicomFile) -> str:
    """Why a DICOM file holds no image by its own account ("DICOMDIR", its kind), or ""."""
    sop = file.sop_class
    if sop == "1.2.840.10008.1.3.10":
        return "DICOMDIR"
    if sop in _NOT_READ:
        return _NOT_READ[sop]
    name = _name(sop) if sop else ""
    known = bool(sop) and name != sop
    pictured = "Image" in name or file.is_parametric_map or (file.is_dose and file.has("BitsAllocated"))
    if known and not pictured:
        return f"DICOM without an image: {name.removesuffix(' Storage')}"
    nothing = not file.rows or not file.photometric  # Philips keeps raw data under classes of its own, with rows
    return "DICOM without an image" if not known and nothing and not file.has("BitsAllocated") else ""


def counts_of(aside: Counter[str]) -> str:
    """What was ignored, as text: ``2 × DICOMDIR, 1 × not DICOM``."""
    return ", ".join(f"{count} × {what}" for what, count in sorted(aside.items()))


def read_series(files: list[DicomFile], options: Options, aside: Counter[str]) -> Volume:
    """Single-frame files, or dose grids, of one series to a volume."""
    facts = series_facts(files[0], len(files), aside, [])
    first = files[0]
    check_size((sum(file.n_frames for file in files), first.rows, first.columns), 4, options.limits)
    frames = frames_of(files, options)
    stacks = choose(frames, options, facts["notes"])
    for stack in stacks:
        sources = list({id(frame.source): frame.source for frame in stack.frames}.values())
        check_units(sources)
        facts["notes"] += [note for note in attribute_notes(sources) if note not in facts["notes"]]
    if len(stacks[0].frames) == len(files):
        _note_doubts(files, stacks[0], facts["notes"])
    return assemble(stacks, options, facts)


def frames_of(files: list[DicomFile], options: Options) -> list[Frame]:
    """Slices of single-frame files: one of each, or all that a mosaic or a dose grid holds."""
    for file in files:
        if file.samples != 1 or file.photometric not in ("MONOCHROME1", "MONOCHROME2"):
            raise ReadError(
                f"the slices are {file.photometric or 'of no stated colour'}; a volume has one number a voxel"
            )
        if is_mirrored(file):
            raise ReadError(
                "GE's research sequence epi_pepolar stores volumes of one polarity upside down and does not say "
                "which; convert it to NIfTI by dcm2niix first"
            )
    mosaics = [is_mosaic(file) for file in files]
    if all(mosaics):
        return mosaic_frames(files)  # Siemens and UIH
    if any(mosaics):
        raise ReadError(f"{sum(mosaics)} of {len(files)} files are mosaics of many slices, the others are not")
    return series_frames(files, exact=options.philips_values == "precise")


def _note_doubts(files: list[DicomFile], stack: Stack, notes: list[str]) -> None:
    """Note signs of slices that are missing at the ends or at even distances, where the positions cannot show it, and
    what else they contradict."""
    step = float(geometry.spacing_of(stack.affine)[2])
    spacing = files[0].number("SpacingBetweenSlices")
    if spacing is not None and np.isfinite(spacing) and abs(abs(spacing) - step) > 0.05 * step:
        notes.append(f"the header states {abs(spacing):g} mm between slices, their positions are {step:.4g} mm apart")
    references = len({file.text("FrameOfReferenceUID") for file in files})
    if references > 1:
        notes.append(f"the slices name {references} frames of reference; their positions are taken as of one")
    tilt = abs(files[0].number("GantryDetectorTilt") or 0.0)
    normal = np.cross(stack.affine[:3, 0], stack.affine[:3, 1])
    if tilt >= 1 and np.degrees(np.arctan2(np.hypot(*normal[:2]), abs(normal[2]))) < tilt / 2:
        notes.append(f"the header states a gantry tilt of {tilt:g}°, which orientation and positions do not show")
    images = files[0].integer("ImagesInAcquisition")
    if images > len(stack.frames):
        notes.append(f"the header states {images} images in the acquisition, {len(stack.frames)} are here")
    slices = files[0].integer("NumberOfSlices")  # of PET, in each volume
    if slices > len(stack.frames):
        notes.append(f"the header states {slices} slices, {len(stack.frames)} are here")
    numbers = [file.number("InstanceNumber") for file in files]
    known = sorted({int(number) for number in numbers if number is not None and abs(number) < 1e9})
    if len(known) == len(files) > 1 and known[-1] - known[0] + 1 > len(files):
        notes.append(f"instance numbers run from {known[0]} to {known[-1]}, and there are {len(files)} files")
    elif known and known[0] > 1:
        notes.append(f"instance numbers start at {known[0]}: slices may be missing at that end")


def series_facts(file: DicomFile, n_files: int, aside: Counter[str], notes: list[str]) -> dict[str, Any]:
    """What the manifest may know of a series."""
    center, width = file.number("WindowCenter"), file.number("WindowWidth")
    unit = stated_unit(file)
    if aside[_ARCHIVE]:
        notes.append(f"{number_of(aside[_ARCHIVE], 'archive')} among the files not unpacked: slices may be in it")
    if aside[_NO_DICOM]:
        files = number_of(aside[_NO_DICOM], "file is", "files are")
        notes.append(f"{files} named as DICOM and empty or of another kind (a failed download?): slices may be missing")
    if file.modality == "PT":
        notes.append(f"values of PET in {'no stated unit' if unit == 'not stated' else unit} (Units)")
    elif file.modality == "CT":
        notes += unit_notes(unit)
    return {
        "format": "dicom",
        "unit": unit,
        "modality": file.modality,
        "manufacturer": vendor(file),
        "photometric": file.photometric,
        "bits": file.integer("BitsStored") or file.integer("BitsAllocated"),
        "transfer_syntax": syntax_name(file),
        "decoder": f"pydicom {pydicom.__version__}",
        "series": digest(file.text("SeriesInstanceUID")),
        "frame_of_reference": digest(space) if (space := file.text("FrameOfReferenceUID")) else "",
        "files": n_files,
        "set_aside": dict(sorted(aside.items())),
        "window": [center, width] if center is not None and width is not None else None,
        "notes": notes,
    }


def series_frames(files: list[DicomFile], exact: bool = False) -> list[Frame]:
    """Files as frames to be stacked, one of each or the planes of a dose; ``exact``: Philips' precise values."""
    return [plane for at, file in enumerate(files) for plane in _planes(_frame(file, at, exact))]


def _planes(frame: Frame) -> list[Frame]:
    """The planes of a dose grid as frames of their own; any other frame as it is."""
    file = frame.source
    if not has_planes(file) or frame.position is None or frame.orientation is None:
        return [frame]
    pixels = Pixels(file, frame.meaning)
    return [
        replace(
            frame,
            name=f"{frame.name}, frame {k + 1}",
            position=position,
            load=partial(pixels.frame, k),
            order=None if frame.order is None else frame.order + k / file.n_frames,
            instance="",
            number=k + 1,
        )
        for k, position in enumerate(plane_positions(file, frame.position, frame.orientation))
    ]


def has_planes(file: DicomFile) -> bool:
    """Whether it is a dose grid of several planes."""
    return file.is_dose and file.n_frames > 1


def _frame(file: DicomFile, at: int, exact: bool) -> Frame:
    position, orientation = file.floats("ImagePositionPatient"), file.floats("ImageOrientationPatient")
    spacing = file.floats("PixelSpacing")
    number = file.number("InstanceNumber")
    name = f"instance {int(number)}" if number is not None else f"file {at + 1}"
    try:
        meaning = precise(meaning_of(file), scale_slope(file)) if exact else meaning_of(file)
    except ReadError as error:
        raise ReadError(f"{name}: {error.reason}", error.detail or str(file.path)) from error
    return Frame(
        name=name,
        rows=file.rows,
        columns=file.columns,
        position=np.array(position) if len(position) == 3 else None,
        orientation=np.array(orientation) if len(orientation) == 6 else None,
        spacing=(spacing[0], spacing[1]) if len(spacing) == 2 else None,
        meaning=meaning,
        keys=keys_of(file),
        load=lambda: Pixels(file, meaning).frame(0),
        order=number,
        source=file,
        instance=file.text("SOPInstanceUID"),
    )
