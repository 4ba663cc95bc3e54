"""Header items that identify are found, and only those."""

from __future__ import annotations

from pathlib import Path

import pydicom

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
