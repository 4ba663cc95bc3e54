"""RescaleSlope and RescaleIntercept of a DICOM header, where they are fit to be used."""

from __future__ import annotations

from scantune.io.dicom_file import DicomFile
from scantune.records import ReadError

#: Storage classes whose modules demand a rescale (PS3.3 C.8.2.1, C.8.9.4): without it the unit is unknown.
_RESCALE_DEMANDED = {"1.2.840.10008.5.1.4.1.1.2": "CT", "1.2.840.10008.5.1.4.1.1.128": "PET"}


def rescale_of(file: DicomFile, *, demanded: bool = False) -> tuple[float | None, float | None]:
    """Slope and intercept of the header, None both where it has neither.

    Raises:
        ReadError: one without the other; a slope of 0; none where the storage class demands it.
    """
    slope, intercept = file.one_number("RescaleSlope"), file.one_number("RescaleIntercept")
    needed_by = _RESCALE_DEMANDED.get(file.text("SOPClassUID") or file.media_class) if demanded else None
    return checked_rescale(slope, intercept, needed_by)


def checked_rescale(
    slope: float | None, intercept: float | None, needed_by: str | None = None
) -> tuple[float | None, float | None]:
    """The two, where they are fit to be used together.

    Raises:
        ReadError: one without the other; a slope of 0; none where ``needed_by`` names who demands it.
    """
    if slope is None and intercept is None:
        if needed_by:
            raise ReadError(f"RescaleSlope and RescaleIntercept are missing, and a {needed_by} image has no unit then")
        return None, None
    if slope is None:
        raise ReadError(f"RescaleSlope is missing where RescaleIntercept is {intercept:g}")
    if intercept is None:
        raise ReadError(f"RescaleIntercept is missing where RescaleSlope is {slope:g}")
    if slope == 0:
        raise ReadError("the rescale slope is 0")
    return slope, intercept
