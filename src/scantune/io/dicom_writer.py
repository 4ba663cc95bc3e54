"""DICOM files written: series, enhanced multi-frame, stills. The same arguments give the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import get_encoder
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from scantune.io import geometry
from scantune.io.arrays import Volume
from scantune.records import ScantuneError

Plane = Literal["axial", "coronal", "sagittal"]
#: Letters of the directions in which columns, rows and slices of a plane run, in DICOM's usual way.
PLANES: dict[str, str] = {"axial": "LPS", "coronal": "LIP", "sagittal": "PIL"}
SYNTAXES: dict[str, UID] = {
    "none": ExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg-ls": JPEGLSLossless,
    "jpeg2000": JPEG2000Lossless,
}
SOP_CLASSES: dict[str, str] = {
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "XA": "1.2.840.10008.5.1.4.1.1.12.1",
    "enhanced MR": "1.2.840.10008.5.1.4.1.1.4.1",
    "enhanced CT": "1.2.840.10008.5.1.4.1.1.2.1",
    "US cine": "1.2.840.10008.5.1.4.1.1.3.1",
}
_MODALITY_ITEMS: dict[str, dict[str, Any]] = {
    "MR": {
        "ImageType": ["DERIVED", "SECONDARY", "OTHER"],
        "ScanningSequence": "GR",
        "SequenceVariant": "NONE",
        "ScanOptions": "",
        "MRAcquisitionType": "3D",
        "RepetitionTime": None,
        "EchoTime": None,
        "EchoTrainLength": None,
    },
    "CT": {"ImageType": ["DERIVED", "SECONDARY", "AXIAL"], "KVP": None, "AcquisitionNumber": None},
}


@cache
def compressions() -> tuple[str, ...]:
    """The names in `SYNTAXES` that can be written here: JPEG-LS has no encoder for Python 3.14 that is built."""
    return tuple(name for name, syntax in SYNTAXES.items() if name == "none" or get_encoder(syntax).is_available)


def uid(seed: str, *words: object) -> str:
    """A UID (2.25., PS3.5 B.2) that depends on the seed and the words alone."""
    text = "\x1f".join([seed, *(str(word) for word in words)])
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
    number = number & ~(0xF << 76) | 0x8 << 76  # version 8 of RFC 9562: a custom one
    return f"2.25.{number & ~(0x3 << 62) | 0x2 << 62}"


def line(text: str) -> str:
    """A text as the long string of DICOM (LO) has it: 64 characters, without control characters and the backslash, by
    which values are separated."""
    return "".join(letter if letter.isprintable() and letter != "\\" else " " for letter in text)[:64]


def base_dataset(sop_class: str, *, patient_id: str, seed: str, modality: str, instance: int = 1) -> Dataset:
    """A data set with what every image has: patient, study, series and instance, without a date or time."""
    dataset = Dataset()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(uid(seed, "instance", instance))
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(uid("scantune", "implementation"))
    meta.ImplementationVersionName = "SCANTUNE"
    dataset.file_meta = meta
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID, dataset.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID = patient_id, patient_id
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid(seed, "study"), uid(seed, "series")
    dataset.FrameOfReferenceUID = uid(seed, "frame of reference")
    dataset.Modality, dataset.Manufacturer = modality, "scantune"
    dataset.SeriesNumber, dataset.InstanceNumber = 1, instance
    empty = (
        "StudyDate StudyTime AccessionNumber ReferringPhysicianName PatientBirthDate PatientSex StudyID "
        "PositionReferenceIndicator PatientOrientation"
    )
    for keyword in empty.split(" "):
        setattr(dataset, keyword, "")
    return dataset


def save(dataset: Dataset, path: Path, tags: Mapping[str, Any] | None = None, compression: str = "none") -> Path:
    """Write a data set as a DICOM file, the caller's header items (by keyword) last.

    Raises:
        ScantuneError: for a keyword that DICOM does not have, or a compression that cannot be written here.
    """
    for keyword, value in (tags or {}).items():
        if pydicom.datadict.tag_for_keyword(keyword) is None:
            raise ScantuneError(f"DICOM has no header item {keyword!r}")
        setattr(dataset, keyword, value)
    if compression not in compressions():
        raise ScantuneError(f"compression {compression!r} is not one of {', '.join(compressions())}")
    if compression != "none":
        dataset.compress(SYNTAXES[compression], generate_instance_uid=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def set_pixels(
    dataset: Dataset, pixels: np.ndarray, *, bits: int | None = None, photometric: str = "MONOCHROME2"
) -> None:
    """Grey pixels [H, W] or [T, H, W] (uint8, uint16, int16) or RGB [H, W, 3] or [T, H, W, 3] (uint8), uncompressed."""
    if pixels.dtype not in (np.uint8, np.uint16, np.int16):
        raise ScantuneError(f"pixels of dtype {pixels.dtype} cannot be written; uint8, uint16 and int16 can")
    allocated = pixels.dtype.itemsize * 8
    colour = photometric == "RGB"
    dataset.SamplesPerPixel = 3 if colour else 1
    dataset.PhotometricInterpretation = photometric
    if colour:
        dataset.PlanarConfiguration = 0
    shape = pixels.shape[:-1] if colour else pixels.shape
    if len(shape) == 3:
        dataset.NumberOfFrames = shape[0]
    dataset.Rows, dataset.Columns = shape[-2:]
    dataset.BitsAllocated, dataset.BitsStored = allocated, bits or allocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    raw = np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder("<"), copy=False)).tobytes()
    dataset["PixelData"] = pydicom.DataElement(
        0x7FE00010, "OW" if allocated > 8 else "OB", raw + b"\0" * (len(raw) % 2)
    )


def number(value: float) -> str:
    """A decimal string of at most 16 characters (PS3.5, DS), as exact as fits."""
    for digits in range(15, 4, -1):
        text = f"{value:.{digits}g}"
        if len(text) <= 16:
            return text
    return f"{value:.5g}"


def stored_slices(volume: Volume, plane: str) -> tuple[np.ndarray, np.ndarray]:
    """A volume's voxels as a plane's slices [slice, row, column] and the LPS affine of (column, row, slice).

    The slices are the volume's own grid; an oblique affine stays oblique.
    """
    if plane not in PLANES:
        raise ScantuneError(f"plane {plane!r} is not one of {', '.join(PLANES)}")
    array, affine = volume.array.transpose(2, 1, 0), volume.affine  # D H W -> i j k (R A S)
    axes, columns, origin = [], [], affine[:3, 3].copy()
    for letter in PLANES[plane]:
        axis = {"L": 0, "R": 0, "A": 1, "P": 1, "I": 2, "S": 2}[letter]
        axes.append(axis)
        against = letter in "LPI"
        column = affine[:3, axis]
        if against:
            origin += column * (array.shape[axis] - 1)
            array = np.flip(array, axis)
        columns.append(-column if against else column)
    turned = np.eye(4)
    turned[:3, :3] = np.stack(columns, axis=1)
    turned[:3, 3] = origin
    return array.transpose(axes[2], axes[1], axes[0]), geometry.LPS_TO_RAS @ turned


def quantised(slices: np.ndarray, rescale: str) -> list[tuple[np.ndarray, float, float]]:
    """Slices to int16 with the slope and intercept of each.

    Args:
        slices: [slice, row, column].
        rescale: "none" (values are rounded to whole numbers), "series" (one slope for all) or "slice" (one each).
    """
    if rescale == "none":
        if slices.min() < -32768 or slices.max() > 32767:
            raise ScantuneError("values beyond 16 bits need rescale='series' or 'slice'")
        return [(np.rint(one).astype(np.int16), 1.0, 0.0) for one in slices]
    if rescale not in ("series", "slice"):
        raise ScantuneError(f"rescale {rescale!r} is not one of none, series, slice")
    result = []
    for one in slices:
        reference = slices if rescale == "series" else one
        low, high = float(reference.min()), float(reference.max())
        slope = float(number(max((high - low) / 65000, 1e-6)))
        intercept = float(number((low + high) / 2))
        result.append((np.rint((one.astype(np.float64) - intercept) / slope).astype(np.int16), slope, intercept))
    return result


def write_dicom_series(
    folder: Path | str,
    volume: Volume,
    *,
    patient_id: str,
    seed: str,
    modality: Literal["MR", "CT"] = "MR",
    plane: Plane = "axial",
    rescale: Literal["none", "series", "slice"] = "none",
    compression: str = "none",
    tags: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write a volume as one DICOM series, a file a slice.

    Args:
        folder: made if need be; files are 0001.dcm and on.
        volume: its affine may be oblique, not sheared.
        patient_id: in the header as patient id and name.
        seed: all UIDs follow from it.
        modality: MR or CT.
        plane: that the slices are cut in.
        rescale: how values become 16-bit integers; see `quantised`.
        compression: one of `compressions()`.
        tags: further header items by keyword, such as SeriesDescription.

    Returns:
        The files, in the order of the slices.
    """
    slices, affine = stored_slices(volume, plane)
    spacing = geometry.spacing_of(affine)
    cosines = affine[:3, :3] / spacing
    paths = []
    for at, (pixels, slope, intercept) in enumerate(quantised(slices, rescale)):
        dataset = base_dataset(
            SOP_CLASSES[modality], patient_id=patient_id, seed=seed, modality=modality, instance=at + 1
        )
        for keyword, value in _MODALITY_ITEMS[modality].items():
            setattr(dataset, keyword, value)
        dataset.ImagePositionPatient = [number(v) for v in affine[:3, 3] + at * affine[:3, 2]]
        dataset.ImageOrientationPatient = [number(v) for v in [*cosines[:, 0], *cosines[:, 1]]]
        dataset.PixelSpacing = [number(spacing[1]), number(spacing[0])]
        dataset.SliceThickness = number(spacing[2])
        set_pixels(dataset, pixels)
        if modality == "CT" or rescale != "none":
            dataset.RescaleSlope, dataset.RescaleIntercept = number(slope), number(intercept)
            dataset.RescaleType = "HU" if modality == "CT" else "US"
        paths.append(save(dataset, Path(folder) / f"{at + 1:04d}.dcm", tags, compression))
    return paths


