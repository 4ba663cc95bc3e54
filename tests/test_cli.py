"""The commands, as a user types them: what they answer, what they refuse, and what they do not import."""

from __future__ import annotations

import csv
import gzip
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import SimpleITK as sitk
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from scantune import io
from scantune.cli import app
from scantune.records import ScantuneError

HEAVY = "{'torch', 'pandas', 'mlflow', 'matplotlib', 'scipy.stats', 'sklearn', 'monai', 'cv2', 'pydicom'}"


def call(*arguments: object, ok: bool = True) -> str:
    done = CliRunner().invoke(app, [str(a) for a in arguments])
    if ok and done.exception is not None:
        raise done.exception
    return done.output


def python(code: str, *arguments: object, **more: str) -> str:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "arguments, option",
    [
        (["score", "a.csv", "--task", "zones", "--task", "regression"], "--task"),
        (["show", "digits", "--out", "a.png", "--out", "b.png"], "--out"),
        (["convert", "masks", "a.json", "--out", "a", "--out", "b"], "--out"),
    ],
)
def test_option_of_one_value_that_is_stated_twice_is_refused_rather_than_the_last_taken(arguments, option):
    with pytest.raises(ScantuneError, match=f"^{option} is stated 2 times and takes one value"):
        call(*arguments)


# --- starting up


def test_help_needs_no_heavy_library_nor_numpy():
    code = (
        "import sys; from typer.testing import CliRunner; from scantune.cli import app; "
        "text = CliRunner().invoke(app, ['--help']).output; "
        f"print(sorted(({HEAVY} | {{'numpy', 'pydantic'}}) & set(sys.modules)), 'predict' in text)"
    )
    assert python(code).strip() == "[] True"


def test_help_lists_every_command_in_a_section_by_a_whole_line():
    sections = [section.splitlines() for section in call("--help").split("\n\n")[3:]]
    listed = {line.split()[0]: line for title, *lines in sections for line in lines}
    assert {"Data:", "Training:", "Models in use:"} <= {title for title, *_ in sections}
    assert set(listed) == {name for name, command in get_command(app).commands.items() if not command.hidden}
    assert all(len(line.split()) > 2 and "..." not in line and len(line) <= 80 for line in listed.values())


def test_versions_are_told_without_loading_the_libraries():
    code = (
        "import sys; from typer.testing import CliRunner; from scantune.cli import app; "
        "text = CliRunner().invoke(app, ['--version']).output; "
        f"print(sorted({HEAVY} & set(sys.modules))); print(text)"
    )
    loaded, *lines = python(code).split("\n")
    assert loaded == "[]"
    told = dict(line.split(" ", 1) for line in lines if line)
    assert told["torch"] == importlib.metadata.version("torch")
    assert told["scantune"]
    assert told["Python"]


def test_score_and_compare_need_neither_pytorch_nor_pandas(files):
    code = (
        "import sys; from scantune.cli import app\n"
        "try: app(sys.argv[1:])\n"
        f"finally: print('loaded', sorted({HEAVY} & set(sys.modules)))"
    )
    out = files / "m.json"
    assert "loaded []" in python(code, "score", files / "a.csv", "--task", "regression", "--out", out)
    assert "loaded []" in python(code, "compare", files / "a.csv", files / "b.csv", "--task", "regression")


