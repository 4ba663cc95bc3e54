"""The unit of PET values, which a cohort must share, is in the notes of each scan."""

from __future__ import annotations

import re

import numpy as np
import pydicom
import pytest

from scantune import io
from scantune.records import ReadError


@pytest.mark.parametrize(
    ("unit", "told"), [("BQML", "BQML"), ("CNTS", "CNTS"), ("GML", "GML"), (None, "no stated unit")]
)
def test_the_unit_of_pet_is_told(tmp_path, unit, told):
    values = np.random.default_rng(0).integers(0, 1000, (4, 8, 8)).astype(np.float32)
    io.write_dicom_series(tmp_path, io.Volume(values, np.diag([2.0, 2.0, 3.0, 1.0])), patient_id="p", seed="s")
    for path in tmp_path.iterdir():
        header = pydicom.dcmread(path)
        header.Modality = "PT"
        header.RescaleSlope, header.RescaleIntercept = header.get("RescaleSlope", 1), header.get("RescaleIntercept", 0)
        if unit:
            header.Units = unit
        header.save_as(path)
    assert any(told in note and "PET" in note for note in io.read(tmp_path).facts["notes"])


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ({"Units": "GML"}, "BQML, GML"),
        ({"Units": ""}, "BQML, not stated"),
        ({"Units": "GML", "SUVType": "LBM"}, "BQML, GML (SUV by LBM)"),
    ],
)
def test_slices_of_pet_in_two_units_are_not_one_volume(tmp_path, others, told):
    values = np.random.default_rng(0).integers(0, 1000, (4, 8, 8)).astype(np.float32)
    volume = io.Volume(values, np.diag([2.0, 2.0, 3.0, 1.0]))
    for at, path in enumerate(io.write_dicom_series(tmp_path, volume, patient_id="p", seed="s")):
        header = pydicom.dcmread(path)
        header.Modality, header.RescaleSlope, header.RescaleIntercept = "PT", 1, 0
        for keyword, value in {"Units": "BQML", **(others if at == 2 else {})}.items():
            setattr(header, keyword, value)
        header.save_as(path)
    with pytest.raises(ReadError, match=re.escape(f"the unit of PET (Units, SUVType) differs by slice: {told}")):
        io.read(tmp_path)


def test_corrections_of_pet_that_differ_are_noted(tmp_path):
    values = np.random.default_rng(0).integers(0, 1000, (4, 8, 8)).astype(np.float32)
    volume = io.Volume(values, np.diag([2.0, 2.0, 3.0, 1.0]))
    for at, path in enumerate(io.write_dicom_series(tmp_path, volume, patient_id="p", seed="s")):
        header = pydicom.dcmread(path)
        header.Modality, header.RescaleSlope, header.RescaleIntercept, header.Units = "PT", 1, 0, "BQML"
        header.CorrectedImage = ["DECY", "ATTN"] if at < 2 else ["DECY"]
        header.save_as(path)
    assert "CorrectedImage differs by slice (2 values)" in io.read(tmp_path).facts["notes"]


def test_slices_of_two_units_that_are_no_words_of_ours_are_not_one_volume(tmp_path):
    values = np.random.default_rng(0).integers(0, 1000, (4, 8, 8)).astype(np.float32)
    volume = io.Volume(values, np.diag([2.0, 2.0, 3.0, 1.0]))
    paths = io.write_dicom_series(tmp_path, volume, patient_id="p", seed="s", modality="CT")
    for at, path in enumerate(paths):
        header = pydicom.dcmread(path)
        header.RescaleType = "Z_EFF" if at < 2 else "MGML"
        header.save_as(path)
    with pytest.raises(ReadError, match=r"RescaleType differs by slice: .* has another text"):
        io.read(tmp_path)


def test_other_modalities_say_nothing_of_units(tmp_path):
    values = np.random.default_rng(0).integers(0, 1000, (4, 8, 8)).astype(np.float32)
    io.write_dicom_series(tmp_path, io.Volume(values, np.diag([2.0, 2.0, 3.0, 1.0])), patient_id="p", seed="s")
    assert not any("PET" in note for note in io.read(tmp_path).facts["notes"])