def write_enhanced(
    path: Path | str,
    volume: Volume,
    *,
    patient_id: str,
    seed: str,
    modality: Literal["MR", "CT"] = "MR",
    plane: Plane = "axial",
    rescale: Literal["none", "series", "slice"] = "none",
    compression: str = "none",
    tags: Mapping[str, Any] | None = None,
) -> Path:
    """Write a volume as one enhanced multi-frame file; arguments as for `write_dicom_series`."""
    slices, affine = stored_slices(volume, plane)
    spacing = geometry.spacing_of(affine)
    cosines = affine[:3, :3] / spacing
    stored = quantised(slices, rescale)
    dataset = base_dataset(SOP_CLASSES[f"enhanced {modality}"], patient_id=patient_id, seed=seed, modality=modality)
    dataset.ImageType = ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    measures, plane_item = Dataset(), Dataset()
    measures.PixelSpacing = [number(spacing[1]), number(spacing[0])]
    measures.SliceThickness = number(spacing[2])
    plane_item.ImageOrientationPatient = [number(v) for v in [*cosines[:, 0], *cosines[:, 1]]]
    shared = Dataset()
    shared.PixelMeasuresSequence = DicomSequence([measures])
    shared.PlaneOrientationSequence = DicomSequence([plane_item])
    dataset.SharedFunctionalGroupsSequence = DicomSequence([shared])
    groups = [
        _frame_group(affine[:3, 3] + at * affine[:3, 2], at, slope, intercept)
        for at, (_, slope, intercept) in enumerate(stored)
    ]
    dataset.PerFrameFunctionalGroupsSequence = DicomSequence(groups)
    set_pixels(dataset, np.stack([pixels for pixels, _, _ in stored]))
    return save(dataset, Path(path), tags, compression)


