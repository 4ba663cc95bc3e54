"""What changes runs what depends on it, through DVC and its run cache: settings, labels, masks, class folders."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from scantune import demos, io
from tests.stages.conftest import Project, digits_params, experiment, make_project

TARGETS = ("train@small", "preprocess@films", "preprocess@folders")


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table outside of the project and of the files' root."""
    return tmp_path_factory.mktemp("labels") / "labels.csv"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, labels: Path) -> Project:
    """A model on labels that lie elsewhere; a dataset of which each part is watched for itself; class folders."""
    params = digits_params()
    params["demo"] = {}
    params["datasets"]["digits"] |= {"root": "data/raw/digits", "watch": "data/raw/digits", "table": str(labels)}
    films = {"root": "data/raw/films", "watch": "data/raw/films/images", "table": "t.csv", "targets": ["label"]}
    params["datasets"]["films"] = films | {"files": "images/{id}.png", "masks": "masks/{id}.png"}
    params["datasets"]["folders"] = {"root": "data/raw/folders", "watch": "data/raw/folders", "class_folders": True}
    params["watched"] = {
        "digits_table": {"dataset": "digits", "path": str(labels)},
        "films_table": {"dataset": "films", "path": "data/raw/films/t.csv"},
        "films_masks": {"dataset": "films", "path": "data/raw/films/masks"},
    }
    for name in ("films", "folders"):
        params["inputs"][name] = {"dataset": name, "modality": "image", "shape": [8, 8], "workers": 1}
    params["experiments"] = {"small": experiment("small_cnn", epochs=1)}
    made = make_project(tmp_path_factory.mktemp("reruns") / "project", params)
    demos.make("digits", made.home / "data/raw/digits", n=120, workers=1)
    shutil.move(made.home / "data/raw/digits/cohort.csv", labels)
    write_films(made.home / "data/raw")
    repro(made)
    return made


def write_films(raw: Path) -> None:
    """Twelve pictures with masks and a table, and the same in class folders."""
    generator = np.random.default_rng(0)
    rows = ["id,label"]
    for number in range(12):
        picture, name = generator.integers(0, 255, (20, 20), np.uint8), f"s{number}.png"
        rows.append(f"s{number},{'ab'[number % 2]}")
        io.write_png(raw / "films/images" / name, picture)
        io.write_png(raw / "films/masks" / name, np.eye(20, dtype=np.uint8))
        io.write_png(raw / "folders" / "ab"[number % 2] / name, picture)
    (raw / "films/t.csv").write_text("\n".join(rows) + "\n")


def repro(project: Project) -> set[str]:
    """The stages that ran, but for the check of the settings."""
    return set(re.findall(r"Running stage '([^']+)'", project.dvc("repro", *TARGETS, SCANTUNE_MLFLOW="off"))) - {
        "settings"
    }


def shapes(project: Project) -> tuple[set[str], list[int], list[int]]:
    """Of the cached tensors; in the input block of ``model.json``; of the tensors that the model was trained on."""
    with (project.home / "data/cache/digits/manifest.csv").open() as file:
        cached = {row["shape"] for row in csv.DictReader(file)}
    content = json.loads((project.home / "outputs/small/train/model/model.json").read_text())
    return cached, content["input"]["shape"], content["training"]["shape"]


@pytest.mark.slow
def test_another_shape_makes_other_tensors_and_another_model_and_the_first_comes_back(project):
    assert repro(project) == set(), "nothing to do is nothing done"
    params = project.params()
    params["inputs"]["digits"]["shape"] = [12, 12]
    project.write(params)
    assert repro(project) == {"preprocess@digits", "split@digits", "train@small"}
    assert shapes(project) == ({"1x12x12"}, [12, 12], [1, 12, 12])
    params["inputs"]["digits"] |= {"shape": [16, 16], "workers": 2}
    project.write(params)
    assert repro(project) == {"preprocess@digits"}, "other workers, the same tensors: split and model come back"
    assert shapes(project) == ({"1x16x16"}, [16, 16], [1, 16, 16])


@pytest.mark.slow
def test_a_corrected_label_a_redrawn_mask_and_a_moved_file_are_seen(project, labels):
    before = {name: (project.home / f"data/cache/{name}/digests.csv").read_text() for name in ("films", "folders")}
    lines = labels.read_text().splitlines()
    sample, file, label = lines[1].split(",")
    labels.write_text("\n".join([lines[0], f"{sample},{file},{(int(label) + 1) % 10}", *lines[2:]]) + "\n")
    mask = np.zeros((20, 20), np.uint8)
    mask[5:9, 5:9] = 1
    io.write_png(project.home / "data/raw/films/masks/s3.png", mask)
    folders = project.home / "data/raw/folders"
    (folders / "a/s0.png").rename(folders / "b/s0.png")
    assert repro(project) == {
        *("watched@digits_table", "preprocess@digits", "split@digits", "train@small"),
        *("watched@films_masks", "preprocess@films"),
        *("index@folders", "preprocess@folders"),
    }
    assert (project.home / "data/cache/folders/manifest.csv").read_text().count(",b,") == 7
    for name, digests in before.items():
        assert (project.home / f"data/cache/{name}/digests.csv").read_text() != digests, "which trainings depend on"
