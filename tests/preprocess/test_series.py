"""A table that names one of a folder's several series, and files whose geometry is a matter of choice."""

import csv
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
from pydantic import ValidationError

from scantune import cohort, io, preprocess
from scantune.config.dataset import DatasetConfig
from scantune.io.dicom_series import digest
from scantune.preprocess import store
from scantune.records import ReadError, Record


def study(folder: Path, volumes, name: str) -> dict[str, io.Volume]:
    """A folder with three series of different values, told apart by their own number, description and UID."""
    smooth, _ = volumes
    made = {}
    for number, (description, shape) in enumerate(
        [("T1 MPRAGE", (6, 10, 8)), ("T1 MPRAGE post Gd", (6, 10, 8)), ("FLAIR", (5, 9, 7))], start=3
    ):
        volume = smooth(shape, (1.0, 1.0, 2.0))
        volume = io.Volume(np.rint(volume.array) + 100 * number, volume.affine)
        tags = {"SeriesDescription": description, "SeriesNumber": number}
        io.write_dicom_series(folder / str(number), volume, patient_id=name, seed=f"{name}{number}", tags=tags)
        made[description] = volume
    return made


@pytest.fixture
def studies(tmp_path, volumes):
    return {name: study(tmp_path / "raw" / name, volumes, name) for name in ("DOE_a", "DOE_b")}


@pytest.fixture
def prepared(tmp_path, inputs):
    """Prepare the rows of a table; give the summary, and the tensors in the rows' order."""

    def call(rows: list[list[str]], named: object, **keys: object):
        with (tmp_path / "raw" / "cohort.csv").open("w", newline="") as file:
            csv.writer(file).writerows([["study", "wanted"], *rows])
        block = DatasetConfig(root=str(tmp_path / "raw"), table="cohort.csv", files="{study}", series=named)
        read = cohort.read(block, tmp_path)
        settings = inputs["volume"](intensity="none", **keys)
        done = preprocess.run(read, settings, tmp_path / "out", tmp_path / "store", max_excluded_fraction=1.0)
        paths = [tmp_path / "out" / "samples" / f"{r.sample_id}.safetensors" for r in read.records]
        return done, read, [store.load(path)["input"][0] if path.exists() else None for path in paths]

    return call


def test_each_row_gets_the_series_that_it_names(studies, prepared, tmp_path):
    uid = pydicom.dcmread(next((tmp_path / "raw" / "DOE_b" / "5").iterdir())).SeriesInstanceUID
    for by, names in (
        ("number", ["3", "4", "5.0"]),
        ("description", ["t1 mprage", "T1  MPRAGE post Gd ", "flair"]),
    ):
        rows = [["DOE_a", names[0]], ["DOE_a", names[1]], ["DOE_b", names[2]]]
        done, read, tensors = prepared(rows, {"name": "{wanted}", "by": by})
        assert not done.excluded
        for tensor, name, what in zip(tensors, ("DOE_a", "DOE_a", "DOE_b"), studies["DOE_a"], strict=True):
            np.testing.assert_array_equal(tensor, studies[name][what].array)
        assert [r.subject_id for r in read.records] == ["DOE_a", "DOE_a", "DOE_b"]  # two series, one subject
    manifest = preprocess.read_manifest(tmp_path / "out" / "manifest.csv")
    assert len({sample.digest for sample in manifest}) == 3  # two series of a folder are not the same image
    short = manifest[2].row["sample_id"]
    for name in (uid, digest(uid), digest(uid)[:8]):
        _, _, tensors = prepared([["DOE_b", name]], "{wanted}")
        np.testing.assert_array_equal(tensors[0], studies["DOE_b"]["FLAIR"].array)
    assert uid not in short


def test_a_series_that_is_not_there_is_left_out_with_what_there_is(studies, prepared, tmp_path):
    done, read, _ = prepared([["DOE_a", "1.2.3.4"], ["DOE_b", ""], ["DOE_b/5", ""]], "{wanted}")
    assert [r.sample_id for r in read.records if r.sample_id not in done.excluded] == [read.records[2].sample_id]
    named, blank, _ = (done.excluded.get(r.sample_id, "") for r in read.records)
    assert "3 series, and none of them is the named one" in named
    assert "number 4" in named
    assert "5 files" in named
    assert "no rule says which" in blank  # an empty cell names nothing
    done, _, tensors = prepared([["DOE_b", ""], ["DOE_a", "4"]], {"name": "{wanted}", "by": "number"}, series="flair")
    np.testing.assert_array_equal(tensors[0], studies["DOE_b"]["FLAIR"].array)
    np.testing.assert_array_equal(tensors[1], studies["DOE_a"]["T1 MPRAGE post Gd"].array)
    written = "".join(p.read_text() for p in (tmp_path / "out").iterdir() if p.is_file())
    for secret in ("MPRAGE", "1.2.3.4", str(tmp_path)):
        assert secret not in written


