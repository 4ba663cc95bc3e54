"""Layouts of public data sets, drawn as their makers have them: what is written loads and leads to every file."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scantune import cohort, io
from scantune.config.dataset import DatasetConfig
from scantune.config.load import parse
from scantune.public.blocks import proposed
from scantune.public.catalogue import PUBLIC
from scantune.public.medmnist_sets import SETS
from scantune.records import ScantuneError
from tests.examples.test_layouts import arcade as arcade_files
from tests.examples.test_layouts import texture

FINDINGS = ["No Finding", "Effusion", "Effusion|Mass"]


def _picture(path: Path, seed: int, shape: tuple[int, ...] = (40, 40)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(texture(seed, shape)).save(path)


def _table(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def white_cells(root: Path) -> None:
    for number, (column, count) in {1: ("class label", 24), 2: ("class", 12)}.items():
        rows = [{"image ID": i, column: i % 4 + 1} for i in range(1, count + 1)]
        _table(root / f"Class Labels of Dataset {number}.csv", rows)
        for i in range(1, count + 1):
            _picture(root / f"Dataset {number}" / f"{i:03d}.bmp", i, (40, 40, 3))
            _picture(root / f"Dataset {number}" / f"{i:03d}.png", i)


def drive(root: Path) -> None:
    for folder, first in (("training", 21), ("test", 1)):
        for number in range(first, first + 4):
            side = "training" if first == 21 else "test"
            _picture(root / "DRIVE" / folder / "images" / f"{number:02d}_{side}.tif", number, (40, 40, 3))
            mask = root / "DRIVE" / folder / "1st_manual" / f"{number:02d}_manual1.gif"
            mask.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((texture(number, (40, 40)) > 128).astype(np.uint8) * 255).save(mask)
            view = root / "DRIVE" / folder / "mask" / f"{number:02d}_{side}_mask.gif"
            view.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 40), 255, np.uint8)).save(view)


def decathlon(root: Path) -> None:
    for number in range(6):
        array = texture(number, (12, 14, 10)).astype(np.float32)
        name = f"hippocampus_{number:03d}.nii.gz"
        io.write_nifti(root / "Task04_Hippocampus" / "imagesTr" / name, io.Volume(array, np.eye(4)))
        labels = (array > 100).astype(np.uint8) + (array > 200)
        io.write_nifti(root / "Task04_Hippocampus" / "labelsTr" / name, io.Volume(labels.astype(np.uint8), np.eye(4)))
        (root / "Task04_Hippocampus" / "imagesTr" / f"._{name}").write_bytes(b"a Mac's")


def nih_chest(root: Path) -> None:
    rows = []
    for number in range(120):
        name = f"{number:08d}_000.png"
        rows.append(
            {"Image Index": name, "Finding Labels": FINDINGS[number % 3], "Patient ID": number, "Patient Age": "058Y"}
            | {"Patient Gender": "FM"[number % 2], "View Position": "PA"}
        )
        if number < 100:  # the other films are in another archive
            _picture(root / "images" / name, number)
    _table(root / "Data_Entry_2017_v2020.csv", rows)


def pocus(root: Path) -> None:
    kinds = ["COVID-19", "Bacterial pneumonia", "regular", "Viral pneumonia"]
    rows = []
    for number in range(16):
        rows.append(
            {"Filename": f"Loop {number}", "Label": kinds[number % 4], "License": "CC BY 4.0", "Probe": "convex"}
            | {"Gender": "", "Age": 40, "Patient ID / Name": f"p{number // 4}" if number > 3 else ""}
        )
        if number < 15:
            frames = np.stack([np.roll(texture(number, (32, 32)), step, 0) for step in range(6)])
            path = root / "data" / "pocus_videos" / "convex" / f"Loop {number}.avi"
            io.write_video(path, frames, frame_time=20.0)
    _table(root / "data" / "dataset_metadata.csv", rows)


def arcade(root: Path) -> None:
    arcade_files(root)
    import shutil

    shutil.rmtree(root / "arcade" / "masks")


def medmnist(name: str, shape: tuple[int, ...], labels: int, classes: int):
    def write(root: Path) -> None:
        rng = np.random.default_rng(0)
        arrays = {}
        for side, count in (("train", 8), ("val", 4), ("test", 4)):
            arrays[f"{side}_images"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
            numbers = np.arange(count * labels).reshape(count, labels)
            arrays[f"{side}_labels"] = (numbers % (2 if labels > 1 else classes)).astype(np.uint8)
        np.savez(root / f"{name}.npz", **arrays)

    return write


LAYOUTS = {
    "white_cells": (white_cells, [24, 12], "classification"),
    "drive": (drive, [8], "segmentation"),
    "msd_hippocampus": (decathlon, [6], "segmentation"),
    "nih_chest": (nih_chest, [100], "multilabel"),
    "pocus": (pocus, [12], "classification"),
    "arcade": (arcade, [12], "segmentation"),
    "pneumoniamnist": (medmnist("pneumoniamnist", (28, 28), 1, 2), [16], "classification"),
    "bloodmnist_64": (medmnist("bloodmnist_64", (64, 64, 3), 1, 8), [16], "classification"),
    "chestmnist": (medmnist("chestmnist", (28, 28), 14, 2), [16], "multilabel"),
    "nodulemnist3d": (medmnist("nodulemnist3d", (28, 28, 28), 1, 2), [16], "classification"),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_blocks_lead_to_every_file(tmp_path, monkeypatch, name):
    write, counts, task = LAYOUTS[name]
    source = tmp_path / "files"
    source.mkdir()
    write(source)
    home = tmp_path / "project"
    home.mkdir()
    monkeypatch.chdir(home)
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    root, cohorts = PUBLIC[name].prepare(source, Path("data/raw", name))
    result = proposed(PUBLIC[name], root, cohorts, Path("data/raw", name))
    params = parse({**result.blocks, "experiments": result.blocks["experiments"]})
    records = [cohort.load(dataset, home) for dataset in params.datasets.values()]
    assert [len(own) for own in records] == counts
    assert all(file.exists() for own in records for record in own for file in (*record.files, *record.masks))
    assert next(iter(params.experiments.values())).task.name == task
    assert {path: path.read_bytes() for path in source.rglob("*") if path.is_file()} == before


def test_every_address_has_a_name_of_its_own_and_a_whole_digest():
    files = [(name, file) for name, data in PUBLIC.items() for file in data.files]
    assert all(file.url.startswith("https://") for _, file in files)
    assert len({file.url for _, file in files}) == len(files)
    lengths = {"md5": 32, "sha256": 64}
    for _, file in files:
        algorithm, _, digits = file.digest.partition(":")
        assert not file.digest or len(digits) == lengths[algorithm]


def test_too_few_films_for_any_finding_are_a_reason(tmp_path):
    nih_chest(tmp_path)
    for film in sorted((tmp_path / "images").iterdir())[20:]:
        film.unlink()
    with pytest.raises(ScantuneError, match="no finding of the 20 films is of 30 subjects"):
        PUBLIC["nih_chest"].prepare(tmp_path, tmp_path / "out")


def test_a_partly_downloaded_collection_takes_the_films_that_are_there(tmp_path):
    nih_chest(tmp_path)
    _, (films,) = PUBLIC["nih_chest"].prepare(tmp_path, tmp_path / "out")
    assert films.task["findings"] == ["Effusion", "Mass"]
    assert films.rows[0]["age"] == "58"


def test_ages_of_infants_are_not_taken_for_years_and_an_unknown_age_is_not_zero(tmp_path):
    nih_chest(tmp_path)
    table = tmp_path / "Data_Entry_2017_v2020.csv"
    ages = ["058Y", "58", "011M", "013M", "003D", "060W", "000Y", "", "414"]
    lines = table.read_text().splitlines()
    changed = [line.replace("058Y", age, 1) for line, age in zip(lines[1:], ages)]
    table.write_text("\n".join([lines[0], *changed, *lines[1 + len(ages) :]]) + "\n")
    _, (films,) = PUBLIC["nih_chest"].prepare(tmp_path, tmp_path / "out")
    assert [row["age"] for row in films.rows[: len(ages)]] == ["58", "58", "0", "1", "0", "1", "0", "", "414"]


def test_the_test_films_are_those_of_the_makers_list_where_it_is_there(tmp_path):
    nih_chest(tmp_path)
    tested = [f"{number:08d}_000.png" for number in range(0, 120, 4)]
    (tmp_path / "test_list.txt").write_text("\r\n".join(tested), newline="")
    _, (films,) = PUBLIC["nih_chest"].prepare(tmp_path, tmp_path / "out")
    assert [row["sample_id"] + ".png" for row in films.rows if row["split"] == "test"] == tested[:25]
    assert {row["split"] for row in films.rows} == {"train", "test"}
    dataset = {"root": str(tmp_path), "table": "films.csv", **films.dataset}
    _table(tmp_path / "films.csv", list(films.rows))
    records = cohort.load(DatasetConfig.model_validate(dataset), tmp_path)
    sides = {a.sample_id: a.split for a in cohort.split(records, DatasetConfig.model_validate(dataset).split)}
    assert {name for name, side in sides.items() if side == "test"} == {name[:-4] for name in tested[:25]}
    assert 5 <= sum(side == "validation" for side in sides.values()) <= 15


def test_films_of_one_side_of_the_makers_list_are_drawn(tmp_path):
    nih_chest(tmp_path)
    (tmp_path / "test_list.txt").write_text("00099999_000.png\n")
    _, (films,) = PUBLIC["nih_chest"].prepare(tmp_path, tmp_path / "out")
    assert films.dataset["split"]["method"] == "random"
    assert "split" not in films.rows[0]


@pytest.mark.parametrize(
    ("name", "shape", "classes", "part", "key", "value"),
    [
        ("breastmnist", (28, 28), 2, "task", "positive", "malignant"),
        ("retinamnist", (28, 28, 3), 5, "task", "ordinal", True),
        ("organmnist3d", (28, 28, 28), 11, "train", "augment", {"default": True, "flip_left_right": 0.0}),
    ],
)
def test_what_the_numbers_of_a_set_mean_is_in_its_blocks(tmp_path, monkeypatch, name, shape, classes, part, key, value):
    source, home = tmp_path / "files", tmp_path / "project"
    source.mkdir()
    home.mkdir()
    medmnist(name, shape, 1, classes)(source)
    monkeypatch.chdir(home)
    root, cohorts = PUBLIC[name].prepare(source, Path("data/raw", name))
    blocks = proposed(PUBLIC[name], root, cohorts, Path("data/raw", name)).blocks
    parse(blocks)
    assert blocks["experiments"][name][part][key] == value


def test_files_in_no_row_are_told(tmp_path, monkeypatch):
    decathlon(tmp_path / "msd")
    task = tmp_path / "msd" / "Task04_Hippocampus"
    (task / "labelsTr" / "hippocampus_002.nii.gz").unlink()
    (task / "imagesTr" / "hippocampus_004.nii.gz").unlink()
    drive(tmp_path / "drive")
    (tmp_path / "drive" / "DRIVE" / "test" / "1st_manual" / "02_manual1.gif").unlink()
    nih_chest(tmp_path / "nih")
    _picture(tmp_path / "nih" / "images" / "99999999_000.png", 0)
    (told,) = PUBLIC["drive"].prepare(tmp_path / "drive", tmp_path)[1]
    assert told.notes == ["1 of 8 files are not in the table: no mask in 1st_manual/ (02_test.tif)"]
    (told,) = PUBLIC["nih_chest"].prepare(tmp_path / "nih", tmp_path)[1]
    assert told.notes == ["1 of 101 files are not in the table: not in Data_Entry_2017_v2020.csv (99999999_000.png)"]
    monkeypatch.chdir(tmp_path)
    root, (told,) = PUBLIC["msd_hippocampus"].prepare(tmp_path / "msd", tmp_path)
    result = proposed(PUBLIC["msd_hippocampus"], root, [told], tmp_path / "out")
    for note in ("no mask of the same name in labelsTr/ (hippocampus_002.nii.gz)", "no image of the same name"):
        assert any("1 of 5 files" in line and note in line for line in result.notes)


def test_a_file_of_another_release_is_told(tmp_path, monkeypatch):
    medmnist("pneumoniamnist", (28, 28), 1, 2)(tmp_path)
    content = (tmp_path / "pneumoniamnist.npz").read_bytes()
    (told,) = PUBLIC["pneumoniamnist"].prepare(tmp_path, tmp_path / "out")[1]
    assert hashlib.md5(content).hexdigest() in told.notes[0]
    known = SETS["pneumoniamnist"]
    theirs = replace(known, md5={**known.md5, 28: hashlib.md5(content).hexdigest()})
    monkeypatch.setitem(SETS, "pneumoniamnist", theirs)
    assert PUBLIC["pneumoniamnist"].prepare(tmp_path, tmp_path / "out")[1][0].notes == []
