"""A mask as a DICOM segmentation object on the frames of its source series, written by highdicom."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import SecondaryCaptureImageStorage, XRayAngiographicImageStorage, XRayRadiofluoroscopicImageStorage

from scantune.io import geometry
from scantune.io.arrays import Options, SeriesRule, Volume, VolumeRule
from scantune.io.dicom_reading import stacks_of
from scantune.io.dicom_sr import Origin, save_derived, source_header
from scantune.io.dicom_stack import Frame
from scantune.io.dicom_writer import line, uid
from scantune.mask_codes import pixels_by_label, plane
from scantune.records import ScantuneError


class NoSlices(ScantuneError):
    """A series whose slices are parts of larger images, so that no DICOM SEG can refer to them."""


def write_segmentation(
    path: Path | str,
    mask: Volume,
    source: Path,
    labels: Mapping[int, str],
    origin: Origin,
    *,
    series: SeriesRule | None = None,
    volume: VolumeRule | None = None,
    overlapping: bool = False,
) -> Path:
    """Write a mask of a series as DICOM SEG (binary), each frame tied to the slice that it lies on.

    Args:
        path: of the file.
        mask: whole numbers on the very grid that `read` gives for the series.
        source: the folder of the series, or an enhanced file.
        labels: what each value but 0 stands for; one that names a term of SNOMED CT gets its code.
        origin: the model that the mask comes from.
        series: which series of the folder.
        volume: which volume of the series.
        overlapping: the mask has a bit for each label (:mod:`scantune.mask_codes`).

    Raises:
        ScantuneError: the mask lies on another grid, or has a value without a label, or none.
        NoSlices: the series is a mosaic or a dose grid.
        ReadError: the series cannot be read.
    """
    options = Options(kind="volume", series=series, volume=volume)
    stack = stacks_of(source, options)[0]
    orientation = geometry.orientation_of(stack.affine)
    first = stack.frames[0]
    shape = (first.columns, first.rows, len(stack.frames))
    _check_grid(mask, geometry.to_ras(stack.affine, shape, orientation), shape, orientation)
    stored = geometry.stored_order(mask.array, orientation).transpose(2, 1, 0)  # i j k -> slice, row, column
    files = list(dict.fromkeys(frame.source.path for frame in stack.frames))
    images = [source_header(file) for file in files]
    place: dict[str, Any] = {}
    frames: Sequence[Frame] = ()
    if len(files) < len(stack.frames):  # frames of larger files, or tiles of a mosaic: they lie where we say
        if "PerFrameFunctionalGroupsSequence" not in images[0]:
            raise NoSlices("a mosaic or dose grid holds no slices that a segmentation could refer to")
        frames, place = stack.frames, _placed(stack.frames)
        for image in images:
            _share_geometry(image, place)
    segmentation = _segmentation(images, stored, labels, place, origin, overlapping=overlapping)
    _refer(segmentation, frames)
    return save_derived(segmentation, Path(path), images[0], origin.seed)


def write_image_segmentation(
    path: Path | str,
    mask: np.ndarray,
    source: Path,
    labels: Mapping[int, str],
    origin: Origin,
    *,
    overlapping: bool = False,
) -> Path:
    """As `write_segmentation`, of a still image (XA, US, CR, DX …) on its own pixels.

    Args:
        path: of the file.
        mask: whole numbers [H, W] of the image's size.
        source: the image.
        labels: what each value but 0 stands for.
        origin: the model that the mask comes from.
        overlapping: the mask has a bit for each label.

    Raises:
        ScantuneError: the mask is of another size, or has a value without a label, or none.
    """
    image = source_header(source)
    own_class = str(image.SOPClassUID)
    if own_class in _OF_SEVERAL_FRAMES:
        image.SOPClassUID = SecondaryCaptureImageStorage
    if mask.shape != (image.Rows, image.Columns):
        raise ScantuneError(f"the mask is {list(mask.shape)}, the image [{image.Rows}, {image.Columns}]")
    segmentation = _segmentation([image], mask[None], labels, {}, origin, overlapping)
    for element in segmentation.iterall():
        if own_class in _OF_SEVERAL_FRAMES and element.keyword == "ReferencedSOPClassUID":
            element.value = own_class
    return save_derived(segmentation, Path(path), image, origin.seed)


#: Storage classes that highdicom takes for enhanced ones: their stills are written as of another class, whose name is
#: then put right.
_OF_SEVERAL_FRAMES = (XRayAngiographicImageStorage, XRayRadiofluoroscopicImageStorage)


def _placed(frames: Sequence[Frame]) -> dict[str, Any]:
    """Planes in highdicom's words."""
    first = frames[0]
    assert first.orientation is not None
    assert first.spacing is not None
    normal = np.cross(first.orientation[:3], first.orientation[3:])
    step = abs(float(np.dot(frames[-1].position - first.position, normal))) / (len(frames) - 1)  # type: ignore[operator]
    return {
        "plane_positions": [
            hd.PlanePositionSequence(hd.CoordinateSystemNames.PATIENT, [float(v) for v in frame.position])  # type: ignore[union-attr]
            for frame in frames
        ],
        "plane_orientation": hd.PlaneOrientationSequence(
            hd.CoordinateSystemNames.PATIENT, [float(v) for v in first.orientation]
        ),
        "pixel_measures": hd.PixelMeasuresSequence(
            pixel_spacing=list(first.spacing), slice_thickness=step, spacing_between_slices=step
        ),
    }


