"""Header items that identify are found, and only those."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from scantune import io
from tests.io.files import edit, series


def test_planted_items_are_found_by_keyword_and_values_are_not_given(tmp_path: Path) -> None:
    path = series(tmp_path / "s")[0]

    def plant(dataset: pydicom.Dataset) -> None:
        dataset.PatientBirthDate = "19500203"
        dataset.InstitutionName = "St. Elsewhere"
        dataset.OperatorsName = "Doe^Jane"
        dataset.StudyDate = "20240102"
        item = pydicom.Dataset()
        item.ScheduledProcedureStepDescription = "brain"
        item.ScheduledPerformingPhysicianName = "Roe^Richard"
        dataset.RequestAttributesSequence = [item]
        dataset.private_block(0x0011, "ACME", create=True).add_new(1, "LO", "Jane Doe")

    edit(path, plant)
    result = io.identifying_in(path)
    assert result == [
        "InstitutionName",
        "OperatorsName",
        "PatientBirthDate",
        "PatientID",
        "PatientName",
        "RequestAttributesSequence",
        "ScheduledPerformingPhysicianName",
        "StudyDate",
        "private",
    ]


def test_a_written_file_names_its_pseudonym_only(tmp_path: Path) -> None:
    path = series(tmp_path / "s")[0]
    assert io.identifying_in(path) == ["PatientID", "PatientName"]
    assert io.find_identifying(pydicom.dcmread(path)) == ["PatientID", "PatientName"]


def test_other_formats_have_no_header_items(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Jane Doe")
    assert io.identifying_in(tmp_path / "a.txt") == []


@pytest.mark.parametrize("name", ["a.nrrd", "a.nhdr", "a.mha", "a.mhd"])
def test_texts_of_nrrd_and_metaimage_are_named_without_their_values(tmp_path: Path, name: str) -> None:
    image = sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    sitk.WriteImage(image, str(tmp_path / name))
    assert io.identifying_in(tmp_path / name) == []
    texts = {
        "0010|0010": "Doe^Jane",
        "0008|0020": "20240102",
        "0018|0050": "2.5",
        "patient_id": "4711",
        "scanned": "1950-02-03",
        "modality": "MR",
        "PatientAge": "",
    }
    for key, text in texts.items():
        image.SetMetaData(key, text)
    sitk.WriteImage(image, str(tmp_path / name))
    assert io.identifying_in(tmp_path / name) == ["PatientID", "PatientName", "StudyDate", "another key"]


def test_comments_and_free_texts_are_named(tmp_path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)), str(tmp_path / "a.nrrd"))
    raw = (tmp_path / "a.nrrd").read_bytes()
    (tmp_path / "a.nrrd").write_bytes(raw.replace(b"type:", b"# of Jane Doe\ncontent: Jane\ntype:", 1))
    assert io.identifying_in(tmp_path / "a.nrrd") == ["comment", "content"]
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)), str(tmp_path / "a.mha"))
    raw = (tmp_path / "a.mha").read_bytes()
    (tmp_path / "a.mha").write_bytes(b"Comment = of Jane Doe\n" + raw)
    assert io.identifying_in(tmp_path / "a.mha") == ["comment"]


@pytest.mark.parametrize("name", ["a.dcm", "a.nrrd", "a.mha"])
def test_what_identifies_is_found_in_gzipped_files_too(tmp_path: Path, name: str) -> None:
    plain = tmp_path / name
    if name == "a.dcm":
        plain = series(tmp_path / "s")[0]
    else:
        image = sitk.GetImageFromArray(np.zeros((3, 4, 5), np.int16))
        image.SetMetaData("0010|0010", "Doe^Jane")
        sitk.WriteImage(image, str(plain))
    packed = tmp_path / f"{name}.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert "PatientName" in io.identifying_in(packed)
    assert io.identifying_in(packed) == io.identifying_in(plain)