def test_a_fault_that_a_user_can_mend_is_a_message_without_a_traceback(tmp_path):
    command = [sys.executable, "-m", "scantune.cli", "score", "nothing.csv", "--task", "regression"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    assert "nothing.csv: no such file" in done.stderr
    assert "Traceback" not in done.stderr


# --- score and compare


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    target = rng.uniform(0, 10, 60)
    for name, spread in (("a", 2.0), ("b", 0.2)):
        guess = target + rng.normal(0, spread, 60)
        rows = [f"s{i},p{i // 2},{t:.4f},{g:.4f}" for i, (t, g) in enumerate(zip(target, guess))]
        (tmp_path / f"{name}.csv").write_text("sample_id,subject_id,target,prediction\n" + "\n".join(rows) + "\n")
    return tmp_path


def test_score_writes_every_figure_and_prints_the_headline(files):
    out = files / "metrics.json"
    text = call("score", files / "a.csv", "--task", "regression", "--out", out, "--draws", 200)
    metrics = json.loads(out.read_text())
    assert "60 samples of 30 subjects" in text
    with (files / "a.csv").open() as file:
        rows = [(float(row["target"]), float(row["prediction"])) for row in csv.DictReader(file)]
    mae = np.mean([abs(t - g) for t, g in rows])
    assert metrics["metrics"]["mae"]["value"] == pytest.approx(mae)
    assert f"mae: {mae:.4f} (" in text


def test_calibration_error_is_printed_with_the_range_of_a_calibrated_model(tmp_path):
    rng = np.random.default_rng(0)
    share = rng.uniform(0, 1, 80).round(3)
    rows = [f"s{i},{'yes' if rng.random() < p else 'no'},{p}" for i, p in enumerate(share)]
    (tmp_path / "p.csv").write_text("sample_id,target,p/yes\n" + "\n".join(rows) + "\n")
    out = tmp_path / "m.json"
    text = call("score", tmp_path / "p.csv", "--task", "classification", "--set", "classes=[no,yes]", "--out", out)
    ece = json.loads(out.read_text())["metrics"]["ece"]
    assert f"ece: {ece['value']:.4f} (of a calibrated model by chance {ece['consistency_lower']:.4f} … " in text
    assert max(map(len, text.splitlines())) < 120


def test_score_takes_settings_of_the_task_and_names_a_wrong_one(files):
    out = files / "m.json"
    call(
        "score", files / "a.csv", "--task", "regression", "--out", out, "--draws", 200, "--set", "significant_error=50"
    )
    assert json.loads(out.read_text())["metrics"]["clinical_error_rate"]["value"] == 0
    with pytest.raises(ScantuneError, match=r"significant_eror.*regression has the settings .*significant_error"):
        call("score", files / "a.csv", "--task", "regression", "--set", "significant_eror=50")
    with pytest.raises(ScantuneError, match="there are classification, multilabel, regression"):
        call("score", files / "a.csv", "--task", "regresion")


def test_compare_decides_in_the_stated_figure(files):
    arguments = ("compare", files / "a.csv", files / "b.csv", "--task", "regression", "--primary", "mae")
    text = call(*arguments, "--margin", 0.5, "--out", files / "c.json", "--draws", 200)
    assert "mae, margin 0.5: not inferior; superior" in text
    assert json.loads((files / "c.json").read_text())["decision"]["superior"] is True
    lines = (files / "b.csv").read_text().splitlines()
    (files / "short.csv").write_text("\n".join(lines[:-1]) + "\n")
    with pytest.raises(ScantuneError, match=r"1 sample of a\.csv is not in short\.csv: s59"):
        call("compare", files / "a.csv", files / "short.csv", "--task", "regression")


# --- check, index, init


@pytest.fixture
def cohort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with eight small pictures, two of them the same and one no picture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    rng = np.random.default_rng(1)
    rows = []
    for i in range(8):
        picture = rng.integers(0, 255, (12, 12), dtype=np.uint8)
        Path("files").mkdir(exist_ok=True)
        io.write_png(Path("files") / f"p{i}_a.png", picture)
        rows.append(f"p{i},{i % 2},{'F' if i % 3 else 'M'}")
    Path("files/p1_a.png").write_bytes(Path("files/p0_a.png").read_bytes())
    Path("files/p7_a.png").write_bytes(b"no picture")
    Path("files/table.csv").write_text("patient_id,label,sex\n" + "\n".join(rows) + "\n")
    return tmp_path


def blocks_of(text: str) -> dict:
    return yaml.safe_load(text)


def test_init_finds_the_files_by_their_names_and_its_blocks_are_valid(cohort):
    blocks = blocks_of(call("init", "files/table.csv", "--name", "mine"))
    dataset = blocks["datasets"]["mine"]
    assert dataset["files"] == "{patient_id}_a.png"
    assert dataset["subject"] == "patient_id"
    assert dataset["groups"] == ["sex"]
    assert dataset["targets"] == {"label": "label"}
    assert blocks["inputs"]["mine"]["modality"] == "image"
    assert blocks["experiments"]["mine"]["task"] == {"name": "classification", "target": "label"}


def test_init_forms_no_group_by_what_is_to_be_predicted(cohort):
    lines = Path("files/table.csv").read_text().splitlines()
    ages = [63, 41, 77, 58, 35, 69, 50, 81]
    rows = [f"{line},{age},{age}Y" for line, age in zip(lines[1:], ages)]
    Path("files/table.csv").write_text("\n".join([lines[0] + ",age,age at scan", *rows]) + "\n")
    blocks = blocks_of(call("init", "files/table.csv", "--name", "mine", "--target", "age"))
    assert blocks["datasets"]["mine"]["groups"] == ["sex"]
    blocks = blocks_of(call("init", "files/table.csv", "--name", "mine"))
    assert blocks["datasets"]["mine"]["groups"] == ["sex", "age", "age at scan"]
    assert "groups" in blocks["datasets"]["mine"]


def test_init_says_what_it_cannot_find(cohort):
    Path("bare.csv").write_text("name,score\nx,1\ny,2\n")
    with pytest.raises(ScantuneError, match="no column of the table matches files"):
        call("init", "bare.csv")
    with pytest.raises(ScantuneError, match="--target 'labl': no such column; there are patient_id, label, sex"):
        call("init", "files/table.csv", "--target", "labl")


def test_init_for_volumes_named_by_subject_and_session(tmp_path):
    for subject in ("s01", "s02", "s03"):
        volume = io.Volume(np.random.default_rng(2).random((20, 24, 22), np.float32), np.diag([1.5, 1.5, 1.5, 1.0]))
        io.write_nifti(tmp_path / f"{subject}_v1_brain.nii.gz", volume)
    rows = "s01,v1,3.5\ns02,v1,7\ns03,v1,0\n"
    (tmp_path / "t.csv").write_text("anonymized_subject_id,anonymized_session_id,loes-score\n" + rows)
    blocks = blocks_of(call("init", tmp_path / "t.csv"))
    assert blocks["datasets"]["t"]["files"] == "{anonymized_subject_id}_{anonymized_session_id}_brain.nii.gz"
    assert blocks["datasets"]["t"]["targets"] == {"loes_score": "loes-score"}
    assert blocks["inputs"]["t"]["modality"] == "volume"
    assert blocks["inputs"]["t"]["spacing"] == [1.5, 1.5, 1.5]


def test_init_sees_zones_masks_and_readers(tmp_path):
    rng = np.random.default_rng(3)
    for i in range(4):
        for folder in ("films", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
            io.write_png(tmp_path / folder / f"{i}.png", rng.integers(0, 255, (12, 12), dtype=np.uint8))
    zones = ["right_sup", "left_sup", "right_mid", "left_mid", "right_inf", "left_inf"]
    rows = [f"films/{i}.png;" + ";".join(str(grade % 4) for grade in range(i, i + 6)) for i in range(4)]
    (tmp_path / "zones.csv").write_text("file;" + ";".join(zones) + "\n" + "\n".join(rows) + "\n")
    blocks = blocks_of(call("init", tmp_path / "zones.csv"))
    assert blocks["experiments"]["zones"]["task"] == {"name": "zones"}
    assert blocks["datasets"]["zones"]["targets"] == zones
    rows = [f"films/{i}.png,masks/{i}.png" for i in range(4)]
    (tmp_path / "drawn.csv").write_text("file,mask\n" + "\n".join(rows) + "\n")
    blocks = blocks_of(call("init", tmp_path / "drawn.csv"))
    assert blocks["datasets"]["drawn"]["masks"] == "{mask}"
    assert blocks["experiments"]["drawn"]["model"]["backbone"] == "plain_unet"
    rows = [f"films/{i}.png,{i % 2},{i % 2},{i // 2}" for i in range(4)]
    (tmp_path / "read.csv").write_text("file,label,reader_1,reader_2\n" + "\n".join(rows) + "\n")
    blocks = blocks_of(call("init", tmp_path / "read.csv"))
    assert blocks["datasets"]["read"]["raters"] == ["reader_1", "reader_2"]
    assert blocks["datasets"]["read"]["targets"] == {"label": "label"}


def test_a_folder_to_predict_is_a_series_or_what_lies_in_it(tmp_path):
    from scantune.commands.named_samples import samples_of

    volume = io.Volume(np.random.default_rng(2).random((4, 5, 6), np.float32), np.diag([1.5, 1.5, 1.5, 1.0]))
    io.write_dicom_series(tmp_path / "all" / "one", volume, patient_id="P1", seed="s")
    io.write_nifti(tmp_path / "all" / "two.nii.gz", volume)
    (tmp_path / "all" / "notes.txt").write_text("not an image")
    assert samples_of(tmp_path / "all" / "one")[0] == [tmp_path / "all" / "one"]
    assert [p.name for p in samples_of(tmp_path / "all")[0]] == ["notes.txt", "one", "two.nii.gz"]
    assert len(samples_of(tmp_path / "all", series=False)[0]) == 6
    (tmp_path / "bare").mkdir()
    assert samples_of(tmp_path / "bare")[0] == [tmp_path / "bare"]
    for slice_ in (tmp_path / "all" / "one").iterdir():  # packed one by one it is the same series
        slice_.with_suffix(".dcm.gz").write_bytes(gzip.compress(slice_.read_bytes()))
        slice_.unlink()
    assert samples_of(tmp_path / "all" / "one")[0] == [tmp_path / "all" / "one"]


def with_params() -> None:
    blocks = blocks_of(call("init", "files/table.csv", "--name", "mine"))
    blocks["inputs"]["mine"] |= {"shape": [12, 12], "workers": 1}
    blocks["datasets"]["mine"]["max_excluded_fraction"] = 0.5
    assert blocks["datasets"]["mine"].pop("where") == {
        "patient_id": {"exclude": ["p0", "p1"]}
    }  # copies with two targets
    Path("params.yaml").write_text(yaml.safe_dump(blocks))


def test_check_tells_what_is_odd_and_writes_a_page(cohort):
    with_params()
    text = call("check", "mine")
    assert "it is not DICOM, NIfTI, NRRD, MetaImage, a picture" in text
    page = Path(".scantune/check/mine/check.html").read_text()
    findings = json.loads(Path(".scantune/check/mine/check.json").read_text())
    assert list(findings["excluded"]) == ["p7"]
    assert findings["duplicates"] == [["p0", "p1"]]
    assert str(cohort) not in page
    with pytest.raises(ScantuneError, match="'mien' is not in datasets"):
        call("check", "mien")


def test_check_of_the_cache_finds_a_changed_byte(cohort):
    from tests.stages.conftest import run_stages

    with_params()
    with pytest.raises(ScantuneError, match="dvc repro preprocess@mine"):
        call("check", "mine", "--cache")
    run_stages(cohort, "preprocess mine")
    assert "all prepared samples are intact" in call("check", "mine", "--cache")
    sample = Path("data/cache/mine/samples/p3.safetensors")
    content = bytearray(sample.read_bytes())
    content[-5] ^= 1
    sample.unlink()  # it is a link into the store
    sample.write_bytes(content)
    with pytest.raises(ScantuneError, match="1 prepared sample is damaged: p3"):
        call("check", "mine", "--cache")


def test_index_reads_only_what_changed(cohort):
    assert "9 files, 9 read" in call("index", "files", "--out", "i.csv")
    Path("files/p2_a.png").write_bytes(b"other")
    assert "9 files, 1 read" in call("index", "files", "--out", "i.csv")
    with pytest.raises(ScantuneError):
        call("index", "files")
    with_params()
    assert "9 files" in call("index", "mine")
    assert Path(".scantune/index/mine.csv").exists()


# --- predict


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with random weights that gives a score with an interval."""
    import torch

    from scantune import models
    from scantune.registry.model import ModelFacts, save_model

    torch.manual_seed(0)
    backbone = models.build("small_cnn", modality="image", in_channels=1, size=(12, 12))
    network = models.Network(backbone, torch.nn.Linear(backbone.feature_dim, 1)).eval()
    facts = ModelFacts(
        name="tiny",
        dataset="mine",
        task={"name": "regression", "target": "score"},
        input={"dataset": "mine", "modality": "image", "shape": [12, 12]},
        fitted={"conformal": {"quantile": 0.5}},
    )
    save_model(tmp_path / "model", facts, [network])
    return tmp_path / "model"


def answers(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_one_bad_file_gets_a_reason_and_ends_nothing(cohort, model):
    text = call("predict", model, "files/p0_a.png", "files/p7_a.png", "none.png", "files/p2_a.png", "--out", "a.csv")
    rows = answers(Path("a.csv"))
    assert "2 predictions, 2 unusable samples" in text
    assert [row["file"] for row in rows] == ["files/p0_a.png", "files/p7_a.png", "none.png", "files/p2_a.png"]
    assert [bool(row["reason"]) for row in rows] == [False, True, True, False]
    assert float(rows[0]["prediction"]) == float(rows[0]["prediction"])
    assert rows[1]["prediction"] == ""


def test_maps_of_where_the_model_looked_come_beside_the_answers(cohort, model):
    call("predict", model, "files/p0_a.png", "files/p7_a.png", "files/p2_a.png", "--out", "a.csv", "--maps", "maps")
    call("predict", model, "files/p0_a.png", "--out", "a.csv", "--maps", "maps")
    assert sorted(path.name for path in Path("maps").iterdir()) == ["p0_a.png", "p0_a_2.png", "p2_a.png"]
    assert all(path.stat().st_size > 5000 for path in Path("maps").iterdir())


def test_answers_do_not_depend_on_the_batch_and_a_list_does_as_well(cohort, model):
    Path("list.txt").write_text("files/p0_a.png\n\nfiles/p2_a.png\nfiles/p3_a.png\n")
    call("predict", model, "--list", "list.txt", "--out", "one.csv", "--batch-size", 1)
    call("predict", model, "--list", "list.txt", "--out", "all.csv")
    one, whole = answers(Path("one.csv")), answers(Path("all.csv"))
    assert [float(r["prediction"]) for r in one] == pytest.approx([float(r["prediction"]) for r in whole], abs=1e-5)
    with pytest.raises(ScantuneError, match="name files"):
        call("predict", model)


def test_a_score_goes_back_as_a_structured_report(cohort, model):
    import pydicom

    pixels = np.arange(144, dtype=np.uint8).reshape(12, 12)
    source = io.write_dicom_image("x.dcm", pixels, patient_id="p0", seed="a", spacing=(0.2, 0.2))
    text = call("predict", model, source, "files/p0_a.png", "--out", "a.csv", "--sr", "sr")
    (report,) = Path("sr").iterdir()
    stored, own = pydicom.dcmread(report), pydicom.dcmread(source)
    assert stored.Modality == "SR"
    assert stored.StudyInstanceUID == own.StudyInstanceUID
    assert "p0" not in report.name
    listing = str(stored)
    value = float(answers(Path("a.csv"))[0]["prediction"])
    assert f"{value:.6g}"[:6] in listing
    assert "refers to a DICOM study" in text, "the PNG has no study; the answer stands all the same"
    assert not any(row["reason"] for row in answers(Path("a.csv")))
    assert [row["report"] for row in answers(Path("a.csv"))] == [report.name, ""], "whose report it is"
    assert "refers to a DICOM study" in answers(Path("a.csv"))[1]["report_reason"]
    assert answers(Path("a.csv"))[0]["report_reason"] == ""


def test_a_mask_goes_back_onto_the_series_it_came_from(tmp_path):
    import pydicom

    from scantune.preprocess import prepare
    from scantune.registry import results
    from scantune.registry.model import ModelFacts
    from scantune.registry.predictor import Answer

    rng = np.random.default_rng(0)
    array = rng.integers(0, 100, (5, 8, 7)).astype(np.float32)
    affine = np.diag([1.5, 1.0, 3.0, 1.0])
    io.write_dicom_series(tmp_path / "ct", io.Volume(array, affine), patient_id="p", seed="s", modality="CT")
    settings = {"dataset": "d", "modality": "volume", "intensity": {"name": "none"}, "dtype": "float32"}
    prepared = prepare([tmp_path / "ct"], [], settings)
    answer = Answer({}, mask=(array > 60).astype(np.uint8), prepared=prepared)
    task = {"name": "segmentation", "classes": ["background", "bright"]}
    opened = SimpleNamespace(facts=ModelFacts("m", "d", task, settings))
    path = results.write_mask(tmp_path / "seg", tmp_path / "ct", answer, opened)
    for slice_ in (tmp_path / "ct").iterdir():  # de-identification took away what may be blank but not absent
        header = pydicom.dcmread(slice_)
        for keyword in ("PatientBirthDate", "PatientSex", "StudyTime", "ReferringPhysicianName"):
            delattr(header, keyword)
        header.save_as(slice_)
    path = results.write_mask(tmp_path / "seg", tmp_path / "ct", answer, opened)
    segmentation = pydicom.dcmread(path)
    assert segmentation.Modality == "SEG"
    assert segmentation.SegmentSequence[0].SegmentLabel == "bright"
    assert int(segmentation.pixel_array.sum()) == int((array > 60).sum())
    nifti = tmp_path / "v.nii.gz"
    io.write_nifti(nifti, io.Volume(array, affine))
    prepared = prepare([nifti], [], settings | {"shape": [4, 4, 5]})  # a crop of it
    answer = Answer({}, mask=(array > 60).astype(np.uint8), prepared=prepared)
    back = io.read(results.write_mask(tmp_path / "seg", nifti, answer, opened)).array
    assert np.array_equal(back, array > 60)
    nrrd = tmp_path / "v.nrrd"
    sitk.WriteImage(sitk.ReadImage(str(nifti)), str(nrrd))
    prepared = prepare([nrrd], [], settings)
    answer = Answer({}, mask=(array > 60).astype(np.uint8), prepared=prepared)
    path = results.write_mask(tmp_path / "seg", nrrd, answer, opened)
    assert path.name.endswith(".nii.gz")
    assert np.array_equal(io.read(path).array, array > 60)
    scan, mask = (sitk.ReadImage(str(name)) for name in (nrrd, path))
    assert (mask.GetSize(), mask.GetOrigin(), mask.GetDirection()) == (
        scan.GetSize(), scan.GetOrigin(), scan.GetDirection()
    ), "stored voxel by voxel as its source"  # fmt: skip


def test_a_model_from_outside_is_opened_by_our_own_code_or_not_at_all(cohort, model):
    other = cohort / "other"
    other.mkdir()
    flavour = {"loader_module": "evil", "data": "data", "python_version": "3.11"}
    (other / "MLmodel").write_text(yaml.safe_dump({"flavors": {"python_function": flavour}}))
    with pytest.raises(ScantuneError, match="--trust"):
        call("predict", other, "files/p0_a.png")
    ours = cohort / "ours"
    (ours / "data").mkdir(parents=True)
    (ours / "code").mkdir()
    (ours / "code" / "scantune.py").write_text("raise SystemExit('its code was run')")
    model.rename(ours / "data" / "model")
    flavour |= {"loader_module": "scantune.registry.pyfunc", "data": "data/model", "code": "code"}
    (ours / "MLmodel").write_text(yaml.safe_dump({"flavors": {"python_function": flavour}}))
    assert "1 prediction," in call("predict", ours, "files/p0_a.png", "--out", "a.csv")
    flavour["data"] = "../other"
    (ours / "MLmodel").write_text(yaml.safe_dump({"flavors": {"python_function": flavour}}))
    with pytest.raises(ScantuneError, match="--trust"):
        call("predict", ours, "files/p0_a.png")
    with pytest.raises(ScantuneError, match="no such folder"):
        call("predict", "nowhere", "files/p0_a.png")


@pytest.mark.parametrize(
    "arguments",
    [
        ("search", "small", "--n-trials", "-3"),
        ("search", "small", "--timeout", "-1"),
        ("predict", "model", "file.png", "--batch-size", "0"),
        ("show", "small", "-n", "0"),
    ],
)
def test_a_number_that_cannot_be_is_refused_by_its_option(arguments: tuple[str, ...]) -> None:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 2
    assert f"Invalid value for '{arguments[-2]}': Input should be greater than or equal to" in done.output


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("predict model film.png --map-method hirescam", "--map-method and --map-layer are of --maps FOLDER"),
        ("predict model film.png --map-layer layer2", "--map-method and --map-layer are of --maps FOLDER"),
        ("search small --from best.yaml", "--from best.yaml is the file of settings for --train-best"),
        ("search small --train-best --n-trials 5", "--n-trials: without effect, since --train-best"),
        ("search small --train-best --sweep s.yaml", "--sweep: without effect, since --train-best"),
        ("search small --sweep s.yaml --timeout 5", "--timeout: without effect, since --sweep"),
        ("checkpoints small --best --summary", "--best, --summary and --continue-from are three questions"),
        ("checkpoints small --best --continue-from 0", "--best, --summary and --continue-from are three questions"),
        ("init . --out blocks.yaml --add", "--out blocks.yaml is a file of its own, --add inserts into params.yaml"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(command: str, why: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, command.split())
    assert isinstance(done.exception, ScantuneError)
    assert why in str(done.exception)
    assert not list(tmp_path.iterdir())
