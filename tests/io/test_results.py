"""Scores and masks go back as DICOM: a structured report and a segmentation that other readers understand."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from scantune import io
from scantune.records import ScantuneError
from tests.io.files import edit, series, volume

MODEL = io.Origin("loes", "1.2", "result")


def test_a_score_with_its_interval_is_read_back_from_the_report(tmp_path: Path) -> None:
    sources = series(tmp_path / "s")
    scores = [io.Measured("Loes score", 7.25, 5.0, 9.75), io.Measured("Volume", 12.5, unit=("cm3", "cubic centimeter"))]
    path = io.write_report(tmp_path / "sr.dcm", sources, scores, origin=MODEL)
    report = hd.sr.srread(path)
    source = pydicom.dcmread(sources[0])
    assert report.Modality == "SR"
    assert report.StudyInstanceUID == source.StudyInstanceUID
    assert report.PatientID == "phantom-1"
    (group,) = report.content.get_image_measurement_groups()
    first, second = group.get_measurements()
    assert (first.name.meaning, first.value, first.unit.value) == ("Loes score", 7.25, "1")
    assert (second.name.meaning, second.value, second.unit.meaning) == ("Volume", 12.5, "cubic centimeter")
    text = str(report)
    assert "2.5" in text
    assert "2.25" in text
    again = io.write_report(tmp_path / "again.dcm", sources, scores, origin=MODEL)
    assert path.read_bytes() == again.read_bytes()
    with pytest.raises(ScantuneError, match="finite"):
        io.write_report(tmp_path / "b.dcm", sources, [io.Measured("score", float("nan"))], origin=MODEL)


NAMES = {
    "ISO_IR 100": "Müller^Jörg",
    "ISO_IR 144": "Люкceмбypг",
    "ISO 2022 IR 6\\ISO 2022 IR 87": "Yamada^Tarou=山田^太郎",
    None: "A^B",
}


@pytest.mark.parametrize("characters", NAMES)
def test_names_of_any_letters_are_written_whatever_the_source_s_characters(
    tmp_path: Path, characters: str | None
) -> None:
    pixels = np.full((48, 64), 7, np.uint8)
    source = io.write_dicom_image(tmp_path / "a.dcm", pixels, patient_id="p", seed="a")
    header = pydicom.dcmread(source)
    header.SpecificCharacterSet = characters and characters.split("\\")
    header.PatientName = NAMES[characters]
    header.save_as(source)
    classes = [
        "肺炎 ≥ 2",
        "HER2+",
        "HER2-",
        "tb",
        "TB",
        "T b",
        "T-b",
        "prediction volume left",
        "prediction volume right",
        "a\x1b[31m\\b" + "L" * 99,
    ]
    report = pydicom.dcmread(
        io.write_report(tmp_path / "r.dcm", [source], [io.Measured(n, 1.0) for n in classes], origin=MODEL)
    )
    mask = io.write_image_segmentation(
        tmp_path / "m.dcm", np.eye(48, 64, dtype=np.uint8), source, {1: classes[0]}, origin=MODEL
    )
    segmentation = pydicom.dcmread(mask)
    assert {str(one.PatientName) for one in (report, segmentation)} == {NAMES[characters]}
    assert segmentation.SegmentSequence[0].SegmentLabel == classes[0]
    concepts = [item.ConceptNameCodeSequence[0] for item in _numbers(report)]
    assert [one.CodeMeaning for one in concepts] == [*classes[:-1], "a [31m b" + "L" * 56]
    assert len({one.CodeValue for one in concepts}) == len(classes), "a code has one meaning"
    assert max(len(one.CodeValue) for one in concepts) <= 16


@pytest.mark.parametrize("misspelt", ["ISO-IR 100", "ISO_IR_100", "latin1", "ISO_IR 999", "UNKNOWN", " "])
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_a_source_whose_character_set_is_misspelt_has_reports_and_masks(tmp_path: Path, misspelt: str) -> None:
    source = io.write_dicom_image(tmp_path / "a.dcm", np.full((48, 64), 7, np.uint8), patient_id="p", seed="a")
    header = pydicom.dcmread(source)
    header.SpecificCharacterSet, header.PatientName = "ISO_IR 100", "Müller^Jörg"
    header.save_as(source)
    source.write_bytes(source.read_bytes().replace(b"ISO_IR 100", misspelt.encode().ljust(10)))
    report = pydicom.dcmread(io.write_report(tmp_path / "r.dcm", [source], [io.Measured("肺炎", 1.0)], origin=MODEL))
    picture = np.eye(48, 64, dtype=np.uint8)
    mask = pydicom.dcmread(io.write_image_segmentation(tmp_path / "m.dcm", picture, source, {1: "肺炎"}, origin=MODEL))
    assert {one.SpecificCharacterSet for one in (report, mask)} == {"ISO_IR 192"}
    assert {str(one.PatientName) for one in (report, mask)} == {"Müller^Jörg"}
    assert mask.SegmentSequence[0].SegmentLabel == _numbers(report)[0].ConceptNameCodeSequence[0].CodeMeaning == "肺炎"


def _numbers(item: pydicom.Dataset) -> list[pydicom.Dataset]:
    own = [item] if item.get("ValueType") == "NUM" else []
    return own + [number for child in item.get("ContentSequence", []) for number in _numbers(child)]


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_mask_lies_on_the_slices_of_its_series(tmp_path: Path, plane: str) -> None:
    series(tmp_path / "s", volume(turned=(5, -4, 3)), plane=plane)
    scan = io.read(tmp_path / "s")
    values = np.zeros(scan.array.shape, np.uint8)
    values[2:5, 3:7, 4:9] = 1
    values[6, 2, 3] = 2
    mask = io.Volume(values, scan.affine)
    labels = {1: "lesion", 2: "vessel"}
    path = io.write_segmentation(tmp_path / "seg.dcm", mask, tmp_path / "s", labels, origin=MODEL)
    again = io.write_segmentation(tmp_path / "again.dcm", mask, tmp_path / "s", labels, origin=MODEL)
    assert path.read_bytes() == again.read_bytes()
    segmentation = hd.seg.segread(path)
    assert [segmentation.get_segment_description(n).segment_label for n in (1, 2)] == ["lesion", "vessel"]
    decoded = segmentation.get_volume(combine_segments=True)
    filled = np.argwhere(decoded.array)
    places = np.column_stack([filled, np.ones(len(filled))]) @ (np.diag([-1.0, -1, 1, 1]) @ decoded.affine).T  # RAS
    index = np.rint(places @ np.linalg.inv(scan.affine).T)[:, :3].astype(int)
    rebuilt = np.zeros_like(values)
    rebuilt[index[:, 2], index[:, 1], index[:, 0]] = decoded.array[tuple(filled.T)]
    np.testing.assert_array_equal(rebuilt, values)


def test_a_mask_on_another_grid_or_without_labels_is_refused(tmp_path: Path) -> None:
    series(tmp_path / "s")
    scan = io.read(tmp_path / "s")
    values = np.ones(scan.array.shape, np.uint8)
    moved = scan.affine.copy()
    moved[0, 3] += 5
    arguments = (tmp_path / "s", {1: "lesion"})
    with pytest.raises(ScantuneError, match="5 mm from"):
        io.write_segmentation(tmp_path / "a.dcm", io.Volume(values, moved), *arguments, origin=MODEL)
    with pytest.raises(ScantuneError, match=r"values \[3\]"):
        io.write_segmentation(tmp_path / "a.dcm", io.Volume(values * 3, scan.affine), *arguments, origin=MODEL)


def test_an_enhanced_source_has_its_frames_referenced(tmp_path: Path) -> None:
    source = io.write_enhanced(tmp_path / "a.dcm", volume(turned=(5, -4, 3)), patient_id="phantom-1", seed="a")
    scan = io.read(source)
    values = np.zeros(scan.array.shape, np.uint8)
    values[2:5, 3:7, 4:9] = 1
    path = io.write_segmentation(
        tmp_path / "seg.dcm", io.Volume(values, scan.affine), source, {1: "Liver"}, origin=MODEL
    )
    segmentation = hd.seg.segread(path)
    assert segmentation.get_segment_description(1).segmented_property_type == codes.SCT.Liver
    decoded = segmentation.get_volume(combine_segments=True)
    assert int(decoded.array.sum()) == int(values.sum())
    places = np.argwhere(decoded.array)
    places = np.column_stack([places, np.ones(len(places))]) @ (np.diag([-1.0, -1, 1, 1]) @ decoded.affine).T
    index = np.rint(places @ np.linalg.inv(scan.affine).T)[:, :3].astype(int)
    assert values[index[:, 2], index[:, 1], index[:, 0]].all()
    assert segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID


@pytest.mark.parametrize("index", [0, 1])
def test_a_mask_of_one_volume_of_an_enhanced_source_refers_to_its_frames(tmp_path: Path, index: int) -> None:
    source = io.write_enhanced(tmp_path / "a.dcm", volume(), patient_id="phantom-1", seed="a")

    def change(
        dataset: pydicom.Dataset,
    ) -> None:  # as scanners write it: geometry by frame, two time points interleaved
        shared = dataset.SharedFunctionalGroupsSequence[0]
        groups = []
        for group in dataset.PerFrameFunctionalGroupsSequence:
            for keyword in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
                setattr(group, keyword, shared[keyword].value)
            for time in (1, 2):
                groups.append(copy.deepcopy(group))
                groups[-1].FrameContentSequence[0].TemporalPositionIndex = time
        del shared.PixelMeasuresSequence, shared.PlaneOrientationSequence
        frames = np.repeat(dataset.pixel_array, 2, axis=0)
        frames[1::2] += 1
        dataset.PerFrameFunctionalGroupsSequence, dataset.NumberOfFrames = groups, len(groups)
        dataset.PixelData = frames.tobytes()

    edit(source, change)
    rule = io.VolumeRule(index=index)
    scan = io.read(source, volume=rule)
    values = np.zeros(scan.array.shape, np.uint8)
    values[2:5, 3:7, 4:9] = 1
    mask = io.Volume(values, scan.affine)
    path = io.write_segmentation(tmp_path / "seg.dcm", mask, source, {1: "Liver"}, MODEL, volume=rule)
    np.testing.assert_array_equal(io.read_mask_object(path, scan).array, values)
    header = pydicom.dcmread(source, stop_before_pixels=True)
    for group in pydicom.dcmread(path).PerFrameFunctionalGroupsSequence:
        item = group.DerivationImageSequence[0].SourceImageSequence[0]
        frame = header.PerFrameFunctionalGroupsSequence[int(item.ReferencedFrameNumber) - 1]
        assert item.ReferencedSOPInstanceUID == header.SOPInstanceUID
        assert frame.FrameContentSequence[0].TemporalPositionIndex == index + 1
        np.testing.assert_allclose(
            [float(v) for v in frame.PlanePositionSequence[0].ImagePositionPatient],
            [float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient],
            atol=1e-4,
        )


def test_a_mask_of_a_chosen_series_or_volume_refers_to_its_slices(tmp_path: Path) -> None:
    for at, echo in enumerate(("4.92", "7.38")):
        for path in series(tmp_path / "s" / echo, volume(seed=at), tags={"EchoTime": echo}):
            edit(path, lambda dataset, at=at: setattr(dataset, "SOPInstanceUID", f"{dataset.SOPInstanceUID[:50]}.{at}"))
    rule = io.VolumeRule.of({"echo_time": 7.38})
    scan = io.read(tmp_path / "s", volume=rule)
    mask = io.Volume((scan.array > 500).astype(np.uint8), scan.affine)
    path = io.write_segmentation(tmp_path / "seg.dcm", mask, tmp_path / "s", {1: "bright"}, volume=rule, origin=MODEL)
    referred = pydicom.dcmread(path).ReferencedSeriesSequence[0].ReferencedInstanceSequence
    assert all(str(item.ReferencedSOPInstanceUID).endswith(".1") for item in referred)
    assert int(hd.seg.segread(path).get_volume(combine_segments=True).array.sum()) == int(mask.array.sum())
    files = io.files_read(tmp_path / "s", volume=rule)
    assert {path.parent.name for path in files} == {"7.38"}
    assert len(files) == 8


@pytest.mark.parametrize("modality", ["XA", "US", "CR"])
def test_a_mask_of_a_still_lies_on_its_own_pixels(tmp_path: Path, modality: str) -> None:
    pixels = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
    source = io.write_dicom_image(tmp_path / "a.dcm", pixels, patient_id="phantom-1", seed="a", modality=modality)
    mask = (pixels > 200).astype(np.uint8)
    path = io.write_image_segmentation(tmp_path / "seg.dcm", mask, source, {1: "vessel"}, origin=MODEL)
    segmentation = hd.seg.segread(path)
    np.testing.assert_array_equal(segmentation.get_pixels_by_source_instance(
        [pydicom.dcmread(source).SOPInstanceUID], combine_segments=True)[0], mask)  # fmt: skip
    referred = segmentation.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]
    assert referred.ReferencedSOPClassUID == pydicom.dcmread(source).SOPClassUID
    with pytest.raises(ScantuneError, match="the mask is"):
        io.write_image_segmentation(tmp_path / "b.dcm", mask[1:], source, {1: "vessel"}, origin=MODEL)


@pytest.mark.slow
@pytest.mark.parametrize("date", ["********", "20200230", "00000000", "19999999"])
def test_dates_that_are_none_are_blank_in_what_is_written(tmp_path: Path, date: str) -> None:
    for path in series(tmp_path / "s"):
        raw = path.read_bytes()
        dataset = pydicom.dcmread(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            dataset.add_new("StudyDate", "LO", date)
            dataset.add_new("PatientBirthDate", "LO", date)
            dataset.save_as(path)
        path.write_bytes(path.read_bytes().replace(b"\x08\x00\x20\x00LO", b"\x08\x00\x20\x00DA")
                         .replace(b"\x10\x00\x30\x00LO", b"\x10\x00\x30\x00DA"))  # fmt: skip
        assert path.read_bytes() != raw
    scan = io.read(tmp_path / "s")
    mask = io.Volume((scan.array > 500).astype(np.uint8), scan.affine)
    path = io.write_segmentation(tmp_path / "seg.dcm", mask, tmp_path / "s", {1: "bright"}, origin=MODEL)
    assert pydicom.dcmread(path).StudyDate == ""
    report = io.write_report(
        tmp_path / "sr.dcm", sorted((tmp_path / "s").iterdir()), [io.Measured("score", 1.0)], origin=MODEL
    )
    assert pydicom.dcmread(report).PatientBirthDate in ("", None)


def test_the_image_library_lists_slices_by_place(tmp_path: Path) -> None:
    sources = series(tmp_path / "s", plane="coronal")
    shuffled = [sources[at] for at in (3, 0, 7, 5, 1, 9, 2, 8, 6, 4)]
    report = pydicom.dcmread(io.write_report(tmp_path / "r.dcm", shuffled, [io.Measured("a", 1.0)], origin=MODEL))
    library = next(
        item for item in report.ContentSequence if item.ConceptNameCodeSequence[0].CodeMeaning == "Image Library"
    )
    listed = [
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for item in library.ContentSequence[0].ContentSequence
    ]
    headers = [pydicom.dcmread(source, stop_before_pixels=True) for source in sources]
    normal = np.cross(headers[0].ImageOrientationPatient[:3], headers[0].ImageOrientationPatient[3:])
    headers.sort(key=lambda header: float(np.dot(normal, header.ImagePositionPatient)))
    assert listed == [header.SOPInstanceUID for header in headers]
