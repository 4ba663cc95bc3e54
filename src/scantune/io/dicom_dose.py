"""RT Dose (PS3.3 C.8.8.3): a grid of dose in Gray, whose planes lie at stated offsets from the first one."""

from __future__ import annotations

import numpy as np

from scantune.io.dicom_file import DicomFile
from scantune.records import ReadError

_UNITS = ("GY", "RELATIVE")
_SUMMATIONS = frozenset(
    ("MULTI_PLAN", "PLAN_OVERVIEW", "FRACTION", "BEAM", "BRACHY", "FRACTION_SESSION", "BEAM_SESSION", "BRACHY_SESSION")
    + ("CONTROL_POINT", "RECORD")
)
_ROUNDING = 0.011  # mm; positions are often written with two decimals


def dose_scaling(file: DicomFile) -> float:
    """What stored values are multiplied with for dose in the file's unit.

    Raises:
        ReadError: DoseGridScaling is missing or not above 0; a rescale beside it says something else.
    """
    scaling = file.one_number("DoseGridScaling")
    if scaling is None:
        raise ReadError("DoseGridScaling is missing: what a stored value is in Gray cannot be told", str(file.path))
    if scaling <= 0:
        raise ReadError(f"DoseGridScaling is {scaling:g}, and must be above 0", str(file.path))
    slope = file.one_number("RescaleSlope")
    if slope not in (None, 1.0, scaling) or file.one_number("RescaleIntercept"):
        raise ReadError(f"DoseGridScaling is {scaling:g}, and a rescale beside it says something else", str(file.path))
    return scaling


def dose_unit(file: DicomFile) -> str:
    """GY or RELATIVE; what kind of dose it is, other than the physical one of a plan in Gray, is noted.

    Raises:
        ReadError: DoseUnits is missing or another word.
    """
    unit = file.text("DoseUnits").upper()
    if unit not in _UNITS:
        words = "another word" if unit else "missing"
        raise ReadError(f"DoseUnits is {words}, and must be GY or RELATIVE", f"{file.path}: {unit}")
    kind, summed = file.text("DoseType").upper(), file.text("DoseSummationType").upper()
    notes = []
    if unit == "RELATIVE":
        notes.append("DoseUnits is RELATIVE: the values are not in Gray")
    if kind != "PHYSICAL":
        words = kind if kind in ("EFFECTIVE", "ERROR") else "another word" if kind else "missing"
        notes.append(f"DoseType is {words}, not PHYSICAL")
    if summed != "PLAN":
        words = summed if summed in _SUMMATIONS else "another word" if summed else "missing"
        notes.append(f"DoseSummationType is {words}, not PLAN: this may not be the dose of one whole plan")
    file.notes.extend(note for note in notes if note not in file.notes)
    return unit


def plane_positions(file: DicomFile, position: np.ndarray, orientation: np.ndarray) -> list[np.ndarray]:
    """Position of each plane's first pixel, mm in LPS (PS3.3 C.8.8.3.2).

    Args:
        file: an RT Dose of several planes.
        position: of the first one, mm in LPS.
        orientation: direction cosines along a row and down a column, LPS.

    Raises:
        ReadError: GridFrameOffsetVector is missing, not of the planes' number, or neither relative nor absolute.
    """
    offsets = _offsets(file)
    first, height = offsets[0], float(position[2])
    if first == 0:
        return [position + offset * np.cross(orientation[:3], orientation[3:]) for offset in offsets]
    transverse = float(np.abs(orientation[[2, 5]]).max()) < 1e-4
    if transverse and abs(first - height) <= _ROUNDING:
        return [np.array([position[0], position[1], offset]) for offset in offsets]
    right = f"0 or {height:g} (the z of ImagePositionPatient)" if transverse else "0"
    raise ReadError(f"GridFrameOffsetVector starts at {first:g}, and must start at {right}", str(file.path))


def _offsets(file: DicomFile) -> list[float]:
    offsets, text = file.floats("GridFrameOffsetVector"), file.text("GridFrameOffsetVector")
    if not offsets:
        words = "not numbers" if text else "missing"
        raise ReadError(
            f"GridFrameOffsetVector is {words}: where the {file.n_frames} planes lie cannot be told",
            f"{file.path}: {text}",
        )
    if len(offsets) != file.n_frames or not np.isfinite(offsets).all():
        raise ReadError(
            f"GridFrameOffsetVector has {len(offsets)} values where {file.n_frames} finite ones belong (NumberOfFrames)"
        )
    return offsets
