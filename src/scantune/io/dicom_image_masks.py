"""DICOM SEG and RTSTRUCT as labels on the pixels of a still image or a loop."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom

from scantune.io.arrays import Image, Limits, Options, SeriesRule, Volume
from scantune.io.detect import kind_of
from scantune.io.dicom_choice import choose_series
from scantune.io.dicom_contours import from_structures
from scantune.io.dicom_masks import (
    SEGMENTATIONS,
    guarded,
    object_facts,
    plain_object,
    read_mask_object,
    segment_numbers,
    values_by_segment,
)
from scantune.io.dicom_series import scan
from scantune.io.gzipped import gunzipped, is_dicom
from scantune.io.itk import read_segments
from scantune.records import ReadError

_WORDS = """
SOPInstanceUID Rows Columns NumberOfFrames ImagePositionPatient ImageOrientationPatient PixelSpacing SliceThickness
FrameOfReferenceUID
"""
_TAGS = _WORDS.split()
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_image_mask(
    path: Path, source: Path, *, frames: bool = False, series: SeriesRule | None = None, names: Collection[str] = ()
) -> Image:
    """Labels of a segmentation (its segments' numbers) or structure set (its ROIs' numbers) on an image's pixels.

    A segmentation must refer to the image, or to one of its frames; one that refers to nothing, and a structure set,
    must lie on its plane in the patient. Contours that refer to other images or frames are not of this one.

    Args:
        path: a DICOM SEG (binary or label map) or RTSTRUCT file, or a segmentation of 3D Slicer of one slice.
        source: the DICOM image or loop that it belongs to, or a folder of it.
        frames: the image is a loop.
        series: which series of the folder.
        names: of the segments or structures to read, all without any.

    Returns:
        uint16 [1, H, W], or [T, H, W] of a loop whose frames the mask names: those that it does not name are 0.

    Raises:
        ReadError: it belongs to another image, is of another size, its segments overlap, or it is fractional.
    """
    with plain_object(path) as plain:
        if kind_of(plain) in ("nrrd", "gzip"):
            return _of_slicer(plain, names, frames)
        return _of_dicom(plain, source, frames, series, names)


def _of_dicom(path: Path, source: Path, frames: bool, series: SeriesRule | None, names: Collection[str]) -> Image:
    header, facts = _header(source, series), object_facts(path)

    def work(dataset: Any) -> np.ndarray:
        if str(dataset.get("SOPClassUID", "")) not in SEGMENTATIONS:
            return _structures(dataset, header, frames, segment_numbers(dataset, names), facts)
        if str(dataset.SegmentationType) == "FRACTIONAL":
            raise ReadError("a fractional segmentation: its values are probabilities, not labels")
        return _pixels(dataset, header, frames, segment_numbers(dataset, names))

    if str(pydicom.dcmread(path, specific_tags=["SOPClassUID"], force=True).get("SOPClassUID", "")) in SEGMENTATIONS:
        named = _refers(path, str(header.SOPInstanceUID))
        if named is None and not frames:
            mask = read_mask_object(path, _plane(header), names)
            return Image(mask.array, None, mask.facts)
        if not named:
            raise ReadError("the segmentation is one of another image", str(path))
    return Image(guarded(path, work), None, facts)


def _of_slicer(path: Path, names: Collection[str], frames: bool) -> Image:
    """Segments of 3D Slicer in one slice, shown as an image of that slice is."""
    if frames:
        raise ReadError("a segmentation of 3D Slicer marks a slice or a volume, not a loop", str(path))
    mask = read_segments(path, names, Options(kind="image", labels=True, allow_constant=True))
    assert isinstance(mask, Image)
    return mask


def _header(source: Path, series: SeriesRule | None) -> Any:
    """What a mask needs to know of its image."""
    if source.is_dir():
        chosen = choose_series(scan(source, Options(), Counter()), series)
        if len(chosen) != 1:
            raise ReadError(f"a series of {len(chosen)} DICOM files is not one image")
        source = chosen[0].path
    kind = kind_of(source)
    if kind == "gzip" and is_dicom(source):
        with gunzipped(source, Limits()) as plain:
            return pydicom.dcmread(plain, stop_before_pixels=True, specific_tags=_TAGS)
    if not kind.startswith("dicom"):
        raise ReadError("a DICOM segmentation marks a DICOM image, and its image is none", str(source))
    return pydicom.dcmread(source, stop_before_pixels=True, specific_tags=_TAGS, force=True)


def _refers(path: Path, instance: str) -> bool | None:
    """Whether a segmentation refers to an instance; None where it refers to none at all."""
    dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    named = {uid for _, _, references in _described(dataset) for uid, _ in references}
    return instance in named if named else None


def _described(dataset: Any) -> Iterator[tuple[int, int | None, list[tuple[str, tuple[int, ...]]]]]:
    """Of each frame its index, its segment (None in a label map) and the instances with frames that it refers to."""
    listed: list[tuple[str, tuple[int, ...]]] = [
        (str(item.ReferencedSOPInstanceUID), ())
        for series in dataset.get("ReferencedSeriesSequence", [])
        for item in series.get("ReferencedInstanceSequence", [])
    ]
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    for at, group in enumerate(dataset.get("PerFrameFunctionalGroupsSequence", [])):
        segment = _first(group, shared, "SegmentIdentificationSequence").get("ReferencedSegmentNumber")
        derived = group.get("DerivationImageSequence") or shared.get("DerivationImageSequence") or []
        references = [
            (str(item.ReferencedSOPInstanceUID), _numbers(item.get("ReferencedFrameNumber")))
            for derivation in derived
            for item in derivation.get("SourceImageSequence", [])
        ]
        yield at, None if segment is None else int(segment), references or (listed if len(listed) == 1 else [])


def _first(group: Any, shared: Any, keyword: str) -> Any:
    return (group.get(keyword) or shared.get(keyword) or [pydicom.Dataset()])[0]


def _numbers(value: Any) -> tuple[int, ...]:
    if value is None or value == "":
        return ()
    return tuple(int(one) for one in value) if hasattr(value, "__iter__") else (int(value),)


def _pixels(dataset: Any, header: Any, frames: bool, numbers: Collection[int] | None) -> np.ndarray:
    """Frame by frame, those that refer to the image."""
    shape = int(header.Rows), int(header.Columns)
    if (int(dataset.Rows), int(dataset.Columns)) != shape:
        raise ReadError(
            f"the segmentation is {dataset.Rows}×{dataset.Columns} where its image is {shape[0]}×{shape[1]}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd values in the header
        stored = dataset.pixel_array.reshape(-1, *shape)
    described = [entry for entry in _described(dataset) if any(uid == header.SOPInstanceUID for uid, _ in entry[2])]
    n_frames = int(header.get("NumberOfFrames") or 1)
    by_frame = frames and any(numbers for _, _, references in described for _, numbers in references)
    labels = np.zeros((n_frames if by_frame else 1, *shape), np.uint16)
    values = values_by_segment(dataset)
    for at, segment, references in described:
        if numbers is not None and segment is not None and segment not in numbers:
            continue
        marked = stored[at] if segment is None else (stored[at] > 0) * np.uint16(segment)
        if numbers is not None:
            marked = marked * np.isin(marked, list(numbers))
        for place in _places([numbers for _, numbers in references], n_frames, by_frame):
            if ((labels[place] > 0) & (marked > 0)).any():
                raise ReadError("segments overlap, so no voxel's label is certain")
            labels[place] += marked.astype(np.uint16)
    return values[labels]


def _structures(
    dataset: Any, header: Any, frames: bool, numbers: Collection[int] | None, facts: dict[str, Any]
) -> np.ndarray:
    """Contours on the image's plane, those that name frames of a loop on these alone."""
    instance, n_frames = str(header.SOPInstanceUID), int(header.get("NumberOfFrames") or 1)
    contours = [one for item in dataset.get("ROIContourSequence", []) for one in item.get("ContourSequence", [])]
    referring = [_contour_frames(contour, instance) for contour in contours]
    if contours and all(named is None for named in referring):
        raise ReadError("the structure set is one of another image")
    named = sorted({number for one in referring if one for number in one})
    if any(not 1 <= number <= n_frames for number in named):
        raise ReadError(f"the structure set refers to frame {named[-1]} of an image of {n_frames}")

    def on(frame: int | None) -> np.ndarray:
        def taken(contour: Any) -> bool:
            of = _contour_frames(contour, instance)
            return of is not None and (frame is None or not of or frame in of)

        return from_structures(dataset, _plane(header), False, numbers, taken, facts if frame is None else None)

    if not (frames and named):
        return on(None)
    return np.concatenate([on(frame) for frame in range(1, n_frames + 1)])


