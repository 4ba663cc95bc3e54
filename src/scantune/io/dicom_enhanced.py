"""Enhanced multi-frame MR and CT: geometry, rescale and stack of each frame from its functional groups."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
from pydicom import Dataset

from scantune.io.arrays import Image, Options, Volume
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_image import read_image
from scantune.io.dicom_pixels import Pixels
from scantune.io.dicom_series import assemble, series_facts
from scantune.io.dicom_stack import Frame, choose
from scantune.io.values import check_size
from scantune.records import ReadError


def read_enhanced(file: DicomFile, options: Options, aside: Counter[str]) -> Volume | Image:
    """Read a multi-frame file whose frames state where they lie.

    Returns:
        A Volume, or an Image where the file has one frame and no volume was asked for.

    Raises:
        ReadError: as for a series; the frames are its slices.
    """
    groups = file.header.PerFrameFunctionalGroupsSequence
    if len(groups) != file.n_frames:
        raise ReadError(f"the header speaks of {file.n_frames} frames and describes {len(groups)}", str(file.path))
    check_size((file.n_frames, file.rows, file.columns), 4, options.limits)
    shared = (file.header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    notes = list(file.notes)
    pixels = Pixels(file)
    frames = [_frame(file, pixels, group, shared, at) for at, group in enumerate(groups)]
    if len(frames) == 1 and options.kind != "volume":
        return _image(file, frames[0], options, aside)
    if options.kind == "image":
        raise ReadError(f"it has {len(frames)} frames and is not an image")
    stack = choose(frames, options, notes)
    facts = series_facts(file, 1, aside, notes)
    if facts["window"] is None:
        facts["window"] = _window(groups[0], shared)
    volume = assemble(stack, file, options, facts)
    facts["decoder"] += f", {pixels.decoder}"
    return volume


def _item(group: Dataset, shared: Dataset, macro: str) -> Dataset:
    """A macro's item for a frame: its own, else the shared one, else an empty one."""
    for source in (group, shared):
        found = source.get(macro)
        if found:
            return found[0]
    return Dataset()


def _numbers(item: Dataset, keyword: str, length: int) -> list[float] | None:
    value = item.get(keyword)
    if value is None or value == "":
        return None
    many = [float(v) for v in value] if hasattr(value, "__iter__") and not isinstance(value, str) else [float(value)]
    return many if len(many) == length else None


def _frame(file: DicomFile, pixels: Pixels, group: Dataset, shared: Dataset, at: int) -> Frame:
    position = _numbers(_item(group, shared, "PlanePositionSequence"), "ImagePositionPatient", 3)
    orientation = _numbers(_item(group, shared, "PlaneOrientationSequence"), "ImageOrientationPatient", 6)
    spacing = _numbers(_item(group, shared, "PixelMeasuresSequence"), "PixelSpacing", 2)
    slope, intercept = _rescale(file, group, shared)
    return Frame(
        name=f"frame {at + 1}",
        rows=file.rows,
        columns=file.columns,
        position=np.array(position) if position else None,
        orientation=np.array(orientation) if orientation else None,
        spacing=(spacing[0], spacing[1]) if spacing else None,
        slope=slope,
        intercept=intercept,
        keys=_keys(group, shared),
        load=lambda: pixels.frame(at),
    )


def _rescale(file: DicomFile, group: Dataset, shared: Dataset) -> tuple[float, float]:
    transform = _item(group, shared, "PixelValueTransformationSequence")
    slope = _numbers(transform, "RescaleSlope", 1) or [file.number("RescaleSlope", 1.0) or 1.0]
    intercept = _numbers(transform, "RescaleIntercept", 1) or [file.number("RescaleIntercept", 0.0) or 0.0]
    if slope[0] == 0 or not np.isfinite([slope[0], intercept[0]]).all():
        raise ReadError(f"the rescale slope is {slope[0]:g}", str(file.path))
    return slope[0], intercept[0]


_KEYS = {
    "stack": ("FrameContentSequence", "StackID"),
    "echo time": ("MREchoSequence", "EffectiveEchoTime"),
    "b-value": ("MRDiffusionSequence", "DiffusionBValue"),
    "time": ("FrameContentSequence", "TemporalPositionIndex"),
    "trigger time": ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    "acquisition": ("FrameContentSequence", "FrameAcquisitionNumber"),
}


def _keys(group: Dataset, shared: Dataset) -> dict[str, str | float]:
    keys: dict[str, str | float] = {}
    for name, (macro, keyword) in _KEYS.items():
        value: Any = _item(group, shared, macro).get(keyword)
        if value is None or value == "":
            continue
        try:
            keys[name] = float(value)
        except (TypeError, ValueError):
            keys[name] = "named"
    diffusion = _item(group, shared, "MRDiffusionSequence").get("DiffusionGradientDirectionSequence")
    if diffusion:
        gradient = diffusion[0].get("DiffusionGradientOrientation") or []
        keys["gradient"] = " ".join(f"{float(value):.4f}" for value in gradient)
    component = _item(group, shared, "MRImageFrameTypeSequence").get("ComplexImageComponent")
    if component in ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY", "MIXED"):
        keys["component"] = str(component).lower()
    return keys


def _window(group: Dataset, shared: Dataset) -> list[float] | None:
    item = _item(group, shared, "FrameVOILUTSequence")
    try:
        center, width = item.get("WindowCenter"), item.get("WindowWidth")
        first = [v[0] if hasattr(v, "__getitem__") else v for v in (center, width)]
        return None if None in first else [float(first[0]), float(first[1])]
    except (TypeError, ValueError, IndexError):
        return None


def _image(file: DicomFile, frame: Frame, options: Options, aside: Counter[str]) -> Image:
    """One frame as a picture; its functional groups take the place of the header items of a plain image."""
    file.header.RescaleSlope, file.header.RescaleIntercept = str(frame.slope)[:16], str(frame.intercept)[:16]
    if frame.spacing is not None:
        file.header.PixelSpacing = [str(value)[:16] for value in frame.spacing]
    return read_image(replace(file, items=dict(file.header.items())), options, aside)