def _share_geometry(image: pydicom.Dataset, place: Mapping[str, Any]) -> None:
    """Spacing and orientation in the shared groups, where highdicom looks for them: scanners state them by frame."""
    if not image.get("SharedFunctionalGroupsSequence"):
        image.SharedFunctionalGroupsSequence = [pydicom.Dataset()]
    shared = image.SharedFunctionalGroupsSequence[0]
    for keyword, name in (
        ("PixelMeasuresSequence", "pixel_measures"),
        ("PlaneOrientationSequence", "plane_orientation"),
    ):
        if keyword not in shared:
            setattr(shared, keyword, place[name])


def _refer(segmentation: Any, frames: Sequence[Frame]) -> None:
    """Each frame refers to the one of the source that it was drawn on: highdicom takes the first at its place, which
    may be of another volume."""
    if not frames:
        return
    places = np.array([frame.position for frame in frames])
    for group in segmentation.PerFrameFunctionalGroupsSequence:
        position = np.array([float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient])
        frame = frames[int(np.argmin(np.linalg.norm(places - position, axis=1)))]
        for derivation in group.get("DerivationImageSequence", []):
            for item in derivation.SourceImageSequence:
                item.ReferencedSOPInstanceUID = frame.source.text("SOPInstanceUID")
                item.ReferencedFrameNumber = frame.number


def _segmentation(
    images: list[pydicom.Dataset],
    stored: np.ndarray,
    labels: Mapping[int, str],
    place: Mapping[str, Any],
    origin: Origin,
    overlapping: bool = False,
) -> Any:
    """A mask in stored order [slice, row, column] on its images, as highdicom's object."""
    values = sorted(pixels_by_label(stored.astype(np.uint8), overlapping))
    unknown = [value for value in values if value not in labels]
    if not values:
        raise ScantuneError("the mask is empty: nothing was marked, and a DICOM SEG holds what is")
    if unknown:
        raise ScantuneError(f"the mask has the values {values}; labels are given for {sorted(labels)}")
    planes = np.stack([plane(stored.astype(np.uint8), value, overlapping) for value in values], axis=-1).astype(
        np.uint8
    )  # slice, row, column, K
    algorithm = hd.AlgorithmIdentificationSequence(
        name=origin.model, family=codes.DCM.ArtificialIntelligence, version=origin.version
    )
    segments = [
        hd.seg.SegmentDescription(
            segment_number=at + 1,
            segment_label=line(labels[value]),
            segmented_property_category=Code("123037004", "SCT", "Anatomical Structure"),
            segmented_property_type=property_code(labels[value], value),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=uid(origin.seed, "label", value),
            tracking_id=f"label-{value}",  # by which the mask comes back with the same numbers
        )
        for at, value in enumerate(values)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd values in the source's own header
        return hd.seg.Segmentation(
            source_images=images,
            pixel_array=planes,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=segments,
            series_instance_uid=uid(origin.seed, "segmentation series"),
            series_number=901,
            series_description=f"scantune {origin.model}"[:64],
            sop_instance_uid=uid(origin.seed, "segmentation"),
            instance_number=1,
            manufacturer="scantune",
            manufacturer_model_name=origin.model[:64],
            software_versions=origin.version[:64],
            device_serial_number="none",
            **place,
        )


def property_code(label: str, value: int) -> Code:
    """The code of SNOMED CT whose name a label is ("blood vessel", "Liver"), else one of our own."""
    keyword = "".join(word[:1].upper() + word[1:] for word in re.findall(r"[A-Za-z]+", label))
    if keyword and hasattr(codes.SCT, keyword):
        return getattr(codes.SCT, keyword)
    return Code(f"label-{value}"[:16], "99SCANTUNE", line(label))


def _check_grid(mask: Volume, affine: np.ndarray, shape: Sequence[int], orientation: geometry.Orientation) -> None:
    expected = tuple(shape[axis] for axis in orientation.source)[::-1]
    if mask.array.shape != expected:
        raise ScantuneError(f"the mask is {list(mask.array.shape)}, the series {list(expected)} (D, H, W)")
    distance = geometry.corner_distance(mask.affine, affine, expected[::-1])
    if distance > 0.1 * min(mask.spacing):
        raise ScantuneError(f"the mask's grid lies {distance:.3g} mm from that of the series")
