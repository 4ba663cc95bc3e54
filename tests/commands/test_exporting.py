"""``scantune export``: what is given away is complete, and an archive that was there is not lost to a failed one."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
import yaml

from scantune.commands import exporting
from scantune.registry.model import digest_of
from scantune.tracking import models
from tests.stages.conftest import grouped_params


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(yaml.safe_dump(grouped_params(), sort_keys=False))
    for place in ("outputs/small", "ensembles/both"):
        facts = {"name": place, "weights": {}}
        for file, text in {
            "train/model/model.json": json.dumps({**facts, "digest": digest_of(facts)}),
            "train/model/weights.safetensors": "w",
            "train/summary.json": "{}",
            "evaluate/metrics.json": "{}",
            "evaluate/summary.json": "{}",
            "evaluate/predictions.csv": "sample_id",
            "register/registration.json": "{}",
        }.items():
            path = Path(place, file)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def results(path: Path, group: str) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name.partition("/")[2].partition("/")[2] for name in archive.namelist() if name.startswith(group)}


def test_an_ensemble_is_given_away_as_an_experiment_is() -> None:
    exporting.export(Path("a.zip"))
    small, both = results(Path("a.zip"), "outputs/"), results(Path("a.zip"), "ensembles/")
    assert small == both
    assert {"train/model/weights.safetensors", "evaluate/metrics.json"} <= both
    assert "evaluate/predictions.csv" not in both


def test_files_of_1970_are_given_away_and_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "scantune" / "tracking" / "models.py"
    code.parent.mkdir(parents=True)
    code.write_text("")
    for path in (code, Path("outputs/small/train/summary.json")):
        os.utime(path, (1, 1))  # as Nix, Bazel and some images have them
    exporting.export(Path("a.zip"))
    assert "train/summary.json" in results(Path("a.zip"), "outputs/")
    (tmp_path / "archive").mkdir()
    monkeypatch.setattr(models, "__file__", str(code))
    assert (models.packed(tmp_path / "archive") / "scantune.zip").exists()


def test_an_archive_in_a_folder_that_is_exported_is_not_in_itself() -> None:
    Path("docs").mkdir()
    for _ in range(2):
        exporting.export(Path("docs/a.zip").absolute())
    with zipfile.ZipFile("docs/a.zip") as archive:
        assert "docs/a.zip" not in archive.namelist()


def test_a_failed_export_leaves_the_archive_that_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    exporting.export(Path("a.zip"))
    before = Path("a.zip").read_bytes()
    monkeypatch.setattr(exporting, "_settings", lambda content: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        exporting.export(Path("a.zip"))
    assert Path("a.zip").read_bytes() == before
    assert [path.name for path in Path().glob("*.zip*")] == ["a.zip"]


def test_no_folder_outside_the_root_is_given_away() -> None:
    content = yaml.safe_load(Path("params.yaml").read_text())
    dataset = next(iter(content["datasets"].values()))
    dataset |= {
        "files": ["{file}", "/home/alice/ward 7/{site}/{file}"],
        "masks": "/home/alice/masks/{id}.png",
        "region": "../alice/{id}_view.png",
        "rater_masks": {"b": ["C:\\alice\\b\\{id}.png"]},
    }
    Path("params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    path = Path("outputs/small/train/model/model.json")
    facts = {"name": "small", "weights": {}, "table": {"files": ["/home/alice/{id}.png"], "sample": "{id}"}}
    path.write_text(json.dumps({**facts, "digest": digest_of(facts)}))
    text = exporting._settings(content)
    assert "alice" not in text
    given = next(iter(yaml.safe_load(text)["datasets"].values()))
    assert given["files"] == ["{file}", "files/{site}/{file}"]
    assert given["masks"] == "masks/{id}.png"
    assert given["region"] == "region/{id}_view.png"
    assert given["rater_masks"] == {"b": ["rater_masks/{id}.png"]}
    model = json.loads(exporting._model(path))
    assert model["table"] == {"files": ["files/{id}.png"], "sample": "{id}"}
    assert model.pop("digest") == digest_of(model)
