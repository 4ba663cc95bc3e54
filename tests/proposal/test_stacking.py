"""Tables of partitions whose columns differ, of parts, and of left and right; partitions that folders alone say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from scantune import io
from scantune.proposal.blocks import propose
from scantune.proposal.sides import of_table
from scantune.proposal.source import Source


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(path: str) -> None:
    Path("raw", path).parent.mkdir(parents=True, exist_ok=True)
    seed = int.from_bytes(path.encode()[-8:], "little") + len(path)
    io.write_png(Path("raw", path), np.random.default_rng(seed).integers(0, 255, (16, 16), np.uint8))


def table(name: str, header: str, rows: Sequence[Sequence[object]]) -> None:
    Path("raw", name).write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n")


def the_source() -> Source:
    (source,) = propose(Path("raw")).tables.values()
    return source


def test_tables_of_partitions_may_differ_in_a_column(home):
    for side, n in (("train", 24), ("test", 9)):
        for i in range(n):
            picture(f"{side}/{side}_im{i:03d}.png")
    table("train.csv", "image_id,reader,label", [(f"train_im{i:03d}", "R1", "abc"[i % 3]) for i in range(24)])
    table("test.csv", "image_id,label", [(f"test_im{i:03d}", "abc"[i % 3]) for i in range(9)])
    source = the_source()
    assert {(row["split"], file.split("/")[0]) for row, file in zip(source.rows, source.files, strict=True)} == {
        ("train", "train"), ("test", "test"),
    }  # fmt: skip
    assert len(source.rows) == 33


def test_a_test_table_without_labels_is_no_partition_of_the_labels(home):
    for i in range(30):
        picture(f"images/im{i:03d}.png")
    table("train.csv", "image_id,reader,label", [(f"im{i:03d}", "R1", "abc"[i % 3]) for i in range(20)])
    table("test.csv", "image_id,reader", [(f"im{i:03d}", "R1") for i in range(20, 30)])
    blocks = propose(Path("raw")).blocks["datasets"]
    assert all(block["split"]["method"] != "predefined" for block in blocks.values())


def test_partitions_that_folders_alone_say_are_kept(home):
    rows = []
    for i in range(30):
        side = ("Training", "Training", "Validation", "Testing")[i % 4]
        picture(f"{side}/S{i:03d}.png")
        rows.append((f"S{i:03d}", "ab"[i % 2]))
    table("info.csv", "subject,label", rows)
    proposed = propose(Path("raw"))
    (source,), (block,) = proposed.tables.values(), proposed.blocks["datasets"].values()
    assert block["split"] == {"method": "predefined", "columns": "split"}
    sides = {"Training": "train", "Validation": "validation", "Testing": "test"}
    assert [row["split"] for row in source.rows] == [sides[file.split("/")[0]] for file in source.files]


@pytest.mark.parametrize("names", [("Annotation_Base1", "Annotation_Base2"), ("left", "right")])
def test_tables_of_parts_and_of_sides_of_the_body_are_one(home, names):
    for k, name in enumerate(names):
        for i in range(12):
            picture(f"{name}/{i:03d}_{k}.png")
        table(f"{name}.csv", "image,grade", [(f"{i:03d}_{k}.png", (i + k) % 3) for i in range(12)])
    assert any("after a change of a table that it is made of" in note for note in propose(Path("raw")).notes)
    source = the_source()
    assert len(source.rows) == 24
    for row, file in zip(source.rows, source.files, strict=True):
        assert row["table"] == file.split("/")[0]
        assert row["grade"] == str((int(row["image"][:3]) + names.index(row["table"])) % 3)


def test_parts_of_numbered_hospitals_are_a_table_each_hospital(home):
    for hospital in ("hospital1", "hospital2"):
        for part in (1, 2):
            names = [f"{hospital}/{part}{i:03d}.png" for i in range(12)]
            for name in names:
                picture(name)
            table(f"{hospital}_part{part}.csv", "image,label", [(n, "ab"[i % 2]) for i, n in enumerate(names)])
    sources = list(propose(Path("raw")).tables.values())
    assert sorted(len(source.rows) for source in sources) == [24, 24]


def test_cells_with_a_folder_name_that_file_alone(home):
    names = [f"hospital1/{i:03d}.png" for i in range(24)]
    for name in names:
        picture(name)
        picture(name.replace("hospital1", "hospital2"))
    table("labels.csv", "image,label", [(name, "ab"[i % 2]) for i, name in enumerate(names)])
    proposed = propose(Path("raw"))
    assert not proposed.tables
    assert next(iter(proposed.blocks["datasets"].values()))["files"] == "{image}"
    assert any("24 files are in no row" in note for note in proposed.notes)


def test_folds_in_a_column_called_split_stay_where_folders_say_partitions(home):
    rows = []
    for i in range(30):
        side = ("train", "train", "test")[i % 3]
        picture(f"{side}/S{i:03d}.png")
        rows.append((f"S{i:03d}", "ab"[i % 2], i % 5))
    table("info.csv", "subject,label,split", rows)
    source = the_source()
    assert {row["split"] for row in source.rows} == {"0", "1", "2", "3", "4"}


def test_partitions_in_workbooks_of_several_sheets_are_one_table(home):
    import pandas as pd

    for side, n in (("train", 24), ("test", 12)):
        files = [f"{side}{i:03d}.png" for i in range(n)]
        for file in files:
            picture(f"images/{file}")
        with pd.ExcelWriter(f"raw/{side}.xlsx") as book:
            labels = pd.DataFrame({"file": files, "diagnosis": [("none", "mild")[i % 2] for i in range(n)]})
            labels.to_excel(book, sheet_name="labels", index=False)
            people = pd.DataFrame(
                {"file": files, "sex": ["FM"[i // 2 % 2] for i in range(n)], "height": range(150, 150 + n)}
            )
            people.to_excel(book, sheet_name="people", index=False)
    blocks = propose(Path("raw")).blocks["datasets"]
    assert [block["split"]["method"] for block in blocks.values()] == ["predefined"]


def test_the_word_test_beside_others_is_a_partition_where_another_table_says_one():
    assert of_table("blood test.csv", ["blood test.csv"]) == ""
    assert of_table("test labels.csv") == of_table("X_test.csv", ["X_train.csv", "X_test.csv"]) == "test"
    assert of_table("X_training.csv") == "train"
