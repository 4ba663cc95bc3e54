"""A model is not tested on what trained it: under other folds, another split, or another name of the dataset."""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Any

import pytest

from scantune.config.load import parse
from scantune.config.params import EnsembleConfig
from scantune.pipeline.data.seen import refuse_seen, same_people, seen_by, seen_by_model
from scantune.pipeline.data.sides import read_sides
from scantune.records import ScantuneError
from tests.stages.conftest import experiment, grouped_params

Row = tuple[str, str, str, str]  # sample, subject, digest of its file, side or number of its fold


def write(name: str, rows: list[Row]) -> None:
    """``manifest.csv`` and ``splits.csv`` of a dataset and its input."""
    for folder, file, header, cells in (
        (
            "cache",
            "manifest.csv",
            ["sample_id", "subject_id", "digest", "shape", "split", "order"],
            [(*r[:3], "1x8x8", "", "") for r in rows],
        ),
        (
            *("splits", "splits.csv", ["sample_id", "subject_id", "split", "fold"]),
            [(*r[:2], "train" if r[3].isdigit() else r[3], r[3] if r[3].isdigit() else "") for r in rows],
        ),
    ):
        path = Path("data") / folder / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as out:
            csv.writer(out).writerows([header, *cells])


def settings(*, table: str = "far.csv", folds: int = 0, parent_folds: int = 0, dataset: str = "far") -> Any:
    """``derived.tuned`` on ``dataset``, from ``small`` on ``digits``."""
    params = grouped_params()
    params["datasets"]["far"] |= {"root": "data/demo/digits", "watch": "data/demo/digits", "table": table}
    for name in ("digits", "far"):
        params["datasets"][name] = copy.deepcopy(params["datasets"][name])
        params["datasets"][name]["split"] |= {"folds": max(folds, parent_folds)} if folds or parent_folds else {}
    params["experiments"]["small"]["train"] |= {"folds": parent_folds}
    tuned = experiment("small_cnn", epochs=1, folds=folds) | {"from": "small", "use": "weights"}
    params |= {"ensembles": {}, "ensemble_members": {}}
    params["derived"] = {"tuned": tuned | {"dataset": dataset, "input": dataset}}
    return parse(params)


def check(params: Any, dataset: str = "far") -> None:
    folds = bool(params.derived["tuned"].train.folds)
    sides = read_sides(Path("data/cache") / dataset, Path("data/splits") / dataset / "splits.csv", folds=folds)
    refuse_seen(params, "tuned", sides)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("digits", [("a", "p1", "d1", "train"), ("b", "p2", "d2", "validation"), ("c", "p3", "d3", "test")])


def test_a_file_that_trained_the_model_is_not_tested_under_another_name() -> None:
    write("far", [("x", "q1", "d9", "train"), ("y", "q2", "d1", "test"), ("z", "q3", "d8", "test")])
    with pytest.raises(
        ScantuneError, match=r"derived\.tuned: .*'small' was trained on 1 of 2 samples \(y\) .*far\.where"
    ):
        check(settings())


def test_a_subject_that_trained_the_model_is_not_tested_with_another_file_of_the_same_table() -> None:
    write("far", [("x", "p2", "d9", "train"), ("y", "p1", "d7", "test")])
    with pytest.raises(ScantuneError, match=r"1 of 1 samples \(y\)"):
        check(settings(table="cohort.csv"))
    check(settings(table="far.csv"))  # of another table, p1 is another person


def test_what_trained_the_model_that_a_derived_one_starts_from_trained_the_derived_one_too() -> None:
    write("far", [("x", "q1", "d9", "train"), ("y", "q2", "d7", "test")])
    write("third", [("r", "r1", "d1", ""), ("s", "r2", "d9", ""), ("t", "r3", "d2", ""), ("u", "r4", "d0", "")])
    params, own = settings(), read_sides(Path("data/cache/far"), Path("data/splits/far/splits.csv"))
    params.datasets["third"] = params.datasets["digits"].model_copy(update={"table": "third.csv"})
    tested = read_sides(Path("data/cache/third"), None).all_samples
    assert [one.sample_id for one in seen_by_model(params, "tuned", "third", own, tested)] == ["r", "s"]
    digits = read_sides(Path("data/cache/digits"), Path("data/splits/digits/splits.csv"))
    assert [one.sample_id for one in seen_by_model(params, "small", "third", digits, tested)] == ["r"]