def _frame_group(position: np.ndarray, at: int, slope: float, intercept: float) -> Dataset:
    place, content, values, group = Dataset(), Dataset(), Dataset(), Dataset()
    place.ImagePositionPatient = [number(v) for v in position]
    content.StackID, content.InStackPositionNumber, content.DimensionIndexValues = "1", at + 1, [1, at + 1]
    values.RescaleSlope, values.RescaleIntercept, values.RescaleType = number(slope), number(intercept), "US"
    group.FrameContentSequence = DicomSequence([content])
    group.PlanePositionSequence = DicomSequence([place])
    group.PixelValueTransformationSequence = DicomSequence([values])
    return group


def write_dicom_image(
    path: Path | str,
    pixels: np.ndarray,
    *,
    patient_id: str,
    seed: str,
    modality: Literal["CR", "DX", "XA", "US", "CT", "MR"] = "DX",
    bits: int | None = None,
    photometric: Literal["MONOCHROME1", "MONOCHROME2", "RGB"] = "MONOCHROME2",
    spacing: tuple[float, float] | None = None,
    window: tuple[float, float] | None = None,
    compression: str = "none",
    tags: Mapping[str, Any] | None = None,
) -> Path:
    """Write one picture.

    Args:
        path: of the file.
        pixels: [H, W] uint8, uint16 or int16, or [H, W, 3] uint8 with photometric RGB; stored as they are
            (MONOCHROME1 is stated, not inverted here).
        patient_id: in the header as patient id and name.
        seed: all UIDs follow from it.
        modality: decides the SOP class.
        bits: stored bits, where fewer than allocated (12).
        photometric: MONOCHROME1, MONOCHROME2 or RGB.
        spacing: (row, column) in mm: at the detector for CR, DX and XA.
        window: (center, width).
        compression: one of `compressions()`.
        tags: further header items by keyword.
    """
    if modality not in SOP_CLASSES:
        raise ScantuneError(f"modality {modality!r} is not one of CR, DX, XA, US, CT, MR")
    if bits is not None and pixels.size and int(pixels.max()) >> bits:
        raise ScantuneError(f"a pixel of {int(pixels.max())} does not fit in {bits} bits")
    dataset = base_dataset(SOP_CLASSES[modality], patient_id=patient_id, seed=seed, modality=modality)
    dataset.ImageType = ["DERIVED", "PRIMARY"]
    set_pixels(dataset, pixels, bits=bits, photometric=photometric)
    if modality == "CT":
        dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", "0", "US"
    if spacing is not None:
        keyword = "ImagerPixelSpacing" if modality in ("CR", "DX", "XA") else "PixelSpacing"
        setattr(dataset, keyword, [number(value) for value in spacing])
    if window is not None:
        dataset.WindowCenter, dataset.WindowWidth = (number(value) for value in window)
    return save(dataset, Path(path), tags, compression)
