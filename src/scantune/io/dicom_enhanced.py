"""Enhanced multi-frame MR, CT and PET, parametric maps: geometry, rescale and keys by a frame's functional groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.tag import Tag
from pydicom.valuerep import DT

from scantune.io.arrays import Image, Options, Volume
from scantune.io.dicom_apart import choose
from scantune.io.dicom_file import DicomFile
from scantune.io.dicom_image import read_image
from scantune.io.dicom_keys import dimension_values, dimensions_of, frame_keys, frame_scale_slope, macro, macro_items
from scantune.io.dicom_meaning import Meaning, meaning_of, precise, with_real_world
from scantune.io.dicom_numbers import NotANumberError, numbers
from scantune.io.dicom_pixels import Pixels
from scantune.io.dicom_rescale import checked_rescale, rescale_needed_by, rescale_of
from scantune.io.dicom_stack import SAME_PLACE, Frame, distances_of
from scantune.io.dicom_unit import unit_notes, unit_word
from scantune.io.dicom_volume import assemble
from scantune.io.values import check_size
from scantune.records import ReadError


def read_enhanced(files: Sequence[DicomFile], options: Options, facts: dict[str, Any]) -> Volume | Image:
    """Read multi-frame files of one series, whose frames state where they lie.

    Args:
        files: in any order; their instance numbers give the order of acquisition.
        options: how to read.
        facts: of the series.

    Returns:
        A Volume, or an Image where there is one frame and no volume was asked for.

    Raises:
        ReadError: as for a series; the frames are its slices.
    """
    n_frames = sum(file.n_frames for file in files)
    check_size((n_frames, files[0].rows, files[0].columns), 4, options.limits)
    frames = enhanced_frames(files, options)
    if len(frames) == 1 and options.kind != "volume":
        return _image(files[0], frames[0], options)
    if options.kind == "image":
        raise ReadError(f"it has {len(frames)} frames and is not an image")
    stacks = choose(frames, options, facts["notes"])
    shown = stacks[0].frames[0]
    if facts["window"] is None and shown.window is not None:
        facts["window"] = list(shown.window[:2])
    if files[0].modality == "CT" and shown.meaning.unit:
        facts["unit"] = unit_word(shown.meaning.unit)
        facts["notes"] += unit_notes(facts["unit"])
    volume = assemble(stacks, options, facts)
    facts["decoder"] += f", {'numpy' if not files[0].compressed else 'plug-in by transfer syntax'}"
    return volume


def enhanced_frames(files: Sequence[DicomFile], options: Options) -> list[Frame]:
    """All frames of the files of one series."""
    for file in files:
        _groups(file)  # frames that are not described are told before the pixels' length is looked at
    sources = [Pixels(file, meaning_of(file, rescale_elsewhere=True)) for file in files]
    exact = options.philips_values == "precise"
    return [frame for at, pixels in enumerate(sources) for frame in frames_of(pixels, at, len(files), exact)]


def _groups(file: DicomFile) -> list[tuple[Dataset, Dataset]]:
    """The functional groups of each frame: its own and the shared ones."""
    per_frame = file.header.PerFrameFunctionalGroupsSequence
    if len(per_frame) != file.n_frames:
        raise ReadError(f"the header states {file.n_frames} frames and describes {len(per_frame)}", str(file.path))
    shared = (file.header.get("SharedFunctionalGroupsSequence") or [Dataset()])[0]
    return [(group, shared) for group in per_frame]


def has_places(file: DicomFile) -> bool:
    """Whether any frame states where it lies in the patient: those of enhanced angiograms do not."""
    return any(macro(group, shared, "PlanePositionSequence") for group, shared in _groups(file))


def frames_of(pixels: Pixels, at: int = 0, of: int = 1, exact: bool = False) -> list[Frame]:
    """The frames of one file.

    Args:
        pixels: of the file.
        at: its place in the series.
        of: files in the series.
        exact: Philips' precise values.
    """
    file = pixels.file
    number = file.number("InstanceNumber") if of > 1 else 0.0
    start = 1e6 * (at if number is None else number)
    prefix = "" if of == 1 else f"instance {int(number)}, " if number is not None else f"file {at + 1}, "
    which = dimensions_of(file)
    frames = [_frame(pixels, group, shared, k, exact, which) for k, (group, shared) in enumerate(_groups(file))]
    _refuse_some_rescaled([frame.meaning for frame in frames])
    return [replace(frame, name=prefix + frame.name, order=start + k) for k, frame in enumerate(frames)]


def _refuse_some_rescaled(meanings: Sequence[Meaning]) -> None:
    rescaled = [meaning.rescaled for meaning in meanings]
    if len(set(rescaled)) > 1:
        raise ReadError(f"{rescaled.count(True)} of {len(rescaled)} frames state a rescale, the others none")


def _frame(pixels: Pixels, group: Dataset, shared: Dataset, at: int, exact: bool, which: Sequence[int]) -> Frame:
    file = pixels.file
    notes = file.notes
    _refuse_two_statements(group, shared, at)
    position = _numbers(macro(group, shared, "PlanePositionSequence"), "ImagePositionPatient", 3, notes)
    orientation = _numbers(macro(group, shared, "PlaneOrientationSequence"), "ImageOrientationPatient", 6, notes)
    spacing = _numbers(macro(group, shared, "PixelMeasuresSequence"), "PixelSpacing", 2, notes)
    meaning = _meaning(pixels, group, shared)
    return Frame(
        name=f"frame {at + 1}",
        rows=file.rows,
        columns=file.columns,
        position=np.array(position) if position else None,
        orientation=np.array(orientation) if orientation else None,
        spacing=(spacing[0], spacing[1]) if spacing else None,
        meaning=precise(meaning, frame_scale_slope(group, shared)) if exact else meaning,
        keys=frame_keys(group, shared) | dimension_values(group, which),
        load=lambda: pixels.frame(at),
        source=file,
        number=at + 1,
        window=_window(group, shared),
    )


#: What a frame and the shared groups must not both state with different numbers (PS3.3 C.7.6.16.1.1: one of the two).
_STATED_ONCE = {
    "PlanePositionSequence": {"ImagePositionPatient": 3},
    "PlaneOrientationSequence": {"ImageOrientationPatient": 6},
    "PixelMeasuresSequence": {"PixelSpacing": 2},
    "PixelValueTransformationSequence": {"RescaleSlope": 1, "RescaleIntercept": 1},
}


def _refuse_two_statements(group: Dataset, shared: Dataset, at: int) -> None:
    for name, keywords in _STATED_ONCE.items():
        if not (name in shared and name in group):
            continue
        own, common = macro(group, _NOTHING, name), macro(_NOTHING, shared, name)
        for keyword, length in keywords.items():
            one, other = (_numbers(item, keyword, length, []) for item in (own, common))
            if one and other and not np.allclose(one, other, rtol=1e-4, atol=1e-4 if length > 1 else 0.0):
                raise ReadError(f"{keyword} of frame {at + 1} is {one}, and {other} in the shared functional groups")


_NOTHING = Dataset()


def _numbers(item: Dataset, keyword: str, length: int, notes: list[str]) -> list[float] | None:
    """Numbers of a macro, None where they are absent or empty; what is odd about them is noted.

    Raises:
        ReadError: not numbers, or not so many.
    """
    tag = tag_for_keyword(keyword) or 0
    try:
        values = numbers(item.get_item(Tag(tag)) if Tag(tag) in item else None, tag, notes)
    except NotANumberError as error:
        raise ReadError(f"{keyword} is not a number: {error}") from error
    if values and (len(values) != length or not np.isfinite(values).all()):
        raise ReadError(f"{keyword} has {len(values)} values where {length} finite ones belong")
    return values or None


def _meaning(pixels: Pixels, group: Dataset, shared: Dataset) -> Meaning:
    """The file's, with the frame's own rescale; one in the header that contradicts it is refused."""
    transform = macro(group, shared, "PixelValueTransformationSequence")
    notes = pixels.file.notes
    one, other = (_numbers(transform, keyword, 1, notes) for keyword in ("RescaleSlope", "RescaleIntercept"))
    above = rescale_of(pixels.file)
    maps = macro_items(group, shared, "RealWorldValueMappingSequence")
    needed_by = rescale_needed_by(pixels.file) if above[0] is None and not maps else None
    rescale = checked_rescale(one[0] if one else None, other[0] if other else None, needed_by)
    # a parametric map's own is always 1 and 0 (PS3.3 C.7.6.16.2.9b), and its maps give the values
    identity = pixels.file.is_parametric_map and rescale == (1.0, 0.0)
    if rescale[0] is None or rescale[1] is None or (maps and identity):
        return with_real_world(pixels.meaning, maps, pixels.file.notes) if maps else pixels.meaning
    if above[0] is not None and above != rescale:
        both = [f"slope {slope:g}, intercept {intercept or 0:g}" for slope, intercept in (rescale, above)]
        raise ReadError(f"the rescale of a frame ({both[0]}) is not that of the header ({both[1]})")
    if pixels.meaning.table is not None and rescale != (1.0, 0.0):
        raise ReadError(f"there is a modality LUT and a rescale of a frame too (RescaleSlope {rescale[0]:g})")
    unit = str(transform.get("RescaleType") or "").upper()
    meaning = replace(pixels.meaning, slope=rescale[0], intercept=rescale[1], rescaled=True, unit=unit)
    return with_real_world(meaning, maps, pixels.file.notes) if maps else meaning


def _window(group: Dataset, shared: Dataset) -> tuple[float, float, str] | None:
    """Center, width and function of a frame, None where it has none that can be used."""
    item = macro(group, shared, "FrameVOILUTSequence")
    try:
        center, width = item.get("WindowCenter"), item.get("WindowWidth")
        first = [v[0] if hasattr(v, "__getitem__") else v for v in (center, width)]
        function = str(item.get("VOILUTFunction") or "LINEAR").upper()
        return None if None in first else (float(first[0]), float(first[1]), function)
    except (TypeError, ValueError, IndexError):
        return None


def _image(file: DicomFile, frame: Frame, options: Options) -> Image:
    """One frame as a picture; its functional groups take the place of the header items of a plain image."""
    if frame.meaning.unit:
        file.header.RescaleType = frame.meaning.unit
    return read_image(_plain(file), options, Counter(), frame.meaning)


def loop_frames(file: DicomFile) -> tuple[DicomFile, list[Meaning]]:
    """The frames of a file as those of a loop: what each one's stored values mean, by its functional groups.

    Returns:
        The file with the window of its first frame, which all frames are shown by, and a meaning for each frame.

    Raises:
        ReadError: a rescale that cannot be used, or that some frames have and others do not; frames of several slices
            at several times, or stored in another order than that of their times or places.
    """
    frames = frames_of(Pixels(file, meaning_of(file, rescale_elsewhere=True)))
    _check_order(frames)
    if len({(one.meaning.slope, one.meaning.intercept) for one in frames}) > 1:
        file.notes.append("the rescale differs by frame, and each frame has its own")
    if not file.has("WindowCenter") and len({frame.window for frame in frames}) > 1:
        file.notes.append("the window differs by frame; that of the first is taken")
    if len({frame.spacing for frame in frames}) > 1:
        file.notes.append("the pixel spacing differs by frame; that of the first is taken")
    _state_times(file)
    return _plain(file), [frame.meaning for frame in frames]


def _state_times(file: DicomFile) -> None:
    """Give the header the FrameTimeVector that the times of its frames make, where it has none.

    Raises:
        ReadError: times that go back, of frames that state no place; slices may be acquired in any order.
    """
    groups = _groups(file)
    for keyword in () if file.has("FrameTimeVector") or file.n_frames < 2 else _TIMES:
        steps = np.diff([_time(group, shared, keyword) for group, shared in groups])
        if np.isnan(steps).any() or not steps.any():
            continue
        if (steps < 0).any() and not has_places(file):
            raise ReadError(f"the frames are stored in another order than that of their times ({keyword})")
        if (steps > 0).all():
            file.header.FrameTimeVector = [f"{1000 * step:.9g}" for step in (0.0, *steps)]
            file.notes.append(f"FrameTimeVector is made of the frames' {keyword}")
            return


_TIMES = {
    "FrameReferenceDateTime": "FrameContentSequence",
    "FrameAcquisitionDateTime": "FrameContentSequence",
    "TemporalPositionTimeOffset": "TemporalPositionSequence",
}


def _time(group: Dataset, shared: Dataset, keyword: str) -> float:
    """Seconds at which a frame was taken, from any start; NaN where it does not say."""
    value = macro(group, shared, _TIMES[keyword]).get(keyword)
    try:
        if keyword == "TemporalPositionTimeOffset":
            return float(value)
        return DT(value or "none").replace(tzinfo=UTC).timestamp()
    except (TypeError, ValueError):
        return float("nan")


def _check_order(frames: Sequence[Frame]) -> None:
    """Refuse frames that make no loop as they are stored."""
    times = np.array([float(frame.keys.get("time", 0.0)) for frame in frames])
    placed = [frame for frame in frames if frame.position is not None and frame.orientation is not None]
    steps = np.diff(distances_of(placed)) if len(placed) == len(frames) > 1 else np.zeros(1)
    moves = bool((np.abs(steps) > SAME_PLACE).any())
    if moves and 1 < len(set(times)) < len(frames):  # a plane that moves has a time for each frame
        raise ReadError("the frames show several slices at several times: they are not one loop")
    if (np.diff(times) < 0).any():
        raise ReadError("the frames are stored in another order than that of their times (TemporalPositionIndex)")
    if len(set(times)) == 1 and (steps < -SAME_PLACE).any() and (steps > SAME_PLACE).any():
        raise ReadError("the frames are slices that are stored in another order than that of their places")


#: Where a spacing is stated, and its keyword in a plain header: in the patient, and at the detector (PS3.3 C.8.19.6).
_SPACINGS = (
    ("ProjectionPixelCalibrationSequence", "ObjectPixelSpacingInCenterOfBeam", "PixelSpacing"),
    ("PixelMeasuresSequence", "PixelSpacing", "PixelSpacing"),
    ("FramePixelDataPropertiesSequence", "ImagerPixelSpacing", "ImagerPixelSpacing"),
)


def _plain(file: DicomFile) -> DicomFile:
    """The file with the pixel spacing of its first frame, and its window where its header has none."""
    group, shared = _groups(file)[0]
    window = _window(group, shared)
    for sequence, keyword, plain in _SPACINGS:
        spacing = _numbers(macro(group, shared, sequence), keyword, 2, file.notes)
        if spacing is not None:
            setattr(file.header, plain, [str(value)[:16] for value in spacing])
    if window is not None and not file.has("WindowCenter"):
        file.header.WindowCenter, file.header.WindowWidth = (str(value)[:16] for value in window[:2])
        file.header.VOILUTFunction = window[2]
    return replace(file, items=dict(file.header.items()))
