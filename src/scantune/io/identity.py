"""Which header items of a DICOM file say who the patient is."""

from __future__ import annotations

from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from scantune.records import ReadError

#: By keyword: names, ids, places and free text that the standard's basic profile removes or replaces (PS3.15 E.1-1).
_WORDS = """
AccessionNumber AdditionalPatientHistory AdmissionID AdmittingDiagnosesDescription Allergies BranchOfService
ConsultingPhysicianName CountryOfResidence CurrentPatientLocation DeviceSerialNumber EthnicGroup ImageComments
InstitutionAddress InstitutionName InstitutionalDepartmentName InsurancePlanIdentification IssuerOfPatientID
MedicalAlerts MedicalRecordLocator MilitaryRank NameOfPhysiciansReadingStudy Occupation OperatorsName OtherPatientIDs
OtherPatientIDsSequence OtherPatientNames PatientAddress PatientAge PatientBirthDate PatientBirthName PatientBirthTime
PatientComments PatientID PatientMotherBirthName PatientName PatientReligiousPreference PatientTelephoneNumbers
PerformedProcedureStepID PerformingPhysicianName PersonName PhysiciansOfRecord ReferringPhysicianAddress
ReferringPhysicianName ReferringPhysicianTelephoneNumbers RegionOfResidence RequestAttributesSequence
RequestingPhysician RequestingService ResponsibleOrganization ResponsiblePerson ScheduledPerformingPhysicianName
StationName StudyComments StudyID
"""
IDENTIFYING = frozenset(_WORDS.split())
_DATES = ("DA", "DT")
_PERSONS = ("PN",)


def find_identifying(dataset: Dataset) -> list[str]:
    """Keywords of the items that are filled in and may identify: names, ids, dates, places, free text, private items.

    Items in sequences are found too. Values are not returned.

    Args:
        dataset: any DICOM data set.

    Returns:
        Sorted keywords; private items are one entry, "private".
    """
    keywords: set[str] = set()
    _walk(dataset, keywords, depth=0)
    return sorted(keywords)


def identifying_in(path: Path | str) -> list[str]:
    """`find_identifying` of a file; [] where it is not DICOM.

    Raises:
        ReadError: it looks like DICOM and cannot be read.
    """
    from scantune.io.detect import file_head, format_of
    from scantune.io.reading import guarded

    path = Path(path)
    if format_of(file_head(path)) not in ("dicom", "dicom without preamble"):
        return []
    return guarded(lambda: find_identifying(pydicom.dcmread(path, stop_before_pixels=True, force=True)), str(path))


NAMED_BY = ("PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyID")
"""Header items by which a table can name a file."""


def read_ids(path: Path | str) -> dict[str, str]:
    """The items of :data:`NAMED_BY` that a DICOM file states; none where it is not DICOM or cannot be read."""
    from scantune.io.detect import file_head, format_of
    from scantune.io.reading import guarded

    path, only = Path(path), list(NAMED_BY)
    try:
        if format_of(file_head(path)) not in ("dicom", "dicom without preamble"):
            return {}
        dataset = guarded(lambda: pydicom.dcmread(path, specific_tags=only, force=True, stop_before_pixels=True), "")
    except ReadError:
        return {}
    texts = {keyword: str(dataset.get(keyword) or "").strip() for keyword in only}
    return {keyword: text for keyword, text in texts.items() if text}


def read_owner(path: Path | str) -> tuple[str, str]:
    """Digests of the patient's id and of the series' UID of a file; "" for what it does not state."""
    from scantune.io.dicom_choice import digest

    stated = read_ids(path)
    patient, series = (stated.get(keyword, "") for keyword in ("PatientID", "SeriesInstanceUID"))
    return digest(patient) if patient else "", digest(series) if series else ""


def _walk(dataset: Dataset, keywords: set[str], depth: int) -> None:
    if depth > 20:
        return
    for element in dataset:
        keyword, filled = element.keyword, element.value not in (None, "", b"", [])
        if element.VR == "SQ":
            if keyword in IDENTIFYING and filled:
                keywords.add(keyword)
            for item in element.value:
                _walk(item, keywords, depth + 1)
        elif filled and (keyword in IDENTIFYING or element.VR in (*_DATES, *_PERSONS)):
            keywords.add(keyword or str(BaseTag(element.tag)))
        elif filled and element.tag.is_private and not element.tag.is_private_creator:
            keywords.add("private")
