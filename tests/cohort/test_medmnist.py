import csv

import numpy as np
import pytest
from PIL import Image

from scantune import cohort, io
from scantune.cohort.medmnist import table_of_medmnist


def arrays(shape=(28, 28), labels=1, classes=3):
    rng = np.random.default_rng(0)
    made = {}
    for side, count in (("train", 5), ("val", 2), ("test", 3)):
        made[f"{side}_images"] = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        made[f"{side}_labels"] = rng.integers(0, 2 if labels > 1 else classes, (count, labels), dtype=np.uint8)
    return made


@pytest.mark.parametrize("shape", [(28, 28), (64, 64, 3)])
def test_pictures_labels_and_sides_come_back(tmp_path, shape):
    made = arrays(shape)
    np.savez(tmp_path / "x.npz", **made)
    table = table_of_medmnist(tmp_path / "x.npz", tmp_path / "out")
    rows = list(csv.DictReader(table.open()))
    assert [row["split"] for row in rows] == ["train"] * 5 + ["validation"] * 2 + ["test"] * 3
    for side, split in (("train", "train"), ("val", "validation"), ("test", "test")):
        own = [row for row in rows if row["split"] == split]
        pictures = np.stack([np.asarray(Image.open(tmp_path / "out" / row["file"])) for row in own])
        assert np.array_equal(pictures, made[f"{side}_images"])
        assert [int(row["label"]) for row in own] == made[f"{side}_labels"][:, 0].tolist()


def test_volumes_come_back(tmp_path):
    made = arrays((8, 10, 12))
    np.savez(tmp_path / "x.npz", **made)
    rows = list(csv.DictReader(table_of_medmnist(tmp_path / "x.npz", tmp_path / "out").open()))
    volumes = [io.read(tmp_path / "out" / row["file"]).array for row in rows if row["split"] == "test"]
    assert np.array_equal(np.stack(volumes), made["test_images"])


def test_several_labels_are_columns(tmp_path):
    made = arrays(labels=3)
    np.savez(tmp_path / "x.npz", **made)
    rows = list(csv.DictReader(table_of_medmnist(tmp_path / "x.npz", tmp_path / "a").open()))
    assert [[int(row[f"label_{k}"]) for k in range(3)] for row in rows[:5]] == made["train_labels"].tolist()
    named = table_of_medmnist(tmp_path / "x.npz", tmp_path / "b", names=["mass", "nodule", "effusion"])
    assert {"mass", "nodule", "effusion"} <= set(next(csv.DictReader(named.open())))


def test_names_stand_for_numbers_and_must_be_whole(tmp_path):
    np.savez(tmp_path / "x.npz", **arrays())
    names = {0: "normal", 1: "benign", 2: "malignant"}
    rows = list(csv.DictReader(table_of_medmnist(tmp_path / "x.npz", tmp_path / "a", names=names).open()))
    assert {row["label"] for row in rows} <= set(names.values())
    with pytest.raises(cohort.CohortError, match="has no name"):
        table_of_medmnist(tmp_path / "x.npz", tmp_path / "b", names={9: "x"})


def test_what_is_no_medmnist_is_refused(tmp_path):
    with pytest.raises(cohort.CohortError, match="no file"):
        table_of_medmnist(tmp_path / "x.npz", tmp_path / "out")
    np.savez(tmp_path / "v.npz", **arrays((28, 28, 28, 3)))
    with pytest.raises(cohort.CohortError, match=r"train_images: \[5, 28, 28, 28, 3\]"):
        table_of_medmnist(tmp_path / "v.npz", tmp_path / "out")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "v.npz").read_bytes()[:500])
    with pytest.raises(cohort.CohortError, match="cannot be read"):
        table_of_medmnist(tmp_path / "cut.npz", tmp_path / "out")
    np.savez(tmp_path / "p.npz", **{**arrays(), "test_labels": np.array([{}], dtype=object)})
    with pytest.raises(cohort.CohortError, match="cannot be read"):
        table_of_medmnist(tmp_path / "p.npz", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_class_of_the_test_side_alone_needs_a_name_too(tmp_path):
    made = arrays()
    made["test_labels"][0, 0] = 7
    np.savez(tmp_path / "x.npz", **made)
    with pytest.raises(cohort.CohortError, match="class 7 has no name"):
        table_of_medmnist(tmp_path / "x.npz", tmp_path / "out", names=["a", "b", "c"])
    assert not (tmp_path / "out").exists()
