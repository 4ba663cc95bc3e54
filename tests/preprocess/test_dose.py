"""Dose grids and parametric maps as a cohort: prepared in their unit, oddities noted, what identifies told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom

from scantune import io, preprocess
from scantune.cohort.load import Cohort
from scantune.preprocess.check import check
from scantune.records import Record
from tests.io.files import series, volume
from tests.io.test_dose import dose
from tests.io.test_parametric_maps import parametric_map
from tests.preprocess.direct import prepare_volume


def _grid(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 280000, (6, 6, 8)).astype(np.uint32)


def _cohort(folder: Path) -> list[Record]:
    kinds = {5: {"DoseSummationType": "BEAM"}, 6: {"DoseUnits": "RELATIVE"}, 7: {"DoseGridScaling": None}}
    paths = [
        dose(folder / f"{k}.dcm", _grid(k), InstitutionName="St. Elsewhere", DoseComment="of Jane", **kinds.get(k, {}))
        for k in range(8)
    ]
    return [Record(f"x{k}", f"s{k}", (path,), targets={"y": str(k % 2)}) for k, path in enumerate(paths)]


def test_a_cohort_of_doses_is_prepared_in_gray(tmp_path, inputs):
    records = _cohort(tmp_path / "doses")
    block = inputs["volume"](intensity="none")
    summary = preprocess.run(records, block, tmp_path / "out", tmp_path / "store", max_excluded_fraction=0.5)
    assert summary.prepared == 7
    assert list(summary.excluded) == ["x7"]
    assert "DoseGridScaling is missing" in summary.excluded["x7"]
    rows = {row.sample_id: row for row in preprocess.read_manifest(tmp_path / "out" / "manifest.csv")}
    lines = (tmp_path / "out" / "manifest.csv").read_text().splitlines()
    assert "BEAM, not PLAN" in next(line for line in lines if line.startswith("x5,"))
    assert "not in Gray" in next(line for line in lines if line.startswith("x6,"))
    assert rows["x0"].shape == (1, 6, 6, 8)
    prepared = preprocess.prepare(records[0].files, [], block)
    np.testing.assert_allclose(prepared.tensor[0], _grid(0)[:, ::-1, ::-1] * 2.5e-4, rtol=1e-6)
    assert prepared.tensor.max() < 70


def test_check_tells_what_identifies_in_doses(tmp_path, inputs):
    cohort = Cohort(_cohort(tmp_path / "doses"), 8, {}, True)
    findings = check(cohort, inputs["volume"](intensity="none"), tmp_path / "store", progress=False)
    assert list(findings.excluded) == ["x7"]
    assert findings.identifying["header"] == {"DoseComment": 8, "InstitutionName": 8, "PatientID": 8}
    assert findings.histograms["modality"] == {"RTDOSE": 7}


def test_a_dose_is_a_channel_beside_its_planning_scan(tmp_path):
    """On the scan's grid, which is twice as fine: every second voxel is one of the dose."""
    scan = volume(shape=(11, 11, 15), spacing=(1.0, 1.25, 1.5))
    series(tmp_path / "ct", scan)
    first = pydicom.dcmread(sorted((tmp_path / "ct").iterdir())[0])
    position = [float(v) for v in first.ImagePositionPatient]
    path = dose(tmp_path / "rd.dcm", _grid(3), ImagePositionPatient=position)
    tensor = prepare_volume([tmp_path / "ct", path], intensity={"name": "none"}, dtype="float32").tensor
    np.testing.assert_array_equal(tensor[0], scan.array)
    np.testing.assert_allclose(tensor[1, ::2, ::2, ::2], io.read(path).array, rtol=1e-4)


def test_a_parametric_map_is_prepared_in_its_unit(tmp_path):
    values = np.random.default_rng(0).normal(1.2, 0.4, (5, 8, 10)).astype(np.float32)
    path = parametric_map(tmp_path / "m.dcm", values, like=volume(shape=(5, 8, 10)))
    tensor = prepare_volume([path], intensity={"name": "none"}, dtype="float32").tensor
    np.testing.assert_array_equal(tensor[0], values[:, ::-1, ::-1])