def test_a_single_file_of_another_series_is_not_taken_for_the_one_that_is_named(inputs, tmp_path, rng):
    folder = tmp_path / "views"
    for number, name in enumerate(("L CC", "R MLO"), start=1):
        io.write_dicom_image(
            folder / f"{number}.dcm", np.full((8, 8), 40 * number, np.uint16) + np.eye(8, dtype=np.uint16),
            patient_id="p", seed=name, bits=12, tags={"SeriesDescription": name, "SeriesNumber": number},
        )  # fmt: skip
    block = inputs["image"](intensity="none")
    sample = preprocess.prepare([folder], [], block, ("description", "r mlo"))
    assert sample.tensor.max() == 81
    assert preprocess.prepare([folder / "1.dcm"], [], block, ("number", "1")).tensor.max() == 41
    with pytest.raises(ReadError, match="1 series, and none of them is the named one"):
        preprocess.prepare([folder / "1.dcm"], [], block, ("number", "2"))


def test_the_form_to_trust_is_a_choice_and_the_manifest_notes_it(inputs, tmp_path, volumes):
    smooth, _ = volumes
    values = np.asarray(smooth((6, 10, 8)).array.transpose(2, 1, 0), np.float32)  # i, j, k
    records = []
    for name, sform in (("same", np.eye(4)), ("turned", np.diag([-1.0, 1, 1, 1]))):
        image = nibabel.Nifti1Image(values, np.eye(4))
        image.set_qform(np.eye(4), 1)
        image.set_sform(sform, 1)
        nibabel.save(image, tmp_path / f"{name}.nii")
        records.append(Record(name, name, (tmp_path / f"{name}.nii",)))
    run = {}
    for choice in ("refuse", "sform", "qform"):
        block = inputs["volume"](intensity="none", affine=choice)
        done = preprocess.run(
            records, block, tmp_path / choice, tmp_path / "store", max_excluded_fraction=1.0, progress=False
        )
        run[choice] = done, {m.sample_id: m for m in preprocess.read_manifest(tmp_path / choice / "manifest.csv")}
    assert "sform and qform disagree" in run["refuse"][0].excluded["turned"]
    assert not run["sform"][0].excluded
    assert not run["qform"][0].excluded
    tensors = {c: store.load(tmp_path / c / "samples" / "turned.safetensors")["input"] for c in ("sform", "qform")}
    np.testing.assert_array_equal(tensors["sform"], tensors["qform"][..., ::-1])
    for choice in ("sform", "qform"):
        notes = {name: m.row["notes"] for name, m in run[choice][1].items()}
        assert notes == {"same": "", "turned": f"sform and qform disagree; the {choice} is used, as configured"}


def test_a_loop_is_found_among_the_series_of_its_folder(inputs, tmp_path, rng):
    for number in (1, 2):
        frames = rng.integers(0, 100 * number, (4, 32, 32), dtype=np.uint8)
        tags = {"SeriesNumber": number, "SeriesDescription": f"A4C {number}"}
        io.write_cine(
            tmp_path / "study" / f"{number}.dcm", frames, patient_id="p", seed=str(number), encoding="raw", tags=tags
        )
    block = inputs["video"](frames=4, shape=[32, 32])
    assert preprocess.prepare([tmp_path / "study"], [], block, ("number", "1")).tensor.max() < 100
    assert preprocess.prepare([tmp_path / "study"], [], block, ("description", "a4c 2")).tensor.max() > 100
    words = preprocess.prepare([tmp_path / "study"], [], inputs["video"](frames=4, shape=[32, 32], series="a4c 2"))
    assert words.tensor.max() > 100
    with pytest.raises(ReadError, match="2 series, and no rule says which"):
        preprocess.prepare([tmp_path / "study"], [], block)


