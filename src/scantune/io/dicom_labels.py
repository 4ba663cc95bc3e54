"""What the header of a DICOM file says of the series that it is of."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pydicom

from scantune.records import ReadError

_READ = [
    "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesDescription", "Modality", "ImageType", "Rows",
    "NumberOfFrames", "ImagePositionPatient", "ImagePosition",
]  # fmt: skip
_SLICED = ("CT", "MR", "PT")


class SeriesLabel(NamedTuple):
    """Which series a file is of, and what it holds of it.

    Attributes:
        patient: PatientID; "" where it is not stated, as the following two.
        study: StudyInstanceUID.
        series: SeriesInstanceUID.
        description: SeriesDescription in lower case, each run of blanks as one.
        localizer: the image type says so (a scout, a topogram).
        image: it has pixels; reports, presentation states and drawn structures have none.
        slice: a single frame of CT, MR or PET, or one with a place in the patient: a slice of a volume.
        stack: several frames of CT, MR or PET: a volume in one file.
    """

    patient: str
    study: str
    series: str
    description: str
    localizer: bool
    image: bool
    slice: bool
    stack: bool


def read_series_label(path: Path | str) -> SeriesLabel | None:
    """The label of a DICOM file; None where it is not DICOM or cannot be read."""
    from scantune.io.detect import file_head, format_of
    from scantune.io.dicom_choice import folded
    from scantune.io.reading import guarded

    path = Path(path)
    try:
        if format_of(file_head(path)) not in ("dicom", "dicom without preamble"):
            return None
        dataset = guarded(lambda: pydicom.dcmread(path, specific_tags=_READ, force=True, stop_before_pixels=True), "")
        texts = guarded(lambda: [str(dataset.get(keyword) or "").strip() for keyword in _READ[:6]], "")
    except ReadError:
        return None
    patient, study, series, description, modality, kind = texts
    frames = str(dataset.get("NumberOfFrames") or "1").strip()
    single, sliced = frames in ("0", "1"), modality in _SLICED
    placed = bool(dataset.get("ImagePositionPatient") or dataset.get("ImagePosition"))
    return SeriesLabel(
        patient, study, series, folded(description), "LOCALIZER" in kind.upper(),
        dataset.get("Rows") is not None, single and (placed or sliced), sliced and not single,
    )  # fmt: skip
