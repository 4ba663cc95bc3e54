"""The unit of PET values, which a cohort must share, is in the notes of each scan."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from scantune import io


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


def test_other_modalities_say_nothing_of_units(tmp_path):
    values = np.random.default_rng(0).integers(0, 1000, (4, 8, 8)).astype(np.float32)
    io.write_dicom_series(tmp_path, io.Volume(values, np.diag([2.0, 2.0, 3.0, 1.0])), patient_id="p", seed="s")
    assert not any("PET" in note for note in io.read(tmp_path).facts["notes"])
