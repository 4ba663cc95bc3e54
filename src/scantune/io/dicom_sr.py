"""A model's scores as a DICOM structured report (TID 1500, Measurement Report), written by highdicom."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.valuerep import DA, DT, TM

from scantune.digests import text_digest
from scantune.io.arrays import Limits
from scantune.io.detect import kind_of
from scantune.io.dicom_writer import line, uid
from scantune.io.gzipped import gunzipped
from scantune.records import ScantuneError

_SCHEME = "99SCANTUNE"  # codes of one's own begin with 99 (PS3.3, 8.2)


@dataclass(frozen=True)
class Origin:
    """The model that a DICOM object comes from.

    Attributes:
        model: its name.
        version: its version.
        seed: the object's UIDs follow from it.
    """

    model: str
    version: str
    seed: str


@dataclass(frozen=True)
class Measured:
    """One score.

    Attributes:
        name: in words, such as "Loes score".
        value: finite.
        lower: end of its interval, or None.
        upper: end of its interval, or None.
        unit: UCUM code and meaning; ("1", "no units") for a score.
    """

    name: str
    value: float
    lower: float | None = None
    upper: float | None = None
    unit: tuple[str, str] = ("1", "no units")


def write_report(
    path: Path | str,
    sources: Sequence[Path],
    measured: Sequence[Measured],
    origin: Origin,
) -> Path:
    """Write scores of an image or series as a Comprehensive 3D SR that belongs to the same study.

    The patient and study items are those of the source files, as the standard asks: the report goes back to where the
    images came from and is not an output to be shared. An interval is written as the distances of its ends from the
    value ("range of upper measurement uncertainty", DCM TID 310).

    Args:
        path: of the report.
        sources: the DICOM files that the scores were computed from.
        measured: at least one score.
        origin: the model that the scores come from.

    Raises:
        ScantuneError: no source or score, or one that is not finite.
    """
    if not sources or not measured:
        raise ScantuneError("a report needs source files and scores")
    evidence = _by_place([source_header(source) for source in sources])
    device = hd.sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=hd.sr.DeviceObserverIdentifyingAttributes(
            uid=uid("scantune", origin.model, origin.version), name=f"scantune {origin.model}"[:64]
        ),
    )
    group = hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(uid=uid(origin.seed, "tracking"), identifier=origin.model[:64]),
        algorithm_id=hd.sr.AlgorithmIdentification(name=origin.model, version=origin.version),
        measurements=[_measurement(one) for one in measured],
        source_images=[hd.sr.SourceImageForMeasurementGroup.from_source_image(image) for image in evidence[:1]],
    )
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(observer_device_context=device),
        procedure_reported=Code("image-analysis", _SCHEME, "Automated image analysis"),
        imaging_measurements=[group],
        title=codes.DCM.ImagingMeasurementReport,
        referenced_images=evidence if _describable(evidence) else None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd values in the source's own header
        report = hd.sr.Comprehensive3DSR(
            evidence=evidence,
            content=content[0],
            series_instance_uid=uid(origin.seed, "report series"),
            series_number=900,
            series_description=f"scantune {origin.model}"[:64],
            sop_instance_uid=uid(origin.seed, "report"),
            instance_number=1,
            manufacturer="scantune",
            is_complete=True,
        )
    return save_derived(report, Path(path), evidence[0], origin.seed)


def _by_place(images: list[pydicom.Dataset]) -> list[pydicom.Dataset]:
    """Slices along their normal, as the stack runs, so that the image library lists them by place; others as they are.

    highdicom writes the library in the order of the images.
    """
    places = [[float(value) for value in image.get("ImagePositionPatient") or []] for image in images]
    orientation = [float(value) for value in images[0].get("ImageOrientationPatient") or []]
    if len(orientation) != 6 or any(len(place) != 3 for place in places):
        return images
    normal = np.cross(orientation[:3], orientation[3:])
    order = np.argsort(np.array(places) @ normal, kind="stable")
    return [images[at] for at in order]


def source_header(path: Path) -> pydicom.Dataset:
    """The header of a source as derived objects take it over: dates and times that are none (``***``) are blank, and so
    is what must be there but may be blank (type 2 of PS3.3 C.7.1.1 and C.7.2.1) where de-identification removed it.

    Its characters are UTF-8, since names of classes may have letters that the source's set lacks."""
    if kind_of(path) == "gzip":
        with gunzipped(path, Limits()) as plain:
            return source_header(plain)
    header = pydicom.dcmread(path, stop_before_pixels=True)
    for element in list(header):
        if element.VR == "PN" and element.VM <= 1:
            header[element.tag].value = str(element.value)  # decoded: else written as the source encodes it
        if element.VR in _DATES and not all(_is_moment(str(value), element.VR) for value in _values(element)):
            header[element.tag].value = ""
    for keyword in _BLANK:
        if keyword not in header:
            setattr(header, keyword, None)
    header.SpecificCharacterSet = "ISO_IR 192"
    return header


