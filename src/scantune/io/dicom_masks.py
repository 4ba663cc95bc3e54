"""Masks that are objects of their own (DICOM SEG, RTSTRUCT, segmentations of 3D Slicer) on their image's grid."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pydicom

from scantune.io import geometry
from scantune.io.arrays import Options, Volume
from scantune.io.detect import kind_of
from scantune.io.dicom_choice import digest
from scantune.io.itk import is_segmentation, read_segments
from scantune.io.label_tables import in_object, numbers_of
from scantune.io.mask_grid import PLACED, Placing, is_part, onto_image, refuse_gaps
from scantune.records import ReadError

#: Segmentation Storage, and Label Map Segmentation Storage, which the standard has since 2024.
SEGMENTATIONS = frozenset(("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"))
_RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM's axes run to left, posterior, superior
_T = TypeVar("_T")
_OFF_SLICE = 0.3  # share of the distance of slices that a contour may lie off its slice


def is_mask_object(path: Path) -> bool:
    """Whether a file is a segmentation (DICOM's or 3D Slicer's) or a structure set."""
    kind = kind_of(path) if path.is_file() else ""
    if not kind.startswith("dicom"):
        return kind in ("nrrd", "gzip") and is_segmentation(path)
    header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"], force=True)
    return str(header.get("SOPClassUID", "")) in {*SEGMENTATIONS, _RTSTRUCT}


def read_mask_object(path: Path, image: Volume, names: Collection[str] = (), placing: Placing = "part") -> Volume:
    """Labels of a segmentation (its segments' numbers) or structure set (its ROIs' numbers) on an image's grid.

    Args:
        path: a DICOM SEG (binary or label map) or RTSTRUCT file, or a segmentation of 3D Slicer (``.seg.nrrd``).
        image: the volume that it belongs to.
        names: of the segments or structures to read, all without any.
        placing: of a segmentation that is not on voxels of the image (:func:`scantune.io.mask_grid.onto_image`).

    Returns:
        uint16 [D, H, W] with the image's affine.

    Raises:
        ReadError: it lies on other voxels or outside of the image, its contours lie between the image's slices, its
            segments overlap, it is fractional, or the image was resampled upright.
    """
    if image.facts.get("upright"):
        raise ReadError(
            "its image is sheared (gantry tilt) and was resampled upright, and the segmentation lies on the voxels of "
            "the file: save it as NIfTI on the grid of the image, which is resampled alike"
        )
    if kind_of(path) in ("nrrd", "gzip"):
        return _of_slicer(path, image, names, placing)

    def work(dataset: Any) -> Volume:
        facts, numbers = object_facts(path), segment_numbers(dataset, names)
        if str(dataset.get("SOPClassUID", "")) in SEGMENTATIONS:
            mask = _segmentation(dataset, image, numbers, facts, placing)
        else:
            mask = Volume(from_structures(dataset, image, numbers=numbers, facts=facts), image.affine, facts)
        drawn_on, own = _series_of(dataset), image.facts.get("series")
        if own and drawn_on and own not in drawn_on:
            mask = replace(mask, facts={**mask.facts, PLACED: [_ANOTHER_SERIES, *mask.facts.get(PLACED, ())]})
        return mask

    return guarded(path, work)


_ANOTHER_SERIES = "the segmentation names another series than its image's as the one that it was drawn on"


def _series_of(dataset: Any) -> list[str]:
    """Digests of the series that a segmentation or structure set refers to."""
    frames = dataset.get("ReferencedFrameOfReferenceSequence") or []
    studies = [study for frame in frames for study in frame.get("RTReferencedStudySequence") or []]
    named = [one for study in studies for one in study.get("RTReferencedSeriesSequence") or []]
    named += dataset.get("ReferencedSeriesSequence") or []
    return [digest(str(one.get("SeriesInstanceUID", ""))) for one in named]


def _of_slicer(path: Path, image: Volume, names: Collection[str], placing: Placing) -> Volume:
    """Segments of 3D Slicer, whose grid may be a part of the image's."""
    mask = read_segments(path, names, Options(kind="volume", labels=True, allow_constant=True, keep_integers=True))
    assert isinstance(mask, Volume)
    return onto_image(mask, image, "part" if is_part(mask, image) else placing)


