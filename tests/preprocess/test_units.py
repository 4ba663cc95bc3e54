"""Units that differ within a cohort are told by sample: nothing converts one to another."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from scantune import io
from scantune.cohort.load import Cohort
from scantune.preprocess import run
from scantune.preprocess.check import check, print_check, write_check
from scantune.preprocess.units import differing_units
from scantune.records import Record
from tests.io.files import edit


def _scan(folder: Path, modality: str, **items: str | None) -> Path:
    values = np.random.default_rng(len(str(folder))).integers(0, 1000, (4, 8, 8)).astype(np.float32)
    image = io.Volume(values, np.diag([2.0, 2.0, 3.0, 1.0]))
    io.write_dicom_series(folder, image, patient_id="p", seed=folder.name, modality="CT" if modality == "CT" else "MR")

    def state(dataset: Any) -> None:
        dataset.Modality = modality
        for keyword, value in (("RescaleSlope", 1), ("RescaleIntercept", 0)):
            setattr(dataset, keyword, dataset.get(keyword, value))
        for keyword, value in items.items():
            if value is not None:
                setattr(dataset, keyword, value)
            elif keyword in dataset:
                delattr(dataset, keyword)

    for path in folder.iterdir():
        edit(path, state)
    return folder


@pytest.mark.parametrize(
    ("modality", "items", "unit"),
    [
        ("PT", {"Units": "BQML"}, "BQML"),
        ("PT", {"Units": "GML"}, "GML"),
        ("PT", {"Units": "GML", "SUVType": "LBM"}, "GML (SUV by LBM)"),
        ("PT", {}, "not stated"),
        ("PT", {"Units": "SMITH"}, "another text"),
        ("CT", {"RescaleType": "HU"}, "HU"),
        ("CT", {"RescaleType": None}, "HU"),
        ("CT", {"RescaleType": "US"}, "US"),
        ("MR", {"RescaleType": "normalized"}, None),
    ],
)
def test_the_unit_of_a_scan_is_known(tmp_path, modality, items, unit):
    facts = io.read(_scan(tmp_path / "s", modality, **items)).facts
    assert facts["unit"] == unit
    assert any("not HU" in note for note in facts["notes"]) == (modality == "CT" and unit != "HU")


def test_samples_are_compared_within_their_modality():
    readings = {
        "a": {"modality": "PT", "unit": "BQML"},
        "b": {"modality": "PT", "unit": "CNTS"},
        "c": {"modality": "PT", "unit": "BQML"},
        "d": {"modality": "CT", "unit": "HU"},
        "e": {"modality": "MR", "unit": None},
        "f": {"format": "nifti"},
    }
    assert differing_units(readings) == {"b": "CNTS; PT of 2 of 3 samples is in BQML"}
    del readings["b"]
    assert not differing_units(readings)
    assert not differing_units({})


def test_check_and_preprocess_name_the_samples(tmp_path, inputs):
    for name, unit in (("a", "BQML"), ("b", "GML"), ("c", "BQML")):
        _scan(tmp_path / name, "PT", Units=unit)
    records = [Record(name, name, (tmp_path / name,)) for name in "abc"]
    findings = check(Cohort(records, 3), inputs["volume"](), tmp_path / "store", progress=False)
    assert list(findings.units) == ["b"]
    assert findings.histograms["unit"] == {"BQML": 2, "GML": 1}
    screen = StringIO()
    print_check("d", findings, Console(file=screen, width=200))
    assert "values in another unit than most" in screen.getvalue()
    write_check(tmp_path / "check", "d", findings)
    assert "GML; PT of 2 of 3 samples is in BQML" in (tmp_path / "check" / "check.html").read_text(encoding="utf-8")
    lines: list[str] = []
    run(records, inputs["volume"](), tmp_path / "out", tmp_path / "store", progress=False, say=lines.append)
    assert any("GML; PT of 2 of 3 samples is in BQML" in line for line in lines)