def test_of_an_ensemble_what_any_member_was_trained_on_is_known() -> None:
    """One member starts from a model of another dataset: what trained that one is known to the ensemble too."""
    write("far", [("x", "q1", "d9", "train"), ("y", "q2", "d7", "test")])
    write("third", [("r", "r1", "d1", ""), ("s", "r2", "d9", ""), ("t", "r3", "d2", ""), ("u", "r4", "d0", "")])
    params, own = settings(), read_sides(Path("data/cache/far"), Path("data/splits/far/splits.csv"))
    params.datasets["third"] = params.datasets["digits"].model_copy(update={"table": "third.csv"})
    params.experiments["plain"] = params.experiments["small"].model_copy(update={"dataset": "far", "input": "far"})
    tested = read_sides(Path("data/cache/third"), None).all_samples
    for members, known in ((["plain", "tuned"], ["r", "s"]), (["tuned", "plain"], ["r", "s"]), (["plain"], ["s"])):
        params.ensembles["both"] = EnsembleConfig.model_construct(dataset="far", input="far", members=members)
        assert [one.sample_id for one in seen_by_model(params, "both", "third", own, tested)] == known


def test_what_only_validated_the_model_or_is_tested_by_both_may_be_tested() -> None:
    write("far", [("x", "q1", "d1", "train"), ("y", "q2", "d2", "test"), ("z", "q3", "d3", "test")])
    check(settings())


def test_samples_that_validate_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    write("far", [("x", "q1", "d9", "train"), ("y", "q2", "d1", "validation"), ("z", "q3", "d3", "test")])
    check(settings())
    assert "trained on 1 of 1 samples (y) that validate" in caplog.text


def test_folds_are_not_held_out_of_a_model_that_was_trained_on_them(caplog: pytest.LogCaptureFixture) -> None:
    folded = [("a", "p1", "d1", "0"), ("b", "p2", "d2", "1")]
    write("digits", folded)
    with pytest.raises(ScantuneError, match=r"trained on 2 of 2 samples \(a, b\).*leave out train\.folds"):
        check(settings(dataset="digits", folds=2), "digits")
    with pytest.raises(ScantuneError, match=r"trained on 2 of 2 samples"):
        check(settings(dataset="digits", folds=2, parent_folds=2), "digits")
    assert not caplog.records
    write("digits", [*folded, ("c", "p3", "d3", "test")])
    check(settings(dataset="digits", folds=2), "digits")
    assert "trained on 2 of 2 samples (a, b) that validate" in caplog.text


def test_one_split_without_folds_needs_no_check_and_missing_data_are_told(caplog: pytest.LogCaptureFixture) -> None:
    write("far", [("x", "q1", "d9", "train"), ("y", "q2", "d1", "test")])
    check(settings(dataset="digits"), "digits")
    assert not caplog.records
    Path("data/splits/digits/splits.csv").unlink()
    check(settings())
    assert "which samples trained small is not known" in caplog.text


def test_samples_of_an_external_dataset_that_trained_the_model_are_counted() -> None:
    params = settings()
    write("far", [("x", "q1", "d1", ""), ("y", "q2", "d2", ""), ("z", "q3", "d3", "")])
    theirs = read_sides(Path("data/cache/digits"), Path("data/splits/digits/splits.csv"))
    there = read_sides(Path("data/cache/far"), None)
    known = seen_by(params, params.experiments["small"], "far", theirs, there.all_samples)
    assert [one.sample_id for one in known] == ["x"]


@pytest.mark.parametrize(
    "keys",
    [
        {"root": "./data/demo/../demo/digits"},
        {"root": "data/demo", "table": "digits/cohort.csv", "watch": "data/demo/digits"},
        {"sample": "{sample_id}_{subject_id}"},
        {"join_ids": True},
    ],
)
def test_people_of_one_table_are_known_however_the_block_is_written(keys: dict[str, Any]) -> None:
    params = settings(table="cohort.csv")
    home = params.datasets["digits"].model_copy(update={"subject": "person"})
    far = params.datasets["far"].model_copy(update={"subject": "person"} | keys)
    assert same_people(far, home)
    other = far.model_copy(update={"table": "far.csv"}), far.model_copy(update={"subject": "sample_id"})
    assert not any(same_people(one, home) for one in other)


def test_equal_ids_of_two_tables_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    write("far", [("x", "p2", "d9", "train"), ("y", "p1", "d7", "test"), ("z", "p3", "d8", "test")])
    params = settings(table="far.csv")
    check(params)
    assert not caplog.records  # without a column of subjects, ids are of samples
    people = {name: block.model_copy(update={"subject": "person"}) for name, block in params.datasets.items()}
    check(params.model_copy(update={"datasets": people}))
    assert "1 of 2 samples (y) have subject ids that trained on datasets.digits too" in caplog.text
