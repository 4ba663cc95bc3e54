"""Partitions that folders and tables name, and files of one name in several of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from scantune.proposal.blocks import propose
from scantune.proposal.sides import side_of, sides_of
from tests.proposal.test_layouts import home as home
from tests.proposal.test_layouts import mask, picture, read, table, volume


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("train", "train"), ("a. Training Set", "train"), ("b. Testing Set", "test"), ("imagesTr", "train"),
        ("labelsTs", "test"), ("imagesVa", "validation"), ("TrainingData", "train"), ("test_images", "test"),
        ("Training Batch 1", ""), ("auto_test", ""), ("train_test", ""), ("stress", ""), ("exercise test", ""),
    ],
)  # fmt: skip
def test_a_name_says_a_partition_that_nothing_qualifies(name, side):
    assert side_of(name) == side


def test_words_of_all_folders_say_nothing():
    assert sides_of(["hand-training", "hand-test"]) == {"hand-training": "train", "hand-test": "test"}
    assert sides_of(["train", "test", "auto_test"]) == {}


@pytest.mark.parametrize(
    "folders",
    [
        ("imagesTr", "labelsTr", "imagesTs", "labelsTs"),
        ("1. Im/a. Training Set", "2. Masks/a. Training Set", "1. Im/b. Testing Set", "2. Masks/b. Testing Set"),
    ],
)
def test_partitions_of_images_with_masks_are_kept(home, folders):
    for i in range(12):
        images, masks = folders[:2] if i < 8 else folders[2:]
        if images.startswith("images"):
            volume(f"{images}/c_{i:03d}_0000.nii.gz", i)
            volume(f"{masks}/c_{i:03d}.nii.gz", i, labels=True)
        else:
            picture(f"{images}/c_{i:03d}.png", i)
            mask(f"{masks}/c_{i:03d}.png", i)
    _, records = read(propose(Path("raw")))
    assert [record.split for record in records].count("test") == 4
    assert [record.split for record in records].count("train") == 8


def two_sides(cell: str = "img_{:03d}", name: str = "img_{:03d}", tables: tuple[str, str] = ("Training", "Testing")):
    """Grades of files whose names recur in both partitions; those of the second are one higher."""
    for k, (folder, n) in enumerate((("a. Training Set", 16), ("b. Testing Set", 8))):
        for i in range(1, n + 1):
            picture(f"Images/{folder}/{name.format(i)}.png", i + 100 * k)
        rows = [(cell.format(i), (i + k) % 3, *[""] * (1 - k)) for i in range(1, n + 1)]
        if tables[k]:
            table(f"Labels/{'ab'[k]}. X_{tables[k]} Labels.csv", f"Image name,Grade{',' * (1 - k)}", rows)


@pytest.mark.parametrize(
    ("cell", "name"), [("img_{:03d}", "img_{:03d}"), ("{:03d}.png", "{:03d}"), ("{:03d}", "{:03d}"), ("{}", "{:03d}")]
)
def test_files_of_one_name_have_the_labels_of_their_own_partition(home, cell, name):
    two_sides(cell, name)
    _, records = read(propose(Path("raw")))
    assert len(records) == 24
    for record in records:
        test = "Testing" in record.files[0].parts[-2]
        assert record.split == ("test" if test else "train")
        assert record.targets["grade"] == str((int(record.files[0].stem[-3:]) + test) % 3)


@pytest.mark.parametrize("name", ["img_{:03d}", "img_{:03d}_left"])
def test_a_table_of_one_partition_labels_no_file_of_another(home, name):
    two_sides(name=name, tables=("Training", ""))
    _, records = read(propose(Path("raw")))
    assert len(records) == 16
    assert {record.files[0].parts[-2] for record in records} == {"a. Training Set"}


@pytest.mark.parametrize("name", ["All", "Train Test"])
def test_rows_that_may_be_of_either_partition_are_left_out(home, name):
    two_sides(name="img_{:03d}_left", tables=(name, ""))
    proposed = propose(Path("raw"))
    _, records = read(proposed)
    assert any(note.startswith("8 rows left out: files of several partitions have the name") for note in proposed.notes)
    assert {int(record.files[0].stem[4:7]) for record in records} <= set(range(9, 17))


def test_of_two_folders_of_the_same_names_the_other_is_told(home):
    for i in range(24):
        for folder in ("brain", "bone"):
            picture(f"{49 + i // 4:03d}/{folder}/{i % 4}.png", i + 50 * (folder == "bone"))
    table("labels.csv", "PatientNumber,SliceNumber,grade", [(49 + i // 4, i % 4, i // 2 % 2) for i in range(24)])
    notes = propose(Path("raw")).notes
    assert any(note.startswith("files of the same names are in other folders too") for note in notes)


def test_of_ids_of_scans_and_subjects_those_of_scans_are_taken(home):
    rows = []
    for i in range(12):
        for visit in (1, 2):
            for k in (1, 2):
                volume(f"part1/OAS2_{i:04d}_MR{visit}/mpr-{k}.nii.gz", 4 * i + 2 * visit + k)
            rows.append((f"OAS2_{i:04d}", f"OAS2_{i:04d}_MR{visit}", visit, ("healthy", "ill")[(i + visit) % 2]))
    table("oasis.csv", "Subject ID,MRI ID,Visit,Diagnosis", rows)
    _, records = read(propose(Path("raw")))
    assert (len(records), len({record.subject_id for record in records})) == (48, 12)
    for record in records:
        subject, visit = record.files[0].parts[-2].rsplit("_MR", 1)
        assert record.targets["diagnosis"] == ("healthy", "ill")[(int(subject[-4:]) + int(visit)) % 2]
