"""A still image from a DICOM file of one frame."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut

from scantune.io.arrays import Image, Options
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_pixels import Pixels
from scantune.io.dicom_series import series_facts, slope_of, stored_range
from scantune.io.dicom_stack import rescale_into
from scantune.io.values import apply_window, check_size, check_values
from scantune.records import ReadError


def read_image(file: DicomFile, options: Options, aside: Counter[str]) -> Image:
    """A single-frame file as a picture [C, H, W]."""
    check_size((file.samples, file.rows, file.columns), 4, options.limits)
    facts = series_facts(file, 1, aside, file.notes)
    pixels = Pixels(file)
    raw = pixels.frame(0)
    facts["decoder"] += f", {pixels.decoder}"
    facts |= _sides(file)
    spacing = image_spacing(file, facts["notes"])
    if file.photometric == "PALETTE COLOR" or raw.ndim == 3:
        picture = np.moveaxis(colour_frame(raw, file), -1, 0)  # H W C -> C H W
        if picture.dtype != np.uint8:
            picture = picture.astype(np.float32)
        array = check_values(np.ascontiguousarray(picture), options, facts["notes"])
        return Image(array, spacing, facts)
    grey = shown_grey(modality_values(raw, file), raw, file, options, facts)
    return Image(check_values(grey[None], options, facts["notes"]), spacing, facts)  # H W -> 1 H W


def colour_frame(raw: np.ndarray, file: DicomFile) -> np.ndarray:
    """RGB [H, W, 3] of a decoded frame; palettes of 16 bits are brought to 8."""
    if file.photometric == "PALETTE COLOR":
        rgb = apply_color_lut(raw, file.header)[..., :3]
        entries = file.floats("RedPaletteColorLookupTableDescriptor")
        if rgb.dtype == np.uint16 and len(entries) == 3:
            # some files state 16 bits and use 8 of them
            rgb = (rgb >> 8 if int(rgb.max()) > 255 else rgb).astype(np.uint8)
        return rgb
    if raw.dtype.itemsize > 1 and file.whole("BitsStored") <= 8:
        raw = raw.astype(np.uint8)
    return raw


def modality_values(raw: np.ndarray, file: DicomFile) -> np.ndarray:
    """Stored values to the modality's units, float32 [H, W] (PS3.3 C.11.1)."""
    if file.has("ModalityLUTSequence"):
        return np.asarray(apply_modality_lut(raw, file.header), dtype=np.float32)
    values = np.empty(raw.shape, dtype=np.float32)
    rescale_into(values, raw, slope_of(file), file.number("RescaleIntercept", 0.0) or 0.0)
    return values


def shown_grey(
    values: np.ndarray, raw: np.ndarray, file: DicomFile, options: Options, facts: dict[str, Any]
) -> np.ndarray:
    """The window (or VOI LUT) and MONOCHROME1, as asked for."""
    low, high = stored_range(file) if values.dtype.kind == "f" and raw.dtype.kind in "iu" else _range(values)
    if options.window == "file":
        values, low, high = _file_window(values, raw, file), 0.0, 1.0
    elif options.window is not None:
        values, low, high = apply_window(values, *options.window), 0.0, 1.0
    if file.photometric == "MONOCHROME1" and options.monochrome1 == "invert":
        facts["notes"].append("MONOCHROME1 inverted")
        values = np.float32(low + high) - values
    return values


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def _file_window(values: np.ndarray, raw: np.ndarray, file: DicomFile) -> np.ndarray:
    """The file's own VOI LUT, or its first window, to 0–1."""
    if file.has("VOILUTSequence") and raw.dtype.kind in "iu":
        table = file.header.VOILUTSequence[0]
        bits = int(table.LUTDescriptor[2])
        whole = apply_modality_lut(raw, file.header)
        whole = np.rint(whole).astype(np.int32) if whole.dtype.kind == "f" else whole
        return np.asarray(apply_voi_lut(whole, file.header, prefer_lut=True), dtype=np.float32) / ((1 << bits) - 1)
    center, width = file.number("WindowCenter"), file.number("WindowWidth")
    if center is None or width is None:
        raise ReadError("this file has no window of its own")
    return apply_window(values, center, width, file.text("VOILUTFunction") or "LINEAR")


def image_spacing(file: DicomFile, notes: list[str]) -> tuple[float, float] | None:
    """(row, column) spacing in mm: in the patient, else at the detector (noted), else of an ultrasound region."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        found = file.floats(keyword)
        if len(found) == 2 and all(np.isfinite(value) and value > 0 for value in found):
            if keyword != "PixelSpacing":
                notes.append("the spacing is the detector's, not the patient's")
            return found[0], found[1]
    regions = (
        file.header.get("SequenceOfUltrasoundRegions") if file.has("SequenceOfUltrasoundRegions") else None
    ) or []
    for region in regions:
        if region.get("PhysicalUnitsXDirection") == 3 and region.get("PhysicalUnitsYDirection") == 3:  # cm
            spacing = abs(float(region.PhysicalDeltaY)) * 10, abs(float(region.PhysicalDeltaX)) * 10
            return spacing if min(spacing) > 0 else None
    return None


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
