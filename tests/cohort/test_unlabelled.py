"""A table to be predicted names files, ids and covariates as the table of the training did, without its labels."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from scantune import cohort
from scantune.cohort.layout import read_layout, write_layout
from scantune.cohort.unlabelled import Sample, read_samples
from scantune.config.dataset import DatasetConfig
from scantune.records import ScantuneError

HEADER = ["number", "visit", "label", "age_years", "gender", "echo", "comment"]
ROWS = [["7", "a", "1", "61", "male", "2", "x"], ["12.0", "b", "0", "-9", "f", "", ""]]
KEYS: dict[str, Any] = {
    "root": "films",
    "table": "labels.csv",
    "files": "pics/{number:03d}_{visit}.png",
    "targets": {"label": {"column": "label", "values": [0, 1], "missing": "error"}},
    "groups": {"age": "age_years", "sex": "gender", "site": "comment"},
    "recode": {"gender": {"male": "m"}, "age_years": {"-9": ""}, "comment": {"x": "Dr Doe"}},
    "volume": {"name": "{echo}", "by": "echo_time"},
    "where": {"comment": "x"},
}


def table(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], separator: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=separator).writerows([header, *rows])
    return path


@pytest.fixture
def layout(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """What a model of a dataset keeps."""

    def of(covariates: Sequence[str] = (), **keys: Any) -> dict[str, Any]:
        write_layout(tmp_path, DatasetConfig.model_validate(KEYS | keys))
        return read_layout(tmp_path, covariates)

    return of


def by_the_training(home: Path, **keys: Any) -> list[cohort.load]:
    block = KEYS | {"where": {}} | keys
    return cohort.load(DatasetConfig.model_validate(block), home)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"sample": "{number}-{visit}"},
        {"series": {"name": "{comment}", "by": "description"}},
        {"files": ["pics/{number}.png", "other/{number}.png"]},
        {"pseudonyms": {"key_variable": "A_KEY"}},
    ],
)
def test_the_training_table_gives_the_samples_of_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Callable[..., dict], keys: dict[str, Any]
) -> None:
    monkeypatch.setenv("A_KEY", "a secret of sixteen or more")
    path = table(tmp_path / "films/labels.csv", HEADER, ROWS)
    records = by_the_training(tmp_path, **keys)
    samples, notes = read_samples(path, layout(["age", "sex"], **keys), ["age", "sex"])
    assert not notes
    for record, sample in zip(records, samples, strict=True):
        assert sample.sample_id == record.sample_id
        assert (sample.source.files, sample.source.series) == (record.files, record.series)
        assert (sample.source.volume, sample.row, sample.reason) == (record.volume, record.row, "")
        assert sample.covariates == {name: record.groups[name] for name in ("age", "sex")}
    assert [sample.covariates["age"] for sample in samples] == ["61", ""]


def test_a_new_table_needs_neither_labels_nor_filters_nor_what_ids_are_made_of(
    tmp_path: Path, layout: Callable[..., dict]
) -> None:
    path = table(tmp_path / "new.tsv", ["visit", "number", "age", "sex"], [["a", "7", "95", "m"]], "\t")
    known = layout(["age", "sex"], sample="{comment}")
    (sample,), notes = read_samples(path, known, ["age", "sex"], tmp_path / "elsewhere")
    assert sample == Sample(2, sample.source, "7_a", {"age": "90+", "sex": "m"}, "")
    assert sample.source.files == (tmp_path / "elsewhere/pics/007_a.png",)
    assert notes == ["no column 'echo': files must hold one volume, or the model's input chooses"]


def test_an_age_that_is_none_in_years_stays_as_it_is_written(tmp_path: Path, layout: Callable[..., dict]) -> None:
    rows = [["7", "a", age, "m"] for age in ("119", "121", "10950")]
    samples, _ = read_samples(
        table(tmp_path / "new.csv", ["number", "visit", "age", "sex"], rows), layout(["age"]), ["age"]
    )
    assert [sample.covariates["age"] for sample in samples] == ["90+", "121", "10950"]


def test_rows_that_cannot_be_used_have_reasons_and_the_others_their_samples(
    tmp_path: Path, layout: Callable[..., dict]
) -> None:
    rows = [["7", "", "", "", "", "", ""], ["7", "a", "", "", "", "early", ""], ["7", "a", "", "", "", "", ""]]
    samples, _ = read_samples(table(tmp_path / "labels.csv", HEADER, [*rows, rows[-1]]), layout())
    assert samples[0].reason.startswith("row 2, column 'visit': empty")
    assert samples[1].reason.startswith("row 3, column 'echo': 'early' is no echo_time")
    assert [(s.row, s.reason, s.sample_id) for s in samples[2:]] == [(4, "", "7_a"), (5, "", "7_a")]


def test_a_path_with_backslashes_is_that_of_the_file_that_is_there(tmp_path: Path, layout: Callable[..., dict]) -> None:
    keys = {"files": "{file}", "volume": None}
    (tmp_path / "films/a").mkdir(parents=True)
    (tmp_path / "films/a/1.png").touch()
    known = layout(**keys)
    there = table(tmp_path / "films/there.csv", ["file"], [["a/1.png"]])
    windows = table(tmp_path / "windows.csv", ["file"], [[r"a\1.png"], [r"a\2.png"]])
    (right,), _ = read_samples(there, known)
    (same, absent), _ = read_samples(windows, known, root=tmp_path / "films")
    assert (same.source, same.sample_id) == (right.source, right.sample_id)
    assert absent.source.files == (tmp_path / r"films/a\2.png",)


def test_the_column_path_names_files_whatever_the_training_table_had(
    tmp_path: Path, layout: Callable[..., dict]
) -> None:
    path = table(tmp_path / "list.csv", ["path", *HEADER], [["b/1.png", *ROWS[0]], ["/c.png", *ROWS[1]]])
    for known in ({}, layout()):
        samples, notes = read_samples(path, known)
        assert [sample.source.files for sample in samples] == [(tmp_path / "b/1.png",), (Path("/c.png"),)]
        assert [sample.sample_id for sample in samples] == ["", ""]
        assert bool(notes) == bool(known)  # the columns of the training table are there too
    named = table(tmp_path / "named.csv", ["path", "sample_id"], [["b/1.png", "s1"]])
    assert read_samples(named, {})[0][0].sample_id == "s1"


def test_what_is_missing_is_said_with_what_was_looked_for_and_what_there_is(
    tmp_path: Path, layout: Callable[..., dict]
) -> None:
    path = table(tmp_path / "labels.csv", ["id", "number", "gender"], [["1", "2", "f"]])
    with pytest.raises(ScantuneError) as caught:
        read_samples(path, layout(["age", "sex"]), ["age", "sex"])
    message = str(caught.value)
    for words in ("labels.csv", "no column 'path'", "nor 'visit'", "'age_years' or 'age'", "'id', 'number', 'gender'"):
        assert words in message
    assert "'sex'" not in message
    with pytest.raises(ScantuneError, match=r"(?m)in each row$"):
        read_samples(path, {})


def test_a_title_row_of_the_training_table_is_none_of_a_new_one(tmp_path: Path, layout: Callable[..., dict]) -> None:
    known = layout(header=3)
    for title in ([["Films of 2024"], [""]], []):
        path = tmp_path / "labels.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([*title, HEADER, *ROWS])
        assert [sample.sample_id for sample in read_samples(path, known)[0]] == [
            record.sample_id for record in by_the_training_of(tmp_path, ROWS)
        ]


def test_a_column_that_lacks_below_the_title_of_the_training_table_is_said_of_that_header(
    tmp_path: Path, layout: Callable[..., dict]
) -> None:
    known = layout(["age", "sex"], header=3)
    path = tmp_path / "labels.csv"
    for title in ([["Films of 2024"], [""]], []):
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([*title, ["number", "visit", "echo", "gender"], ["7", "a", "", "f"]])
        with pytest.raises(ScantuneError) as caught:
            read_samples(path, known, ["age", "sex"])
        assert "no column 'age_years' or 'age'" in str(caught.value)
        assert "there are the columns 'number', 'visit', 'echo', 'gender'" in str(caught.value)
        assert "no column 'path'" not in str(caught.value)


def by_the_training_of(home: Path, rows: Sequence[Sequence[str]]) -> list[Any]:
    table(home / "films/labels.csv", HEADER, rows)
    return by_the_training(home)


def test_a_model_keeps_no_more_of_its_dataset_than_rows_need(layout: Callable[..., dict]) -> None:
    kept = layout(["age"])
    assert not {"root", "table", "watch", "targets", "where", "split"} & set(kept)
    assert kept["groups"] == {"age": "age_years"}
    assert set(kept["recode"]) == {"age_years"}
    assert "Doe" not in str(kept)
    assert layout(class_folders=True, table=None, files=[], volume=None, groups={}, recode={}, where={}) == {}


def test_pseudonyms_without_their_key_are_no_ids(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Callable[..., dict]
) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    path = table(tmp_path / "labels.csv", HEADER, ROWS)
    samples, notes = read_samples(path, layout(pseudonyms={"key_variable": "A_KEY"}))
    assert [sample.sample_id for sample in samples] == ["", ""]
    assert any("A_KEY" in note for note in notes)


@pytest.mark.parametrize("root", ["films", "/data/jane doe/films", "/data/jane doe/../films/"])
def test_no_path_of_the_training_machine_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Callable[..., dict], root: str
) -> None:
    """Files named by absolute templates are found below the root of a new table, as relative ones are."""
    monkeypatch.chdir(tmp_path)
    home = os.path.normpath(tmp_path / root)
    known = layout(root=root, table="labels.csv", files=[f"{home}/pics/{{number:03d}}.png", "more/{number}.png"])
    assert known["files"] == ["pics/{number:03d}.png", "more/{number}.png"]
    assert "jane" not in json.dumps(known)
    assert str(tmp_path) not in json.dumps(known)
    (sample,), _ = read_samples(table(tmp_path / "new/t.csv", ["number"], [["7"]]), known)
    assert sample.source.files == (tmp_path / "new/pics/007.png", tmp_path / "new/more/7.png")


def test_an_absolute_template_beside_the_root_keeps_no_folder(layout: Callable[..., dict]) -> None:
    assert layout(root="/data/films", files="/home/jane/{number}.png")["files"] == ["{number}.png"]
