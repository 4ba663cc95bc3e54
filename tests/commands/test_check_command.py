"""``scantune check`` ends with a nonzero code over what stops a training, and lists each reason once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from typer.testing import CliRunner

from scantune.cli import app


@pytest.fixture
def project(tmp_path: Path, monkeypatch):
    """A project of eight pictures; gives a function that writes its table and checks it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    for k in range(8):
        pixels = np.random.default_rng(k).integers(0, 255, (16, 16), np.uint8)
        Image.fromarray(pixels).save(tmp_path / "scans" / f"i{k}.png")
        Image.fromarray((pixels > 99).astype(np.uint8) * np.uint8(255)).save(tmp_path / "scans" / f"m{k}.png")

    def run(rows: list[str], task: dict, **dataset: object):
        (tmp_path / "scans" / "t.csv").write_text("\n".join(rows) + "\n")
        block = {
            "root": "scans",
            "watch": "scans",
            "table": "t.csv",
            "files": "{file}",
            "sample": "{id}",
            "subject": "id",
        }
        params = {
            "quick": ["register@x"], "tracking": {"enabled": False, "require": False}, "demo": {},
            "datasets": {"x": {**block, **dataset}},
            "inputs": {"x": {"dataset": "x", "modality": "image", "shape": [16, 16], "workers": 1,
                             "backend": {"name": "threads"}}},
            "experiments": {"x": {"dataset": "x", "input": "x", "task": task,
                                  "model": {"backbone": "unet" if task["name"] == "segmentation" else "small_cnn"},
                                  "train": {}, "evaluate": {}, "register": {}}},
            "derived": {}, "external": {}, "ensembles": {},
        }  # fmt: skip
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
        done = CliRunner().invoke(app, ["check", "x"], env={"COLUMNS": "400"})
        content = json.loads((tmp_path / ".scantune" / "check" / "x" / "check.json").read_text())
        return done, content

    return run


CLASSES = {"name": "classification", "target": "y"}
VESSEL = {"name": "segmentation"}


def test_a_cohort_that_is_in_order_ends_well(project):
    rows = ["file,mask,id", *(f"i{k}.png,m{k}.png,P{k}" for k in range(8))]
    done, result = project(rows, VESSEL, masks="{mask}")
    assert done.exit_code == 0, done.output
    assert result["faults"] == []


def test_nothing_prepared_is_a_fault_and_a_reason_stands_once(project):
    done, result = project(["file,id,y", *(f"gone{k}.png,P{k},{k % 2}" for k in range(8))], CLASSES, targets="y")
    assert done.exit_code == 1
    assert result["faults"] == ["none of 8 samples can be prepared"]
    assert done.output.count("excluded, 8 × there is no such file") == 1
    assert "… and 3 more (all: excluded.csv beside the page)" in done.output
    assert len(Path(".scantune/check/x/excluded.csv").read_text().splitlines()) == 9


def test_faults_of_a_table_are_never_cut_without_a_file_of_all(project):
    place = Path(".scantune/check/x")
    place.mkdir(parents=True)
    (place / "check.json").write_text("{}")
    rows = ["file,id,y", *["../x.png,Q,0"] * 12, *(f"../i{k}.png,P{k},{k % 2}" for k in range(70))]
    done, _ = project(rows, CLASSES, targets="y")
    assert done.exit_code
    message = done.output + str(done.exception)
    assert "… and 2" in message
    assert "12 rows (2, 3, 4, 5, 6, 7, 8, 9, 10, 11 …), column 'file': the file '../x.png' leaves" in message
    assert "check/x/faults.txt" in message
    assert len((place / "faults.txt").read_text().splitlines()) >= 82
    assert (place / "faults.txt").stat().st_mode & 0o077 == 0


def test_targets_that_fell_away_are_a_fault(project):
    rows = ["file,id,y", *(f"i{k}.png,P{k},{['a', 'None', 'b', ''][k % 4]}" for k in range(8))]
    done, result = project(rows, CLASSES, targets="y")
    assert done.exit_code == 1
    assert "4 of 8 rows have no y, which experiments.x requires" in result["faults"][0]
    assert any("'None' in 2 of 8 rows" in note for note in result["table_notes"])
    done, _ = project(
        rows, {**CLASSES, "classes": ["a", "None", "b"]}, targets={"y": {"column": "y", "missing": "exclude"}}
    )
    assert done.exit_code == 0, done.output


