"""A still image from a DICOM file of one frame."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from scantune.io import geometry
from scantune.io.arrays import Image, Options
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_meaning import Meaning, palette_of
from scantune.io.dicom_pixels import Pixels
from scantune.io.dicom_series import series_facts
from scantune.io.dicom_window import apply_file_window
from scantune.io.values import MOST_UNEQUAL, apply_window, blank_padding, check_size, check_values, note_sides


def read_image(file: DicomFile, options: Options, aside: Counter[str], meaning: Meaning | None = None) -> Image:
    """A single-frame file as a picture [C, H, W].

    Args:
        file: its header.
        options: how to read.
        aside: counts of what is not an image.
        meaning: of its stored values, where functional groups state it; None asks the header.

    Raises:
        ReadError: no picture, or one whose values cannot be told.
    """
    check_size((file.samples, file.rows, file.columns), 4, options.limits)
    pixels = Pixels(file, meaning)
    facts = series_facts(file, 1, aside, file.notes)
    raw = pixels.frame(0)
    facts["decoder"] += f", {pixels.decoder}"
    facts |= _sides(file)
    spacing = image_spacing(file, facts)
    if file.photometric == "PALETTE COLOR" or raw.ndim == 3:
        if options.window is not None:
            facts["notes"].append("colour, to which the window is not applied")
        picture = np.moveaxis(colour_frame(raw, file, pixels.meaning), -1, 0)  # H W C -> C H W
        if picture.dtype != np.uint8:
            picture = picture.astype(np.float32)
        array = check_values(np.ascontiguousarray(picture), options, facts["notes"])
        return Image(array, spacing, facts)
    grey = display_grey(raw, file, pixels.meaning, options, facts["notes"])
    grey = check_values(grey[None], options, facts["notes"])  # H W -> 1 H W
    empty = pixels.meaning.is_padding(raw)
    if empty is not None:
        empty = blank_padding(grey[0], empty, pixels.meaning.padding, options, facts["notes"])
    return Image(grey, spacing, facts, empty)


def colour_frame(raw: np.ndarray, file: DicomFile, meaning: Meaning) -> np.ndarray:
    """RGB [H, W, 3] of a decoded frame; palettes of 16 bits are brought to 8."""
    if file.photometric == "PALETTE COLOR":
        return palette_of(file, meaning).of(raw)
    if raw.dtype.itemsize > 1 and (meaning.stored or 16) <= 8:
        raw = raw.astype(np.uint8)
    return raw


def display_grey(raw: np.ndarray, file: DicomFile, meaning: Meaning, options: Options, notes: list[str]) -> np.ndarray:
    """Values of stored grey float32 [H, W], the window (or VOI LUT) and MONOCHROME1 as asked for."""
    values = meaning.values(raw)
    low, high = meaning.range or (float(values.min()), float(values.max()))
    if options.window == "file":
        values, low, high = apply_file_window(values, file, meaning), 0.0, 1.0
    elif options.window is not None:
        values, low, high = apply_window(values, *options.window), 0.0, 1.0
    if meaning.turned(options, notes):
        values = np.float32(low + high) - values
    return values


def image_spacing(file: DicomFile, facts: dict[str, Any]) -> tuple[float, float] | None:
    """(row, column) spacing in mm: in the patient, else at the detector (noted), else of an ultrasound region.

    Pixels that are not square are noted (:func:`scantune.io.values.note_sides`).
    """
    spacing, keyword = _stated(file, facts["notes"])
    if keyword in ("ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        facts["notes"].append("the spacing is the detector's, not the patient's")
    aspect = file.floats("PixelAspectRatio")
    if spacing is not None:
        note_sides(spacing, f"{spacing[0]:.4g} mm between rows, {spacing[1]:.4g} mm between columns", facts)
    elif len(aspect) == 2 and np.isfinite(aspect).all() and min(aspect) > 0:  # vertical, horizontal: PS3.3 C.7.6.3.1.7
        note_sides(aspect, f"PixelAspectRatio {aspect[0]:g}:{aspect[1]:g}", facts, MOST_UNEQUAL)
    return spacing


def _stated(file: DicomFile, notes: list[str]) -> tuple[tuple[float, float] | None, str]:
    """The spacing and the attribute that states it."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        values = file.floats(keyword)
        if len(values) == 2 and all(geometry.MIN_SPACING < value < geometry.MAX_SPACING for value in values):
            return (values[0], values[1]), keyword
        if file.text(keyword):
            notes.append(f"{keyword} is no spacing in mm, and is not used")
    return _of_regions(file, notes), "SequenceOfUltrasoundRegions"


def _of_regions(file: DicomFile, notes: list[str]) -> tuple[float, float] | None:
    """(row, column) spacing in mm that all ultrasound regions in cm share (PS3.3 C.8.5.5), None where there is none."""
    keyword, spacings = "SequenceOfUltrasoundRegions", []
    for region in (file.header.get(keyword) if file.has(keyword) else None) or []:
        if region.get("PhysicalUnitsXDirection") == 3 and region.get("PhysicalUnitsYDirection") == 3:  # cm
            deltas = (region.get(f"PhysicalDelta{axis}") or 0.0 for axis in "YX")
            spacings.append([abs(float(delta)) * 10 for delta in deltas])
    if not spacings or min(min(spacing) for spacing in spacings) <= 0:
        return None
    if (np.ptp(spacings, axis=0) > 0.01 * np.min(spacings, axis=0)).any():
        notes.append(f"{len(spacings)} ultrasound regions of different scales: no one spacing in mm")
        return None
    return spacings[0][0], spacings[0][1]


def _sides(file: DicomFile) -> dict[str, Any]:
    """Which side of the patient the columns and rows run to, where the header says so."""
    letters = file.text("PatientOrientation").upper().split("\\")
    plain = [part for part in letters if part and set(part) <= set("RLAPHF")]
    view = file.text("ViewPosition").upper()
    side = file.text("ImageLaterality").upper() or file.text("Laterality").upper()
    return {
        "patient_orientation": plain if len(plain) == 2 else None,
        "view": view if view in ("AP", "PA", "LL", "RL", "LLD", "RLD", "MLO", "CC", "RLO", "LLO") else None,
        "laterality": side if side in ("L", "R", "B", "U") else None,
    }
