"""A mask as a DICOM segmentation object on the frames of its source series, written by highdicom."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from scantune.io import geometry
from scantune.io.arrays import Options, SeriesRule, Volume
from scantune.io.dicom_apart import choose
from scantune.io.dicom_choice import choose_series
from scantune.io.dicom_series import frames_of, scan
from scantune.io.dicom_sr import save_derived
from scantune.io.dicom_writer import uid
from scantune.records import ScantuneError


def write_segmentation(
    path: Path | str,
    mask: Volume,
    source: Path,
    labels: Mapping[int, str],
    *,
    model: str,
    version: str,
    seed: str,
    series: SeriesRule | None = None,
) -> Path:
    """Write a mask of a series as DICOM SEG (binary), each frame tied to the slice that it lies on.

    Args:
        path: of the file.
        mask: whole numbers on the very grid that `read` gives for the series.
        source: the folder of the series.
        labels: what each value but 0 stands for.
        model: name of the model.
        version: of the model.
        seed: the UIDs follow from it.
        series: which series of the folder.

    Raises:
        ScantuneError: the mask lies on another grid, or has a value without a label, or none.
        ReadError: the series cannot be read.
    """
    options = Options(kind="volume", series=series)
    files = choose_series(scan(source, options, Counter()), series)
    (stack,) = choose(frames_of(files, options), options, [])
    orientation = geometry.orientation_of(stack.affine)
    first = stack.frames[0]
    shape = (first.columns, first.rows, len(stack.frames))
    _check_grid(mask, geometry.to_ras(stack.affine, shape, orientation), shape, orientation)
    values = [int(value) for value in np.unique(mask.array) if value != 0]
    unknown = [value for value in values if value not in labels]
    if unknown or not values:
        raise ScantuneError(f"the mask has the values {values or [0]}; labels are given for {sorted(labels)}")
    stored = stored_order(mask.array, orientation)
    images = [pydicom.dcmread(frame.source.path, stop_before_pixels=True) for frame in stack.frames]
    planes = np.stack([stored == value for value in values], axis=-1).astype(np.uint8)  # slice, row, column, K
    algorithm = hd.AlgorithmIdentificationSequence(name=model, family=codes.DCM.ArtificialIntelligence, version=version)
    segments = [
        hd.seg.SegmentDescription(
            segment_number=at + 1,
            segment_label=labels[value][:64],
            segmented_property_category=Code("123037004", "SCT", "Anatomical Structure"),
            segmented_property_type=Code(f"label-{value}"[:16], "99SCANTUNE", labels[value][:64]),
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for at, value in enumerate(values)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd values in the source's own header
        segmentation = hd.seg.Segmentation(
            source_images=images,
            pixel_array=planes,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=segments,
            series_instance_uid=uid(seed, "segmentation series"),
            series_number=901,
            sop_instance_uid=uid(seed, "segmentation"),
            instance_number=1,
            manufacturer="scantune",
            manufacturer_model_name=model[:64],
            software_versions=version[:64],
            device_serial_number="none",
        )
    return save_derived(segmentation, Path(path), images[0], seed)


def stored_order(array: np.ndarray, orientation: geometry.Orientation) -> np.ndarray:
    """An array in RAS+ order [D, H, W] as the slices it came from [slice, row, column]."""
    ras = array.transpose(2, 1, 0)  # D H W -> R A S
    for world in range(3):
        if orientation.flipped[world]:
            ras = np.flip(ras, world)
    columns, rows, slices = (orientation.source.index(axis) for axis in range(3))
    return ras.transpose(slices, rows, columns)


def _check_grid(mask: Volume, affine: np.ndarray, shape: Sequence[int], orientation: geometry.Orientation) -> None:
    expected = tuple(shape[axis] for axis in orientation.source)[::-1]
    if mask.array.shape != expected:
        raise ScantuneError(f"the mask is {list(mask.array.shape)}, the series {list(expected)} (D, H, W)")
    distance = geometry.corner_distance(mask.affine, affine, expected[::-1])
    if distance > 0.1 * min(mask.spacing):
        raise ScantuneError(f"the mask's grid lies {distance:.3g} mm from that of the series")
