"""Masks that are objects of their own (DICOM SEG, RTSTRUCT, segmentations of 3D Slicer) on their image's grid."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pydicom

from scantune.io import geometry
from scantune.io.arrays import Limits, Options, Volume
from scantune.io.detect import kind_of
from scantune.io.dicom_choice import digest
from scantune.io.dicom_contours import from_structures
from scantune.io.folders import files_below
from scantune.io.gzipped import gunzipped, is_dicom
from scantune.io.itk import is_segmentation, read_segments
from scantune.io.label_tables import in_object, numbers_of
from scantune.io.mask_grid import PLACED, Placing, is_part, onto_image, refuse_gaps
from scantune.records import ReadError

#: Segmentation Storage, and Label Map Segmentation Storage, which the standard has since 2024.
SEGMENTATIONS = frozenset(("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"))
_RTSTRUCT = "1.2.840.10008.5.1.4.1.1.481.3"
_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])  # DICOM's axes run to left, posterior, superior
_T = TypeVar("_T")


@contextmanager
def plain_object(path: Path) -> Iterator[Path]:
    """The file of a mask: of a folder the only one in it (as TCIA has structure sets), unpacked where it is gzipped
    DICOM."""
    if path.is_dir():
        files = list(islice(files_below(path), 2))
        path = files[0] if len(files) == 1 else path
    if path.is_file() and kind_of(path) == "gzip" and is_dicom(path):
        with gunzipped(path, Limits()) as plain:
            yield plain
    else:
        yield path


def is_mask_object(path: Path) -> bool:
    """Whether a file, or the only one in a folder, is a segmentation (DICOM's or 3D Slicer's) or a structure set."""
    with plain_object(path) as plain:
        kind = kind_of(plain) if plain.is_file() else ""
        if not kind.startswith("dicom"):
            return kind in ("nrrd", "gzip") and is_segmentation(plain)
        header = pydicom.dcmread(plain, stop_before_pixels=True, specific_tags=["SOPClassUID"], force=True)
        return str(header.get("SOPClassUID", "")) in {*SEGMENTATIONS, _RTSTRUCT}


def read_mask_object(path: Path, image: Volume, names: Collection[str] = (), placing: Placing = "part") -> Volume:
    """Labels of a segmentation (its segments' numbers) or structure set (its ROIs' numbers) on an image's grid.

    Args:
        path: a DICOM SEG (binary or label map) or RTSTRUCT file, or a segmentation of 3D Slicer (``.seg.nrrd``);
            :func:`plain_object` names further forms.
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
    with plain_object(path) as plain:
        if kind_of(plain) in ("nrrd", "gzip"):
            return _of_slicer(plain, image, names, placing)
        return _of_dicom(plain, image, names, placing)


def _of_dicom(path: Path, image: Volume, names: Collection[str], placing: Placing) -> Volume:
    def work(dataset: Any) -> Volume:
        facts, numbers = object_facts(path), segment_numbers(dataset, names)
        if str(dataset.get("SOPClassUID", "")) in SEGMENTATIONS:
            mask = _segmentation(dataset, image, numbers, facts, placing)
        else:
            mask = Volume(from_structures(dataset, image, numbers=numbers, facts=facts), image.affine, facts)
        notes = [*_other_origins(dataset, image), *mask.facts.get(PLACED, ())]
        return replace(mask, facts={**mask.facts, PLACED: notes}) if notes else mask

    return guarded(path, work)


def _other_origins(dataset: Any, image: Volume) -> list[str]:
    """Notes that a segmentation names another series, or another space, than its image's."""
    notes, drawn_on, own = [], _series_of(dataset), image.facts.get("series")
    if own and drawn_on and own not in drawn_on:
        notes.append("the segmentation names another series than its image's as the one that it was drawn on")
    structures = dataset.get("StructureSetROISequence") or []
    spaces = {str(dataset.get("FrameOfReferenceUID") or "")} if dataset.get("SegmentSequence") else set()
    spaces |= {str(one.get("ReferencedFrameOfReferenceUID") or "") for one in structures}
    space = image.facts.get("frame_of_reference")
    if space and any(uid and digest(uid) != space for uid in spaces):
        notes.append("the segmentation names another frame of reference than its image's: its places may be of another")
    return notes


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
