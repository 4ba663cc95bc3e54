"""What a dataset reads and nothing watches is told at load, with the block to add; init writes it."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from scantune import io
from scantune.config.load import ConfigError, parse
from scantune.proposal.blocks import propose
from scantune.records import ScantuneError
from tests.config.test_load import GOOD


def knees(watched: dict | None = None, **keys: object) -> dict:
    copied = copy.deepcopy(GOOD)
    copied["datasets"]["knees"] |= {"watch": "data/knees", **keys}
    return copied | ({"watched": watched} if watched else {})


def folders(watch: str) -> dict:
    params = knees(watch=watch, class_folders=True, targets={"grade": "grade"})
    for key in ("table", "files", "subject"):
        del params["datasets"]["knees"][key]
    return params


def faults(params: dict) -> list[str]:
    try:
        parse(params)
    except ConfigError as error:
        return error.faults
    return []


def test_a_root_that_is_watched_covers_what_lies_below_it():
    assert faults(knees()) == []
    assert faults(knees(masks="masks/{id}.png", table="tables/t.csv", root="raw/a/knees", watch="raw/a")) == []
    assert faults(folders("data/knees")) == []
    assert faults(knees(watch=str(Path("data/knees").absolute()))) == []


@pytest.mark.parametrize(
    ("keys", "key", "path"),
    [
        ({"table": "/mnt/labels.csv"}, "table", "/mnt/labels.csv"),
        ({"table": "../labels.csv"}, "table", "data/labels.csv"),
        ({"index": "index.csv"}, "index", "index.csv"),
        ({"index": "index.csv", "watch": "index.csv"}, "table", "data/knees/t.csv"),
    ],
)
def test_what_nothing_watches_is_told_with_the_block_that_mends_it(keys, key, path):
    (fault,) = faults(knees(**keys))
    assert fault.startswith(f"datasets.knees.{key}: {path} is read, but not watched")
    block = fault.partition("Add to params.yaml: ")[2]
    assert faults(knees(**keys, **yaml.safe_load(block))) == []


@pytest.mark.parametrize(
    ("params", "key", "path"),
    [
        (knees(watch="data/knees/t.csv"), "files", "data/knees"),
        (knees(watch="data/knees/t.csv", files="{id}.png", masks="masks/{id}.png"), "masks", "data/knees/masks"),
        (folders("data/knees/train"), "class_folders", "data/knees"),
    ],
)
def test_files_that_nothing_watches_need_the_root_or_its_index(params, key, path):
    message = "\n".join(faults(params))
    assert f"datasets.knees.{key}: {path} is read, but not watched" in message
    assert "Set watch: data/knees (where it holds very many files: index: and watch:" in message


def test_a_block_for_another_dataset_covers_nothing():
    other = {"hips_table": {"dataset": "hips", "path": "/mnt/labels.csv"}}
    messages = faults(knees(other, table="/mnt/labels.csv"))
    assert "watched.hips_table.dataset: there is no 'hips' in datasets" in messages[0]
    assert messages[1].startswith("datasets.knees.table: /mnt/labels.csv is read, but not watched")


@pytest.mark.parametrize("watch", [".", "..", "data", "outputs", str(Path.cwd())])
def test_a_folder_that_holds_the_pipelines_outputs_is_refused(watch):
    assert any(f"datasets.knees.watch: {watch!r} contains" in fault for fault in faults(knees(watch=watch)))


def test_root_is_no_name_for_what_is_watched():
    assert "watched.root" in faults(knees({"root": {"dataset": "knees", "path": "/mnt/x"}}))[0]


@pytest.fixture
def films(tmp_path, monkeypatch) -> Path:
    """A project's folder with files in ``films`` and beside the table."""
    import numpy as np

    monkeypatch.chdir(tmp_path)
    for number in range(4):
        io.write_png(tmp_path / f"films/s{number}.png", np.eye(9, dtype=np.uint8))
        io.write_png(tmp_path / f"s{number}.png", np.eye(9, dtype=np.uint8))
    rows = [f"s{number},films/s{number}.png,{number % 2}" for number in range(4)]
    (tmp_path / "t.csv").write_text("\n".join(["id,path,label", *rows]) + "\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/t.csv").write_text("\n".join(["id,label", *(f"s{n},{n % 2}" for n in range(4))]) + "\n")
    return tmp_path


def test_init_watches_a_table_that_lies_elsewhere(films):
    blocks = propose(Path("elsewhere/t.csv"), Path("films"), "mine").blocks
    assert blocks["datasets"]["mine"]["watch"] == "films"
    assert blocks["watched"] == {"mine_table": {"dataset": "mine", "path": "elsewhere/t.csv"}}


def test_init_in_the_projects_own_folder_watches_the_files_and_the_table_alone(films):
    (films / "params.yaml").touch()
    (films / "t.csv").write_text("\n".join(["id,label", *(f"s{n},{n % 2}" for n in range(4))]) + "\n")
    for number in range(4):
        (films / f"s{number}.png").unlink()
    blocks = propose(Path("t.csv"), Path("."), "mine").blocks
    assert blocks["datasets"]["mine"]["watch"] == "films"
    assert blocks["watched"] == {"mine_table": {"dataset": "mine", "path": "t.csv"}}


def test_init_says_where_files_beside_the_pipelines_outputs_should_go(films):
    (films / "params.yaml").touch()
    with pytest.raises(ScantuneError, match=r"the files lie beside data/index.* such as data/raw/<name>"):
        propose(Path("t.csv"), Path("."), "mine")
