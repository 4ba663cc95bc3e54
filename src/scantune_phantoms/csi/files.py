"""Films as files: 12-bit DICOM, one-slice NIfTI, JPEG; their zone masks; files that are broken on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from scantune import io
from scantune_phantoms.cohort import SYNTHETIC
from scantune_phantoms.csi.detector import Scanner, stored
from scantune_phantoms.csi.film import Film


def write_dicom(path: Path, rng: np.random.Generator, film: Film, scanner: Scanner, tags: dict[str, Any]) -> None:
    """Write a film as DX or CR: 12 of 16 bits, MONOCHROME1 or 2 as the scanner does, with a window.

    Args:
        path: of the file; its stem is all that UIDs depend on.
        rng: of the film's file.
        film: what is shown.
        scanner: that took it.
        tags: PatientID and what else is known of the person.
    """
    inverted = bool(rng.random() < scanner.monochrome1)
    pixels = stored(rng, film.pixels, inverted=inverted)
    low, high = (float(value) for value in np.percentile(pixels, [0.5, 99.5]))
    photometric: Literal["MONOCHROME1", "MONOCHROME2"] = "MONOCHROME1" if inverted else "MONOCHROME2"
    modality: Literal["CR", "DX"] = "CR" if scanner.modality == "CR" else "DX"
    header = {
        "SeriesDescription": "SYNTHETIC chest",
        "ImageComments": SYNTHETIC,
        "BodyPartExamined": "CHEST",
        "ViewPosition": film.view,
        "PatientOrientation": ["L", "F"],
        "Manufacturer": scanner.vendor,
        "ManufacturerModelName": scanner.model,
        "PixelIntensityRelationship": "LOG",
        "PresentationLUTShape": "INVERSE" if inverted else "IDENTITY",
        "BurnedInAnnotation": "NO",
        "RescaleSlope": "1",
        "RescaleIntercept": "0",
        "RescaleType": "US",
    }
    lossless = "jpeg-ls" if "jpeg-ls" in io.compressions() else "jpeg2000"
    io.write_dicom_image(
        path,
        pixels,
        patient_id=tags["PatientID"],
        seed=path.stem,
        modality=modality,
        bits=12,
        photometric=photometric,
        spacing=(10 * scanner.pixel, 10 * scanner.pixel),
        window=((low + high) / 2, max(1.0, high - low)),
        compression=("none", "none", lossless, "rle")[int(rng.integers(4))],
        tags=header | tags,
    )


def write_slice(path: Path, rng: np.random.Generator, film: Film, scanner: Scanner, tags: dict[str, Any]) -> None:
    """Write a film as a NIfTI volume of one coronal slice, in RAS+ as the standard wants it; as `write_dicom`."""
    pixels = stored(rng, film.pixels, inverted=False).astype(np.float32)
    side = 10 * scanner.pixel
    # The picture's first row is superior and its first column the patient's right: H W -> D 1 W
    volume = io.Volume(pixels[::-1, ::-1][:, None, :], np.diag([side, 1.0, side, 1.0]))
    io.write_nifti(path, volume, dtype="int16", description=SYNTHETIC)


def write_jpeg(path: Path, film: Film) -> None:
    """Write a film as 8-bit JPEG, shrunk as CheXpert's small release is."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.rint(255 * film.pixels).astype(np.uint8)
    Image.fromarray(pixels).save(path, format="JPEG", quality=90, comment=SYNTHETIC.encode())


def write_mask(path: Path, film: Film) -> None:
    """Write the zones, 1 to 6, as PNG."""
    io.write_png(path, film.zones)


WRITERS: dict[str, Callable[[Path, np.random.Generator, Film, Scanner, dict[str, Any]], None]] = {
    ".dcm": write_dicom,
    ".nii.gz": write_slice,
}


def _cut_short(path: Path) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) * 2 // 3])


def _without_pixels(path: Path) -> None:
    """Keep the header alone, as an export that failed does."""
    raw = path.read_bytes()
    path.write_bytes(raw[: raw.rindex(b"\xe0\x7f\x10\x00")])


def _all_zero(path: Path) -> None:
    io.write_dicom_image(
        path,
        np.zeros((256, 256), np.uint16),
        patient_id="phantom",
        seed=path.stem,
        bits=12,
        tags={"SeriesDescription": "SYNTHETIC chest", "ImageComments": SYNTHETIC},
    )


#: What is wrong with a file, and how it is made so; which kinds of file it can befall.
BREAKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut short": (_cut_short, ".dcm"),
    "no pixel data": (_without_pixels, ".dcm"),
    "all zero": (_all_zero, ".dcm"),
    "cut short within gzip": (_cut_short, ".nii.gz"),
}
