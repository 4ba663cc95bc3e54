"""What ``scantune drift`` takes from its tables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import typer

from scantune.commands.drifting import drift
from scantune.records import ScantuneError
from scantune.registry.model import ModelFacts
from scantune.statistics.drift import described
from scantune.tasks.predictions_file import read


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, and the facts of a model whose images had means from 0 to 99."""
    cohort = {"image_mean": described([str(number) for number in range(100)], few=0)}
    facts = ModelFacts("m", "d", {"name": "regression"}, {"modality": "image"}, training={"cohort": cohort})
    monkeypatch.setattr("scantune.registry.opening.facts_of", lambda model: facts)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(path: Path, columns: dict[str, list[object]]) -> Path:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_the_reference_of_answers_is_what_the_model_answers_of_its_test_set(home: Path) -> None:
    values = np.arange(50.0)
    evaluated = {
        "prediction": [*values, *(values + 1000), *(values - 1000)],
        "split": ["test"] * 50 + ["validation"] * 50 + ["test"] * 50,
        "answered": ["yes"] * 100 + ["no"] * 50,
    }
    answers = written(home / "answers.csv", {"prediction": list(values), "reason": [""] * 50})
    drift("m", [answers], predictions=written(home / "predictions.csv", evaluated), out=home / "drift.csv")
    table = read(home / "drift.csv")
    assert table.text("column").tolist() == ["prediction"]
    assert table.text("n_reference").tolist() == ["50"]
    assert table.text("shifted").tolist() == ["no"]


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ([{"image_mean": [1], "distance": ["far"]}], "column distance: .*'far'"),
        ([{"image_mean": [1]}, {"prediction": [1]}], r"0.csv, 1.csv: no column is in all of them"),
    ],
)
def test_tables_that_cannot_be_compared_are_refused_in_words(home: Path, tables: list[dict], fault: str) -> None:
    paths = [written(home / f"{number}.csv", columns) for number, columns in enumerate(tables)]
    with pytest.raises(ScantuneError, match=fault):
        drift("m", paths, out=home / "drift.csv")


def test_strict_also_fails_where_nothing_could_be_compared(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = written(home / "few.csv", {"image_mean": [1, 2, 3], "sex": ["f", "m", "f"]})
    one = written(home / "one.csv", {"image_mean": [4]})
    with pytest.raises(typer.Exit):
        drift("m", [few, one], out=home / "drift.csv", strict=True)
    told = capsys.readouterr().out
    assert "nothing can be said of 1: too few new values: 4 of at least 20" in told
    assert "not in all tables, and left out: sex" in told
    many = written(home / "many.csv", {"image_mean": list(range(100))})
    drift("m", [many], out=home / "drift.csv", strict=True)


def test_rows_without_a_level_and_those_of_the_level_unknown_are_one_group(home: Path) -> None:
    table = written(home / "a.csv", {"image_mean": list(range(90)), "site": ["", "unknown", "A"] * 30})
    drift("m", [table], by="site", out=home / "drift.csv")
    rows = read(home / "drift.csv")
    assert dict(zip(rows.text("group"), rows.text("n"), strict=True)) == {"site A": "30", "site unknown": "60"}
