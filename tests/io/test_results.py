"""Scores and masks go back as DICOM: a structured report and a segmentation that other readers understand."""

from __future__ import annotations

from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest

from scantune import io
from scantune.records import ScantuneError
from tests.io.files import series, volume

MODEL: dict = {"model": "loes", "version": "1.2", "seed": "result"}


def test_a_score_with_its_interval_is_read_back_from_the_report(tmp_path: Path) -> None:
    sources = series(tmp_path / "s")
    scores = [io.Measured("Loes score", 7.25, 5.0, 9.75), io.Measured("Volume", 12.5, unit=("cm3", "cubic centimeter"))]
    path = io.write_report(tmp_path / "sr.dcm", sources, scores, **MODEL)
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
    again = io.write_report(tmp_path / "again.dcm", sources, scores, **MODEL)
    assert path.read_bytes() == again.read_bytes()
    with pytest.raises(ScantuneError, match="finite"):
        io.write_report(tmp_path / "b.dcm", sources, [io.Measured("score", float("nan"))], **MODEL)


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_mask_lies_on_the_slices_of_its_series(tmp_path: Path, plane: str) -> None:
    series(tmp_path / "s", volume(turned=(5, -4, 3)), plane=plane)
    scan = io.read(tmp_path / "s")
    values = np.zeros(scan.array.shape, np.uint8)
    values[2:5, 3:7, 4:9] = 1
    values[6, 2, 3] = 2
    mask = io.Volume(values, scan.affine)
    labels = {1: "lesion", 2: "vessel"}
    path = io.write_segmentation(tmp_path / "seg.dcm", mask, tmp_path / "s", labels, **MODEL)
    again = io.write_segmentation(tmp_path / "again.dcm", mask, tmp_path / "s", labels, **MODEL)
    assert path.read_bytes() == again.read_bytes()
    segmentation = hd.seg.segread(path)
    assert [segmentation.get_segment_description(n).segment_label for n in (1, 2)] == ["lesion", "vessel"]
    found = segmentation.get_volume(combine_segments=True)
    filled = np.argwhere(found.array)
    places = np.column_stack([filled, np.ones(len(filled))]) @ (np.diag([-1.0, -1, 1, 1]) @ found.affine).T  # RAS
    index = np.rint(places @ np.linalg.inv(scan.affine).T)[:, :3].astype(int)
    rebuilt = np.zeros_like(values)
    rebuilt[index[:, 2], index[:, 1], index[:, 0]] = found.array[tuple(filled.T)]
    np.testing.assert_array_equal(rebuilt, values)


def test_a_mask_on_another_grid_or_without_labels_is_refused(tmp_path: Path) -> None:
    series(tmp_path / "s")
    scan = io.read(tmp_path / "s")
    values = np.ones(scan.array.shape, np.uint8)
    moved = scan.affine.copy()
    moved[0, 3] += 5
    arguments = (tmp_path / "s", {1: "lesion"})
    with pytest.raises(ScantuneError, match="5 mm from"):
        io.write_segmentation(tmp_path / "a.dcm", io.Volume(values, moved), *arguments, **MODEL)
    with pytest.raises(ScantuneError, match=r"values \[3\]"):
        io.write_segmentation(tmp_path / "a.dcm", io.Volume(values * 3, scan.affine), *arguments, **MODEL)