def test_masks_that_do_not_fit_are_a_fault_with_their_files(project):
    Image.fromarray(np.full((16, 16), 2, np.uint8)).save("scans/m3.png")
    Image.fromarray(np.zeros((9, 16), np.uint8)).save("scans/m5.png")
    Path("scans/m6.png").unlink()
    rows = ["file,mask,id", *(f"i{k}.png,m{k}.png,P{k}" for k in range(8))]
    done, result = project(rows, VESSEL, masks="{mask}")
    assert done.exit_code == 1
    assert result["wrong_labels"] == {"P3": "label 2 (256) by pixels"}
    assert "m3.png (P3)" in done.output
    assert "2 samples have a mask that does not fit or cannot be read" in result["faults"][0]
    assert "its mask: there is no such file" in result["faults"][0]
    assert "1 of 6 masks have labels that experiments.x does not have" in result["faults"][1]
    assert str(Path.cwd()) not in json.dumps(result)


def test_findings_that_a_cell_lists_are_counted_one_by_one(project):
    cells = ["Mass|Edema", "Edema", "No Finding", "No Finding", "Mass", "Mass|Edema", "Edema|Mass", ""]
    rows = ["file,id,y,view", *(f"i{k}.png,P{k},{cell},{'AP' if k < 4 else 'PA'}" for k, cell in enumerate(cells))]
    task = {"name": "multilabel", "target": "y"}
    done, facts = project(rows, task, targets={"y": "y"}, groups=["view"])
    assert done.exit_code == 0, done.output
    assert facts["histograms"]["target y"] == {"Edema": 4, "Mass": 4, "No Finding": 2, "(empty)": 1}
    assert facts["labels"]["y"]["view"]["AP"] == {"Edema": 2, "Mass": 1, "No Finding": 2}


@pytest.mark.parametrize(
    ("experiment", "shape", "fault"),
    [
        (
            {"model": {"backbone": "small_cnn", "options": {"widths": [0]}}},
            [16, 16],
            "model.options.widths: [0] is not",
        ),
        (
            {"model": {"backbone": "small_cnn", "covariates": {"columns": ["site"]}}},
            [16, 16],
            "'site' has the value 'a' alone",
        ),
        ({"task": {"name": "classification", "target": "y", "ordinal": True}}, [16, 16], "have no order of their own"),
        ({"train": {"scanner_consistency": {"group": "site"}}}, [16, 16], "training samples have a alone in 'site'"),
        ({}, None, "the samples must have one shape to make batches; they have 1×16×16, 1×16×20"),
    ],
)
def test_what_a_training_would_refuse_is_told_before_it(project, tmp_path, experiment, shape, fault):
    rows = ["file,y,id,site", *(f"i{k}.png,{['mild', 'severe'][k % 2]},P{k},a" for k in range(8))]
    done, _ = project(rows, CLASSES, targets={"y": "y"}, groups=["site"])
    assert done.exit_code == 0, done.output
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    params["experiments"]["x"] |= experiment
    params["inputs"]["x"]["shape"] = shape
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    if shape is None:
        Image.fromarray(np.arange(320, dtype=np.uint8).reshape(16, 20)).save(tmp_path / "scans" / "i0.png")
    done = CliRunner().invoke(app, ["check", "x"], env={"COLUMNS": "400"})
    assert done.exit_code == 1
    assert "experiments.x: " in done.output
    assert fault in done.output


def test_what_is_written_of_missing_weights_names_no_folder(project, tmp_path):
    rows = ["file,y,id", *(f"i{k}.png,{k % 2},P{k}" for k in range(8))]
    project(rows, CLASSES, targets={"y": "y"})
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    weights = {"weights": str(tmp_path / "private" / "w.safetensors"), "weights_sha256": "0" * 64}
    params["experiments"]["x"]["model"] |= weights
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    assert CliRunner().invoke(app, ["check", "x"]).exit_code == 1
    for path in (tmp_path / ".scantune" / "check" / "x").glob("check.*"):
        text = path.read_text()
        assert "/w.safetensors: weights file not found" in text
        assert "private" not in text


@pytest.mark.parametrize("weights", [{"weights": "imagenet"}, {"pretrained": True}])
def test_weights_that_a_training_downloads_are_told_and_not_fetched(project, tmp_path, monkeypatch, weights):
    monkeypatch.setattr("scantune.models.weights.fetch.fetch", lambda *_: pytest.fail("a check downloads nothing"))
    monkeypatch.setattr("scantune.models.weights.locate.find_local", lambda *_: None)
    rows = ["file,y,id", *(f"i{k}.png,{k % 2},P{k}" for k in range(8))]
    project(rows, CLASSES, targets={"y": "y"})
    params = yaml.safe_load((tmp_path / "params.yaml").read_text())
    for download, code in ((True, 0), (False, 1)):
        params["experiments"]["x"]["model"] = {"backbone": "resnet18", "download": download, **weights}
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
        done = CliRunner().invoke(app, ["check", "x"])
        assert done.exit_code == code, done.output
        assert ("the training downloads them, about 45 MB, from https://" in done.output) == download