def _contour_frames(contour: Any, instance: str) -> tuple[int, ...] | None:
    """Frames that a contour names, () where it names none; None where it is of other images only."""
    items = contour.get("ContourImageSequence") or []
    own = [item for item in items if str(item.get("ReferencedSOPInstanceUID", "")) == instance]
    if items and not own:
        return None
    return tuple(number for item in own for number in _numbers(item.get("ReferencedFrameNumber")))


def _places(named: list[tuple[int, ...]], n_frames: int, by_frame: bool) -> list[int]:
    """Indices of the frames that a frame of the segmentation marks: all where it names none."""
    numbers = sorted({number for one in named for number in one})
    if any(not 1 <= number <= n_frames for number in numbers):
        raise ReadError(f"the segmentation refers to frame {numbers[-1]} of an image of {n_frames}")
    if not by_frame:
        return [0]
    return [number - 1 for number in numbers] or list(range(n_frames))


def _plane(header: Any) -> Volume:
    """The image as a volume of one slice, as it is stored.

    Raises:
        ReadError: it does not state where it lies in the patient.
    """
    geometry = [
        [float(value) for value in header.get(keyword) or []]
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    ]
    if [len(values) for values in geometry] != [3, 6, 2]:
        raise ReadError(
            "its mask lies in the patient's space, and the image does not state its position there: save the mask as a "
            "DICOM segmentation or as pictures"
        )
    position, orientation, spacing = (np.array(values) for values in geometry)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = orientation[:3] * spacing[1], orientation[3:] * spacing[0]
    thickness = float(header.get("SliceThickness") or 0) or float(spacing.min())
    affine[:3, 2] = np.cross(orientation[:3], orientation[3:]) * thickness
    affine[:3, 3] = position
    return Volume(np.zeros((1, int(header.Rows), int(header.Columns)), np.uint8), _TO_RAS @ affine)
