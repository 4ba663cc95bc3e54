"""The rescale of stored values (PS3.3 C.11.1): slope and intercept together, or neither where none is needed."""

from __future__ import annotations

from scantune.io.dicom_dose import dose_scaling, dose_unit
from scantune.io.dicom_file import DicomFile
from scantune.records import ReadError

#: Storage classes of CT and PET, plain, enhanced and converted: without a rescale the unit is unknown (PS3.3 C.8.2.1).
_RESCALE_DEMANDED = {f"1.2.840.10008.5.1.4.1.1.{end}": "CT" for end in ("2", "2.1", "2.2")} | {
    f"1.2.840.10008.5.1.4.1.1.{end}": "PET" for end in ("128", "128.1", "130")
}


def rescale_of(file: DicomFile, *, demanded: bool = False) -> tuple[float | None, float | None]:
    """Slope and intercept of the header, None both where it has neither; of an RT Dose its scaling.

    Raises:
        ReadError: one without the other; a slope of 0; none where the storage class demands it.
    """
    if file.is_dose:
        return dose_scaling(file), 0.0
    slope, intercept = file.one_number("RescaleSlope"), file.one_number("RescaleIntercept")
    return checked_rescale(slope, intercept, rescale_needed_by(file) if demanded else None)


def rescale_needed_by(file: DicomFile) -> str | None:
    """The kind of image ("CT", "PET") that has no unit without a rescale, None for any other."""
    return _RESCALE_DEMANDED.get(file.sop_class)


def unit_of(file: DicomFile) -> str:
    """The rescale type, upper case; of an RT Dose its unit.

    Raises:
        ReadError: of an RT Dose without one.
    """
    return dose_unit(file) if file.is_dose else file.text("RescaleType").upper()


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
