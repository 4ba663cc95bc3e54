"""Damaged scans among good ones: each is left out with its reason, none ends the run, none becomes a wrong tensor."""

import gzip

import numpy as np
import pytest

from scantune import io, preprocess
from scantune.preprocess import store
from scantune.preprocess.sample import Job, process
from scantune.records import Record


def series(folder, volume, seed="1", **tags):
    return io.write_dicom_series(folder, volume, patient_id="p", seed=seed, tags=tags or None)


@pytest.fixture
def volume(volumes) -> io.Volume:
    smooth, _ = volumes
    return smooth((12, 10, 8), (1.0, 1.0, 2.5))


def test_a_cohort_of_damaged_series_and_files(tmp_path, volume, inputs):
    raw = tmp_path / "raw"
    series(raw / "good", volume)
    for name in ("missing", "cut", "foreign", "double"):
        files = series(raw / name, volume, seed=name)
        if name == "missing":
            files[5].unlink()
        elif name == "cut":
            files[5].write_bytes(files[5].read_bytes()[:-40])
        elif name == "foreign":
            (raw / name / "README.txt").write_text("Doe John")
        else:
            (raw / name / "copy.dcm").write_bytes(files[5].read_bytes())
    series(raw / "two", volume, seed="a")
    for file in series(raw / "other", volume, seed="b"):
        file.rename(raw / "two" / f"b_{file.name}")
    (raw / "empty").mkdir()
    io.write_nifti(raw / "whole.nii.gz", volume, dtype="float32")
    packed = (raw / "whole.nii.gz").read_bytes()
    (raw / "short.nii.gz").write_bytes(packed[: len(packed) // 2])
    (raw / "text.nii.gz").write_bytes(gzip.compress(b"Doe John"))
    names = [
        "good",
        "missing",
        "cut",
        "foreign",
        "double",
        "two",
        "empty",
        "whole.nii.gz",
        "short.nii.gz",
        "text.nii.gz",
    ]
    records = [Record(name, name, (raw / name,)) for name in names]
    block = inputs["volume"](spacing=[2, 2, 2], intensity="none")
    summary = preprocess.run(records, block, tmp_path / "out", tmp_path / "store", max_excluded_fraction=1.0)
    assert set(summary.excluded) == {"missing", "cut", "two", "empty", "short.nii.gz", "text.nii.gz"}
    assert len(set(summary.excluded.values())) >= 5
    arrays = {
        name: store.load(tmp_path / "out" / "samples" / f"{name}.safetensors")["input"]
        for name in names
        if name not in summary.excluded
    }
    for name in ("foreign", "double"):
        np.testing.assert_array_equal(arrays[name], arrays["good"])
    np.testing.assert_allclose(arrays["whole.nii.gz"], arrays["good"], atol=1.0)  # DICOM holds whole numbers
    written = (tmp_path / "out" / "excluded.csv").read_text() + (tmp_path / "out" / "flow.json").read_text()
    assert "Doe" not in written
    assert str(tmp_path) not in written


@pytest.mark.parametrize("kind", ["nifti", "dicom", "png"])
def test_mutants_are_prepared_or_left_out_and_never_raise(tmp_path, volume, inputs, rng, kind):
    path = tmp_path / "a"
    if kind == "nifti":
        io.write_nifti(tmp_path / "a.nii", volume, dtype="float32")
        path, block = tmp_path / "a.nii", inputs["volume"](spacing=[2, 2, 2])
    elif kind == "dicom":
        pixels = rng.integers(0, 4095, (16, 16)).astype(np.uint16)
        path, block = (
            io.write_dicom_image(tmp_path / "a.dcm", pixels, patient_id="p", seed="1", bits=12),
            inputs["image"](),
        )
    else:
        path, block = (
            io.write_png(tmp_path / "a.png", rng.integers(0, 255, (16, 16), dtype=np.uint8)),
            inputs["image"](),
        )
    whole = path.read_bytes()
    plain = block.model_copy(update={"max_voxels": 10_000}).model_dump(mode="json")
    kept = 0
    for _ in range(60):
        mutant = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 1500), size=rng.integers(1, 6)):
            mutant[place] = rng.integers(0, 256)
        path.write_bytes(mutant[: rng.integers(len(whole) // 2, len(whole) + 1)] if rng.random() < 0.2 else mutant)
        outcome = process(Job("x", (path,), ()), plain, tmp_path / "store")
        assert bool(outcome.key) != bool(outcome.reason)
        assert str(tmp_path) not in outcome.reason
        if outcome.key:
            kept += 1
            tensor = store.load(store.sample_path(tmp_path / "store", outcome.key))["input"]
            assert np.isfinite(tensor.astype(np.float32)).all()
            assert tensor.size <= 200_000
    assert kept < 60
