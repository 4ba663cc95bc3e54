"""How the colours of a DICOM image are stated: photometric interpretation, samples, polarity."""

from __future__ import annotations

from pydicom.uid import RLELossless

from scantune.io.dicom_file import DicomFile
from scantune.records import ReadError

_GREY = frozenset({"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"})
_COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT", "YBR_PARTIAL_420", "YBR_PARTIAL_422"})
_SHAPES = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}


def colour_of(file: DicomFile) -> tuple[str, int]:
    """Photometric interpretation and samples a pixel.

    Raises:
        ReadError: missing, not read, or contradicted by another attribute or by the transfer syntax.
    """
    photometric, samples = file.photometric, file.one_integer("SamplesPerPixel")
    if not photometric:
        raise ReadError("the header does not state the photometric interpretation", str(file.path))
    if photometric not in _GREY | _COLOUR:
        raise ReadError("its photometric interpretation is not one that can be read", f"{file.path}: {photometric}")
    expected = 1 if photometric in _GREY else 3
    if samples not in (None, expected):
        raise ReadError(
            f"SamplesPerPixel is {samples} where PhotometricInterpretation {photometric} has {expected}",
            str(file.path),
        )
    shape = file.text("PresentationLUTShape").upper()
    if shape in ("INVERSE", "IDENTITY") and _SHAPES.get(photometric, shape) != shape:
        raise ReadError(
            f"PresentationLUTShape is {shape} where PhotometricInterpretation is {photometric}: "
            "whether low is bright or dark cannot be told"
        )
    _check_transform(file, photometric)
    return photometric, expected


def _check_transform(file: DicomFile, photometric: str) -> None:
    """Refuse YBR that only a codec makes where there is none, and that of 4:2:2 in planes.

    The differences in JPEG 2000's own transforms need a bit more than a sample has, so what is labelled with them and
    is not JPEG 2000 is what a decoder has made of it: RGB.
    """
    if file.compressed and file.syntax != RLELossless:
        return
    words = f"PhotometricInterpretation is {photometric} of pixels without JPEG"
    if photometric.startswith("YBR_PARTIAL"):
        raise ReadError(f"{words}, which is not read")
    if photometric in ("YBR_RCT", "YBR_ICT") and f"{words}: taken for RGB" not in file.notes:
        file.notes.append(f"{words}: taken for RGB")
    if photometric == "YBR_FULL_422" and file.one_integer("PlanarConfiguration") == 1:
        raise ReadError("PlanarConfiguration is 1 where PhotometricInterpretation is YBR_FULL_422, which has no planes")
