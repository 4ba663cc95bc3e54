"""Folders and tables as other systems lay them out run from what ``scantune init`` writes of them."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from scantune import io
from scantune.config.dataset import DatasetConfig
from scantune.config.watching import refuse_unseen
from scantune.proposal.blocks import propose
from scantune.records import ScantuneError
from tests.stages.conftest import Project, make_project


def _noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, shape, np.uint8)


def _loop(path: Path, seed: int) -> None:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 32))
    for number in range(6):
        writer.write(_noise(100 * seed + number, 32, 32, 3))
    writer.release()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the files of three systems beside it, its blocks written by ``init``, run to the split."""
    groups = {"demo": {}, "derived": {}, "external": {}, "ensembles": {}, "tracking": {"enabled": False}}
    project = make_project(tmp_path_factory.mktemp("layouts") / "project", {**groups, "datasets": {}, "inputs": {}})
    home = project.home
    for number in range(24):
        _loop(home / f"videos/v{number}.avi", number)
        io.write_png(home / f"films/img{number}.png", _noise(number, 16, 16))
    for side, count in (("train", 20), ("val", 4)):
        for name in ("bad", "good"):
            for number in range(count):
                seed = 1000 * len(side) + 100 * len(name) + number
                io.write_png(home / f"faces/{side}/{name}/{number}.png", _noise(seed, 16, 16))
    rows = [f"videos/v{n}.avi,{n / 23:.3f}" for n in range(24)]
    (home / "echo.csv").write_text("\n".join(["video_path,quality_score", *rows]) + "\n")
    zones = ["right_sup", "left_sup", "right_mid", "left_mid", "right_inf", "left_inf"]
    rows = [";".join([f"img{n}", *(str((n + z) % 4) if n % 7 else "" for z in range(6))]) for n in range(24)]
    (home / "csi.csv").write_text("\n".join([";".join(["FileID", *zones]), *rows]) + "\n")
    params: dict = {**groups, "tracking": {"enabled": False}}
    for source in ("echo.csv", "csi.csv", "faces"):
        project.python("-m", "scantune.cli", "init", source, "--out", f"{source}.yaml")
        for group, blocks in yaml.safe_load((home / f"{source}.yaml").read_text()).items():
            params.setdefault(group, {}).update(blocks)
    for name in ("echo", "csi", "faces"):
        params["inputs"][name] |= {"shape": [16, 16], "workers": 1}
        params["experiments"][name] |= {"model": {"backbone": "small_cnn"}}
        params["experiments"][name]["train"] |= {"epochs": 1, "precision": "32"}
        params["experiments"][name]["evaluate"] = {"draws": 200, "saliency": False}
    params["inputs"]["echo"]["frames"] = 4
    project.write(params)
    project.printed = project.dvc("repro", "split@echo", "split@csi", "split@faces")  # type: ignore[attr-defined]
    return project


def _sides(project: Project, name: str) -> Counter[str]:
    with (project.home / "data/splits" / name / "splits.csv").open(newline="") as file:
        return Counter(row["split"] for row in csv.DictReader(file))


@pytest.mark.slow
def test_the_files_are_watched_and_never_the_projects_own_folder(project):
    datasets = project.params()["datasets"]
    assert {name: block["watch"] for name, block in datasets.items()} == {
        "echo": "videos",
        "csi": "films",
        "faces": "faces",
    }
    assert {block["path"] for block in project.params()["watched"].values()} == {"echo.csv", "csi.csv"}
    with (project.home / ".scantune/index/echo.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 24


@pytest.mark.slow
def test_tables_of_loops_and_of_zones_are_split(project):
    for name in ("echo", "csi"):
        sides = _sides(project, name)
        assert sum(sides.values()) == 24
        assert set(sides) == {"train", "validation", "test"}
    tasks = {name: block["task"]["name"] for name, block in project.params()["experiments"].items()}
    assert tasks == {"echo": "regression", "csi": "zones", "faces": "classification"}


@pytest.mark.slow
def test_folders_without_a_test_side_say_before_training_where_it_is_taken_from(project):
    assert _sides(project, "faces") == {"train": 34, "validation": 8, "test": 6}
    told = "no test samples are named: 15% for test are drawn from the training subjects"
    assert told in project.printed
    audit = json.loads((project.home / "data/splits/faces/audit.json").read_text())
    assert told in audit["warnings"][0]
    assert audit["settings"]["method"] == "predefined"


@pytest.mark.slow
def test_they_are_trained_and_evaluated(project):
    project.dvc("repro", "evaluate@faces")
    metrics = json.loads((project.home / "outputs/faces/evaluate/metrics.json").read_text())["metrics"]
    assert metrics["accuracy"]["n"] == 6
    report = (project.home / "outputs/faces/evaluate/report.html").read_text()
    assert "15% of the training subjects for test" in report


@pytest.mark.slow
def test_a_file_outside_of_the_watched_folder_is_refused_by_name(project, monkeypatch):
    monkeypatch.chdir(project.home)
    block = DatasetConfig.model_validate(project.params()["datasets"]["echo"])
    inside, outside = project.home / "videos/v1.avi", project.home / "other/v1.avi"
    refuse_unseen("echo", block, ["echo.csv"], [inside])
    with pytest.raises(
        ScantuneError, match=r"videos is watched, but of the table 1 file lies elsewhere \(other/v1.avi\)"
    ):
        refuse_unseen("echo", block, ["echo.csv"], [inside, outside])


def test_init_watches_the_folder_of_all_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").touch()
    for number in range(4):
        io.write_png(tmp_path / f"a/{'bc'[number % 2]}/{number}.png", _noise(number, 8, 8))
    rows = [f"a/{'bc'[n % 2]}/{n}.png,{n % 2}" for n in range(4)]
    (tmp_path / "t.csv").write_text("\n".join(["image_path,label", *rows]) + "\n")
    assert propose(Path("t.csv"), Path("."), "t").blocks["datasets"]["t"]["watch"] == "a"
