"""What the header of a DICOM file says of the series that it is of."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from scantune.io.dicom_choice import folded
from scantune.io.identity import read_texts

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
    stated = read_texts(path, _READ)
    if not stated:
        return None
    single, sliced = stated["NumberOfFrames"] in ("", "0", "1"), stated["Modality"] in _SLICED
    placed = bool(stated["ImagePositionPatient"] or stated["ImagePosition"])
    return SeriesLabel(
        patient=stated["PatientID"],
        study=stated["StudyInstanceUID"],
        series=stated["SeriesInstanceUID"],
        description=folded(stated["SeriesDescription"]),
        localizer="LOCALIZER" in stated["ImageType"].upper(),
        image=bool(stated["Rows"]),
        slice=single and (placed or sliced),
        stack=sliced and not single,
    )