def segment_numbers(dataset: Any, names: Collection[str]) -> set[int] | None:
    """Numbers of the segments or structures that are named; None where none are, for all of them."""
    if not names:
        return None
    return {number for matching in numbers_of(names, in_object(dataset)).values() for number in matching}


def object_facts(path: Path) -> dict[str, Any]:
    """What is known of a segmentation or structure set: the name of each label, by its number as text."""
    dataset = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    values = values_by_segment(dataset) if dataset.get("SegmentSequence") else np.arange(1 << 16)
    names = {str(int(values[number])): name for number, name in in_object(dataset).items()}
    return {"format": "dicom", "notes": [], "label_names": names}


def guarded(path: Path, work: Callable[[Any], _T]) -> _T:
    """What ``work`` makes of a file's data set; whatever breaks becomes a ReadError."""
    try:
        dataset = pydicom.dcmread(path, force=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd values in the header
            return work(dataset)
    except ReadError:
        raise
    except Exception as error:  # pydicom and highdicom raise anything on objects that break the standard
        raise ReadError(f"the segmentation cannot be read ({type(error).__name__})", f"{path}: {error!r}") from error


def _segmentation(
    dataset: Any, image: Volume, numbers: Collection[int] | None, facts: dict[str, Any], placing: Placing
) -> Volume:
    """Its labels on the image's grid. Segments of ``numbers`` alone, where it is set."""
    import highdicom as hd

    if str(dataset.SegmentationType) == "FRACTIONAL":
        raise ReadError("a fractional segmentation: its values are probabilities, not labels")
    if str(dataset.SegmentationType) == "BINARY" and int(dataset.BitsAllocated) > 1:
        most = int(dataset.pixel_array.max())
        if most > 1:
            raise ReadError(f"a binary segmentation with the value {most}, where 0 and 1 belong")
    segmentation = hd.seg.Segmentation.from_dataset(dataset, copy=False)
    try:
        chosen = None if numbers is None else sorted(numbers)
        volume = segmentation.get_volume(segment_numbers=chosen, combine_segments=True, relabel=False, dtype=np.uint16)
    except RuntimeError as error:
        raise ReadError("segments overlap, so no voxel's label is certain", repr(error)) from error
    values = np.where(volume.array > 0, values_by_segment(dataset)[volume.array], np.uint16(0))
    affine = _TO_RAS @ np.asarray(volume.affine)
    stored = geometry.orientation_of(affine)
    mask = Volume(geometry.ras_order(values, stored), geometry.to_ras(affine, values.shape, stored), facts)
    refuse_gaps(mask, image)
    return onto_image(mask, image, "part" if is_part(mask, image) else placing)


def values_by_segment(dataset: Any) -> np.ndarray:
    """uint16 [65,536]: label of each segment number, the number itself but in segmentations that scantune wrote."""
    values = np.arange(np.iinfo(np.uint16).max + 1, dtype=np.uint16)
    for number, value in _label_values(dataset).items():
        values[number] = value
    return values


def _label_values(dataset: Any) -> dict[int, int]:
    """Segment number to the label that it was written for, of segmentations that scantune wrote."""
    values = {}
    for segment in dataset.SegmentSequence:
        tracked = str(segment.get("TrackingID", "")).removeprefix("label-")
        if dataset.get("Manufacturer") == "scantune" and tracked.isdecimal():
            values[int(segment.SegmentNumber)] = int(tracked)
            continue
        code = segment.SegmentedPropertyTypeCodeSequence[0]
        text = str(code.get("CodeValue", "")).removeprefix("label-")
        if code.get("CodingSchemeDesignator") == "99SCANTUNE" and text.isdecimal():
            values[int(segment.SegmentNumber)] = int(text)
    return values


def from_structures(
    dataset: Any,
    image: Volume,
    strict: bool = True,
    numbers: Collection[int] | None = None,
    taken: Callable[[Any], bool] = lambda contour: True,
    facts: dict[str, Any] | None = None,
) -> np.ndarray:
    """Closed contours filled on their slices: a voxel belongs to a structure whose outlines hold its middle.

    Contours of one structure on one slice that lie within each other are holes (DICOM PS3.3 C.8.8.6.3, XOR); one that
    is there twice is one.

    Args:
        dataset: a structure set.
        image: the grid.
        strict: refuse contours between the grid's slices; else they are of other slices, and passed over.
        numbers: of the structures to read; None for all.
        taken: whether a contour is of the image, where it shares its place with others.
        facts: `mask_grid.PLACED` among them gets the number of contours outside of the grid, which do not count.

    Returns:
        uint16 [D, H, W], numbers of structures.

    Raises:
        ReadError: contours lie between the grid's slices, all of them outside of it, or structures overlap.
    """
    drawn = outside = 0
    labels = np.zeros(image.array.shape, np.uint16)
    to_image = np.linalg.inv(image.affine) @ _TO_RAS
    for structure in dataset.get("ROIContourSequence", []):
        if numbers is not None and int(structure.ReferencedROINumber) not in numbers:
            continue
        inside = np.zeros(labels.shape, bool)
        slices: dict[tuple[int, int], list[np.ndarray]] = defaultdict(list)
        for contour in structure.get("ContourSequence", []):
            kind = str(contour.get("ContourGeometricType", ""))
            if not kind.startswith("CLOSED") or not taken(contour):
                continue  # points and open lines enclose nothing
            points = np.asarray(contour.ContourData, float).reshape(-1, 3) @ to_image[:3, :3].T + to_image[:3, 3]
            if not strict and abs(float(points[:, 2].mean())) > _OFF_SLICE:
                continue
            axis, index = _slice_of(points)
            outline = np.delete(points, axis, axis=1)
            if not any(np.array_equal(outline, other) for other in slices[axis, index]):
                slices[axis, index].append(outline)
        for (axis, index), outlines in slices.items():
            drawn += len(outlines)
            if not 0 <= index < labels.shape[2 - axis]:
                outside += len(outlines)
                continue
            plane = np.moveaxis(inside, 2 - axis, 0)[index]  # the two other axes, the later of W, H, D first
            for outline in outlines:
                outside += _is_beside(outline, (plane.shape[0], plane.shape[1]))
                plane ^= _inside(outline, (plane.shape[0], plane.shape[1]))
        if (labels[inside] > 0).any():
            raise ReadError("structures overlap, so no voxel's label is certain")
        labels[inside] = int(structure.ReferencedROINumber)
    if outside and outside == drawn and strict:
        raise ReadError("its contours lie outside of its image: use the image that they were drawn on")
    if outside and facts is not None:
        facts[PLACED] = [f"{outside} of {drawn} contours lie outside of the image and do not count"]
    return labels


def _is_beside(outline: np.ndarray, shape: tuple[int, int]) -> bool:
    """Whether an outline [N, 2], second axis first, lies outside of a plane of ``shape``."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    return bool((high < -0.5).any() or (low > np.array(shape[::-1]) - 0.5).any())


def _slice_of(points: np.ndarray) -> tuple[int, int]:
    """Axis (0 W, 1 H, 2 D) along which a contour is flat, and its index there."""
    spread = np.ptp(points, axis=0)
    axis = int(np.argmin(spread))
    place = float(points[:, axis].mean())
    if spread[axis] > _OFF_SLICE or abs(place - round(place)) > _OFF_SLICE:
        raise ReadError("contours do not lie on the image's slices")
    return axis, round(place)


def _inside(outline: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """bool ``shape``: middles with an odd number of crossings before them; ``outline`` is [N, 2], second axis first."""
    crossings = np.zeros((shape[0], shape[1] + 1), int)
    rows = np.arange(shape[0])
    for (x0, y0), (x1, y1) in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        at = rows[(y0 <= rows) != (y1 <= rows)]
        x = x0 + (at - y0) * (x1 - x0) / (y1 - y0) if len(at) else np.empty(0)
        np.add.at(crossings, (at, np.clip(np.ceil(x), 0, shape[1]).astype(int)), 1)
    return np.cumsum(crossings, axis=1)[:, :-1] % 2 == 1
