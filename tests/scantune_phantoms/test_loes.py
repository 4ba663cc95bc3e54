import csv
import hashlib
import re
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from scantune import cohort, demos, io
from scantune.config.dataset import DatasetConfig
from scantune.records import ReadError, ScantuneError
from scantune_phantoms.loes import FILES, unusable
from tests.preprocess.direct import prepare_volume

COLUMNS = [
    *("anonymized_subject_id", "anonymized_session_id", "scan", "loes-score", "Gd-enhanced", "training", "validation"),
    *("sex", "age", "site", "scanner", "reader_1", "reader_2", "date", "file"),
]


def rows_of(made):
    with made.table.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return demos.make("loes", tmp_path_factory.mktemp("loes"), n=20, workers=1, spacing=5.0, masks=True)


@pytest.mark.slow
def test_the_table_names_every_file(made):
    rows = rows_of(made)
    assert list(rows[0]) == [*COLUMNS, "mask"]
    assert len(rows) == made.n_samples > made.n_subjects == 20
    assert len({row["anonymized_subject_id"] for row in rows}) == 20
    assert all((made.folder / row["file"]).exists() and (made.folder / row["mask"]).is_file() for row in rows)
    folders = [row for row in rows if (made.folder / row["file"]).is_dir()]
    assert 0 < len(folders) < len(rows) / 2
    for row in (row for row in rows if row not in folders):
        assert row["file"] == FILES.format_map(row)
    for row in rows:
        for key in ("loes-score", "reader_1", "reader_2"):
            assert 0 <= float(row[key]) <= 34
            assert float(row[key]) * 2 == int(float(row[key]) * 2)
    assert {row["training"] + row["validation"] for row in rows} <= {"00", "01", "10"}


@pytest.mark.slow
def test_one_dataset_block_reads_both_kinds(made):
    block = DatasetConfig(
        root=str(made.folder), table="cohort.csv", files="{file}", masks="{mask}", subject="anonymized_subject_id",
        sample="{scan}", targets={"loes": "loes-score"}, groups=["sex", "age", "site", "scanner"],
        raters={"one": "reader_1", "two": "reader_2"}, order="date", where={"Gd-enhanced": 0},
        split={"method": "predefined", "columns": {"train": "training", "validation": "validation"}, "rest": "test"},
    )  # fmt: skip
    records = cohort.load(block, made.folder)
    assert 0 < len(records) <= made.n_samples
    assert {len(record.files) for record in records} == {1}
    assert any(record.files[0].is_dir() for record in records)
    assert any(record.files[0].is_file() for record in records)
    bad = set(made.unusable)
    for record in [record for record in records if record.sample_id not in bad][:6]:
        prepared = prepare_volume(record.files, record.masks, spacing=(5, 5, 5), intensity={"name": "zscore"})
        assert prepared.tensor.shape == (1, 32, 41, 32)
        assert prepared.mask is not None
        assert prepared.mask.shape == prepared.tensor.shape


def test_the_template_reads_the_layout_without_dicom(tmp_path):
    made = demos.make("loes", tmp_path, n=4, workers=1, spacing=6.0, layout="nifti")
    block = DatasetConfig(
        root=str(tmp_path),
        table="cohort.csv",
        files=FILES,
        subject="anonymized_subject_id",
        targets={"l": "loes-score"},
    )
    records = cohort.load(block, tmp_path)
    assert len(records) == made.n_samples
    assert all(record.files[0].is_file() for record in records)
    assert not (tmp_path / "dicom").exists()


@pytest.mark.slow
def test_both_kinds_of_file_hold_the_same_scan(tmp_path):
    mixed = demos.make("loes", tmp_path / "mixed", n=14, workers=1, spacing=5.0, unusable=False)
    plain = demos.make("loes", tmp_path / "plain", n=14, workers=1, spacing=5.0, layout="nifti", unusable=False)
    pairs = [(one, two) for one, two in zip(rows_of(mixed), rows_of(plain)) if one["file"].startswith("dicom")]
    assert {one["scanner"] for one, _ in pairs} == {"borealis-3T", "cirrus-1.5T"}  # cut in two planes
    for one, two in pairs:
        series, file = io.read(mixed.folder / one["file"]), io.read(plain.folder / two["file"])
        assert np.array_equal(series.array, file.array)
        assert np.allclose(series.affine, file.affine, atol=1e-6)


def test_every_file_says_that_it_is_synthetic(made):
    for path in made.folder.rglob("*.nii.gz"):
        if path.stem.split("_space")[0] not in made.unusable:
            assert b"SYNTHETIC" in bytes(nibabel.load(path).header["descrip"])
    for path in made.folder.glob("dicom/*/0001.dcm"):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        assert "SYNTHETIC" in header.SeriesDescription
        assert "SYNTHETIC" in header.ImageComments
    assert re.search("synthetic", (made.folder / "README.md").read_text(), re.IGNORECASE)


def test_the_broken_files_are_refused_and_only_they(made):
    assert set(made.unusable.values()) == set(unusable.FAULTS)
    words = {"missing slice": "missing", "truncated file": "cut short", "no position": "position", "all zero": "value"}
    for row in rows_of(made):
        fault = made.unusable.get(row["scan"])
        if fault is None:
            assert io.read(made.folder / row["file"]).array.max() > 100
            continue
        with pytest.raises(ReadError, match=words[fault]):
            io.read(made.folder / row["file"])


def test_workers_change_no_byte_and_the_seed_does(tmp_path):
    for workers in (1, 2):
        demos.make("loes", tmp_path / f"w{workers}", n=2, workers=workers, spacing=6.0, seed=5, masks=True)
    demos.make("loes", tmp_path / "other", n=2, workers=1, spacing=6.0, seed=6, masks=True)
    first = digests(tmp_path / "w1")
    assert first == digests(tmp_path / "w2")
    assert first["cohort.csv"] != digests(tmp_path / "other")["cohort.csv"]


def test_a_confounder_ties_the_scanner_to_the_score(tmp_path):
    made = demos.make("loes", tmp_path, n=24, workers=1, spacing=6.0, layout="nifti", confounder=True, unusable=False)
    rows = rows_of(made)
    score = np.array([float(row["loes-score"]) for row in rows])
    second = np.array([row["scanner"] == "cirrus-1.5T" for row in rows])
    assert score[second].mean() > score[~second].mean() + 5
    from scantune_phantoms.loes.scanner import capsule_box

    for row, marked in zip(rows[:8], second[:8]):
        array = io.read(tmp_path / row["file"]).array
        assert (array[capsule_box(array.shape)].max() > 0) == marked


def test_the_other_site_has_another_scanner(tmp_path):
    made = demos.make("loes", tmp_path, n=2, workers=1, spacing=6.0, site="b")
    assert {row["scanner"] for row in rows_of(made)} == {"tramont-1.5T"}
    assert all(row["anonymized_subject_id"].startswith("subject-b") for row in rows_of(made))


def test_options_out_of_range_are_named(tmp_path):
    with pytest.raises(ScantuneError, match="site: 'c'"):
        demos.make("loes", tmp_path, site="c")
    with pytest.raises(ScantuneError, match="n: 0"):
        demos.make("loes", tmp_path, n=0)
    with pytest.raises(ScantuneError, match=r"confounder.*two scanners"):
        demos.make("loes", tmp_path, site="b", confounder=True)