def test_monochrome1_that_was_inverted_stands_in_the_manifest(inputs, tmp_path, rng):
    pixels = rng.integers(0, 4000, (12, 12)).astype(np.uint16)
    path = io.write_dicom_image(
        tmp_path / "a.dcm", pixels, patient_id="p", seed="a", bits=12, photometric="MONOCHROME1"
    )
    preprocess.run([Record("a", "a", (path,))], inputs["image"](), tmp_path / "out", tmp_path / "store")
    (sample,) = preprocess.read_manifest(tmp_path / "out" / "manifest.csv")
    assert "MONOCHROME1 inverted" in sample.row["notes"]


def _two_echoes(folder: Path) -> Path:
    for at, echo in enumerate(("4.92", "7.38")):
        array = np.random.default_rng(at).integers(0, 900, (4, 8, 9)).astype(np.float32)
        scan = io.Volume(array, np.diag([1.0, 1.0, 2.0, 1.0]))
        paths = io.write_dicom_series(
            folder / echo, scan, patient_id="p", seed="echoes", tags={"EchoTime": echo, "AcquisitionNumber": at + 1}
        )
        for path in paths:
            dataset = pydicom.dcmread(path)
            dataset.SOPInstanceUID = f"{dataset.SOPInstanceUID[:50]}.{at}"
            dataset.save_as(path)
    return folder


def test_a_volume_is_chosen_by_the_input_or_by_the_row(tmp_path, inputs):
    folder = _two_echoes(tmp_path / "study")
    block = inputs["volume"](intensity="none", dtype="float32")
    with pytest.raises(ReadError, match=r"2 volumes in one series: say which.*echo_time: 4.92"):
        preprocess.prepare([folder], [], block)
    one, other = (
        preprocess.prepare([folder], [], inputs["volume"](intensity="none", dtype="float32", volume=how)).tensor
        for how in ({"echo_time": 4.92}, {"index": 1})
    )
    np.testing.assert_array_equal(other, preprocess.prepare([folder], [], block, None, ("echo_time", "7.38")).tensor)
    first = inputs["volume"](intensity="none", dtype="float32", volume="first")
    np.testing.assert_array_equal(one, preprocess.prepare([folder], [], first).tensor)
    row = preprocess.prepare([folder], [], first, None, ("index", "1"))
    np.testing.assert_array_equal(other, row.tensor)
    assert any(
        "one of 2 volumes of the series, by volume: {index: 1}: 1: echo time 7.38 (4 slices)" in note
        for note in row.facts["notes"]
    )
    mean = inputs["volume"](intensity="none", dtype="float32", volume="mean")
    np.testing.assert_allclose(preprocess.prepare([folder], [], mean).tensor, (one + other) / 2)


def test_the_old_key_of_a_volume_is_told(inputs):
    with pytest.raises(ValidationError, match=r"'volume_index' is now 'volume': write volume: \{index: 6\}"):
        inputs["volume"](volume_index=6)
    with pytest.raises(ValidationError, match="name a volume"):
        inputs["volume"](volume={})


def test_rows_of_one_series_name_its_volumes(tmp_path, inputs):
    _two_echoes(tmp_path / "raw" / "study")
    (tmp_path / "raw" / "cohort.csv").write_text("study,echo\nstudy,4.92\nstudy,7.38\nstudy,9\n")
    block = DatasetConfig(
        root=str(tmp_path / "raw"), table="cohort.csv", files="{study}", volume={"name": "{echo}", "by": "echo_time"}
    )
    read = cohort.read(block, tmp_path)
    settings = inputs["volume"](intensity="none", dtype="float32")
    preprocess.run(read, settings, tmp_path / "out", tmp_path / "store", max_excluded_fraction=1.0)
    manifest = list(csv.DictReader((tmp_path / "out" / "manifest.csv").open()))
    assert len({row["digest"] for row in manifest}) == len({row["tensor_digest"] for row in manifest}) == 2
    assert "volume: {echo_time: 7.38}" in manifest[1]["notes"]
    excluded = (tmp_path / "out" / "excluded.csv").read_text()
    assert "volume: {echo_time: 9} leaves 0 of 2 volumes in the series" in excluded
    (tmp_path / "raw" / "cohort.csv").write_text("study,echo\nstudy,short\n")
    with pytest.raises(cohort.CohortError, match="'short' is no echo_time: a number"):
        cohort.read(block, tmp_path)
