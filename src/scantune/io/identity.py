"""Which items of a header say who the patient is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pydicom
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from scantune.records import ReadError

#: By keyword: names, ids, places and free text that the standard's basic profile removes or replaces (PS3.15 E.1-1).
_WORDS = """
AccessionNumber AdditionalPatientHistory AdmissionID AdmittingDiagnosesDescription Allergies BranchOfService
ConsultingPhysicianName CountryOfResidence CurrentPatientLocation DeviceSerialNumber DoseComment EthnicGroup
ImageComments InstitutionAddress InstitutionName InstitutionalDepartmentName InsurancePlanIdentification
IssuerOfPatientID MedicalAlerts MedicalRecordLocator MilitaryRank NameOfPhysiciansReadingStudy Occupation OperatorsName
OtherPatientIDs OtherPatientIDsSequence OtherPatientNames PatientAddress PatientAge PatientBirthDate PatientBirthName
PatientBirthTime PatientComments PatientID PatientMotherBirthName PatientName PatientReligiousPreference
PatientTelephoneNumbers PerformedProcedureStepID PerformingPhysicianName PersonName PhysiciansOfRecord
ReferringPhysicianAddress ReferringPhysicianName ReferringPhysicianTelephoneNumbers RegionOfResidence
RequestAttributesSequence RequestingPhysician RequestingService ResponsibleOrganization ResponsiblePerson
ScheduledPerformingPhysicianName StationName StudyComments StudyID
"""
IDENTIFYING = frozenset(_WORDS.split())
_DATES = ("DA", "DT")
_SPELLED = {keyword.lower(): keyword for keyword in IDENTIFYING} | {
    keyword.lower(): keyword for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate")
}
_FREE = ("comment", "name", "content")  # fields of MetaImage and NRRD that people write into
_OF_SEGMENTS = re.compile(r"Segment(\d+|ation)_")
_LIKE_A_PERSON = re.compile(r"[A-Za-z]{2,}\^[A-Za-z]{2,}|\b(19|20)\d\d[-/.]?[01]\d[-/.]?[0-3]\d\b")
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
    """Names of header items that may identify, of a DICOM (`find_identifying`), NRRD or MetaImage file, gzipped
    or not; [] of others.

    Raises:
        ReadError: it looks like one of these and cannot be read.
    """
    from scantune.io.arrays import Limits
    from scantune.io.detect import file_head, format_of
    from scantune.io.gzipped import gunzipped, is_dicom
    from scantune.io.itk import header_of, is_header
    from scantune.io.reading import guarded

    path = Path(path)
    if is_header(path):
        header = guarded(lambda: header_of(path), str(path))
        return sorted({*in_texts(header.texts), *(["comment"] if header.comments else [])})
    kind = format_of(file_head(path))
    if kind == "gzip" and is_dicom(path):
        with gunzipped(path, Limits()) as plain:
            return identifying_in(plain)
    if kind not in ("dicom", "dicom without preamble"):
        return []
    return guarded(lambda: find_identifying(pydicom.dcmread(path, stop_before_pixels=True, force=True)), str(path))


def in_texts(texts: Mapping[str, str]) -> list[str]:
    """Keys of a header's texts that may identify, named as DICOM names them where they are DICOM's.

    They are DICOM keywords in any spelling or tags (``0010|0010``, as ITK writes them), free texts, and keys of any
    name whose text looks like a name in DICOM or like a date; what 3D Slicer states of segments is none of them.

    Args:
        texts: key to text, of an NRRD or MetaImage header.
    """
    named = {key: _keyword(key) for key, text in texts.items() if text.strip() and not _OF_SEGMENTS.match(key)}
    return sorted(
        {
            keyword or "another key"
            for key, keyword in named.items()
            if keyword in IDENTIFYING
            or _plain(key) in _FREE
            or _LIKE_A_PERSON.search(texts[key])
            or (keyword and dictionary_VR(keyword) in (*_DATES, *_PERSONS))
        }
    )


def _keyword(key: str) -> str:
    """The DICOM keyword of a key, its free text's name, or "" where it is neither."""
    tag = re.fullmatch(r"([0-9a-fA-F]{4})[|,]([0-9a-fA-F]{4})", key.strip())
    if tag:
        return keyword_for_tag(int(tag[1] + tag[2], 16))
    plain = _plain(key)
    return _SPELLED.get(plain) or (plain if plain in _FREE else "")


def _plain(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "", key.lower())


NAMED_BY = ("PatientID", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "StudyID")
"""Header items by which a table can name a file."""


def read_ids(path: Path | str) -> dict[str, str]:
    """The items of :data:`NAMED_BY` that a DICOM file states; none where it is not DICOM or cannot be read."""
    return {keyword: text for keyword, text in read_texts(path, NAMED_BY).items() if text}


def read_texts(path: Path | str, keywords: Sequence[str]) -> dict[str, str]:
    """Items of a DICOM header as text, "" for what it does not state; empty where it is not DICOM or cannot be read."""
    from scantune.io.detect import file_head, format_of
    from scantune.io.reading import guarded

    path, only = Path(path), list(keywords)
    try:
        if format_of(file_head(path)) not in ("dicom", "dicom without preamble"):
            return {}
        dataset = guarded(lambda: pydicom.dcmread(path, specific_tags=only, force=True, stop_before_pixels=True), "")
        return guarded(lambda: {k: str(v if (v := dataset.get(k)) is not None else "").strip() for k in only}, "")
    except ReadError:
        return {}


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