#: Attributes of patient and study that may be blank and not absent.
_BLANK = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip


#: Dates and times as PS3.5 6.2 has them.
_DATES = {
    "DA": re.compile(r"\d{8}"),
    "TM": re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?"),
    "DT": re.compile(r"\d{4,14}(\.\d{1,6})?([+-]\d{4})?"),
}
_CALENDAR: dict[str, Any] = {"DA": DA, "TM": TM, "DT": DT}


def _is_moment(text: str, kind: str) -> bool:
    """Whether a text is a date or time that exists: 20200230 and 00000000 do not."""
    if not _DATES[kind].fullmatch(text):
        return False
    try:
        _CALENDAR[kind](text)
    except ValueError:
        return False
    return True


def _values(element: pydicom.DataElement) -> list[Any]:
    if element.value in (None, ""):
        return []
    return list(element.value) if element.VM > 1 else [element.value]


def _describable(images: Sequence[pydicom.Dataset]) -> bool:
    """Whether the report's image library can be filled: radiographs often lack what the standard demands of them."""
    try:
        hd.sr.ImageLibrary(images)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return False
    return True


def _measurement(one: Measured) -> Any:
    if not all(np.isfinite(number) for number in (one.value, one.lower or 0.0, one.upper or 0.0)):
        raise ScantuneError(
            f"{one.name} is {one.value} ({one.lower} to {one.upper}): a report holds finite numbers only"
        )
    properties = None
    if one.lower is not None and one.upper is not None:
        properties = hd.sr.MeasurementProperties(
            upper_measurement_uncertainty=_rounded(one.upper - one.value),
            lower_measurement_uncertainty=_rounded(one.value - one.lower),
        )
    return hd.sr.Measurement(
        name=Code(_code_of(one.name), _SCHEME, line(one.name)),
        value=_rounded(one.value),
        unit=Code(one.unit[0], "UCUM", one.unit[1]),
        properties=properties,
    )


def _code_of(name: str) -> str:
    """A code of at most 16 characters for a name, different for different names (HER2+ and HER2-, tb and TB)."""
    code = "".join(letter if letter.isalnum() else "-" for letter in name)
    if len(code) <= 16 and "-" not in name and code == name.replace(" ", "-"):
        return code
    return f"{code[:9]}-{text_digest(name, 6)}"


def _rounded(number: float) -> float:
    """As many digits as a decimal string of 16 characters holds."""
    return float(f"{number:.9g}")


def save_derived(dataset: pydicom.Dataset, path: Path, source: pydicom.Dataset, seed: str) -> Path:
    """Write a derived object with nothing of the present moment in it.

    Content dates, which the standard demands, are the study's; 1 January 1900 where the study has none. UIDs that
    highdicom draws at random follow from the seed.
    """
    dates = {
        "ContentDate": "StudyDate",
        "SeriesDate": "StudyDate",
        "ContentTime": "StudyTime",
        "SeriesTime": "StudyTime",
    }
    for keyword, of_study in dates.items():
        if keyword in dataset:
            setattr(dataset, keyword, source.get(of_study) or ("19000101" if keyword.endswith("Date") else "000000"))
    for keyword in ("InstanceCreationDate", "InstanceCreationTime", "TimezoneOffsetFromUTC"):
        if keyword in dataset:
            delattr(dataset, keyword)
    for element in dataset.iterall():
        if element.keyword in ("ContributionDateTime", "ObservationDateTime"):
            element.value = ""
        if element.keyword == "DimensionOrganizationUID":
            element.value = uid(seed, "dimensions")
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path
