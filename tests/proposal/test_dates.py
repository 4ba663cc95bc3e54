"""Dates of a table in another form than in the names of files, and labels that would be lost without them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scantune import io
from scantune.proposal.blocks import Proposed, propose
from scantune.records import ScantuneError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def cohort(dates: dict[str, str], header: str) -> None:
    """Pictures of 12 subjects at two dates (in their names → in the table), and a label that differs between them."""
    rows = [header]
    for i in range(1, 13):
        for k, (named, cell) in enumerate(dates.items()):
            path = Path(f"raw/P{i:02d}_{named}.png")
            path.parent.mkdir(exist_ok=True)
            io.write_png(path, np.random.default_rng(2 * i + k).integers(0, 255, (16, 16), np.uint8))
            rows.append(f"P{i:02d};{cell};{40 + i};{('mild', 'none', 'severe')[(i + k) % 3]}")
    Path("raw/table.csv").write_text("\n".join(rows) + "\n")


def labels(proposed: Proposed) -> dict[str, str]:
    (source,) = proposed.tables.values()
    return {file: row["diagnosis"] for file, row in zip(source.files, source.rows, strict=True)}


@pytest.mark.parametrize(
    "dates",
    [
        {"20210310": "10.03.2021", "20210912": "12.09.2021"},
        {"20210310": "3/10/2021", "20210930": "9/30/2021"},
        {"2021-03-10": "10/3/2021", "2021-09-12": "12/9/2021"},
        {"10032021": "2021-03-10", "12092021": "2021-09-12"},
        {"2021_03_10": "2021-03-10 09:15", "2021_09_12": "2021-09-12 10:00"},
        {"2021-03-10": "10/03/21", "2021-09-12": "12/09/21"},
        {"19980310": "10.3.98", "20010912": "12.9.01"},
        {"20210310": "44265", "20210912": "44451.5"},  # as a spreadsheet counts days
    ],
)
def test_each_visit_has_the_label_of_its_date(home, dates):
    cohort(dates, "patient;exam_date;age;diagnosis")
    proposed = propose(Path("raw"))
    (experiment,) = proposed.blocks["experiments"].values()
    assert experiment["task"]["target"] == "diagnosis"
    found = labels(proposed)
    assert len(found) == 24
    first, second = dates
    for i in range(1, 13):
        assert found[f"P{i:02d}_{first}.png"] == ("mild", "none", "severe")[i % 3]
        assert found[f"P{i:02d}_{second}.png"] == ("mild", "none", "severe")[(i + 1) % 3]
    assert any("are written as in the names of files" in note for note in proposed.notes)


def test_age_is_no_target_where_the_grade_is_lost(home):
    cohort({"a": "1", "b": "2"}, "patient;number;age;grade")
    with pytest.raises(ScantuneError, match=r"'grade' is named like a target.*--target, such as age"):
        propose(Path("raw"))
    proposed = propose(Path("raw"), target="age")
    (experiment,) = proposed.blocks["experiments"].values()
    assert experiment["task"]["target"] == "age"


def test_age_is_no_target_beside_a_diagnosis_in_words_of_its_own(home):
    cohort({"20210310": "10.03.2021", "20210912": "12.09.2021"}, "patient;exam_date;age;diagnosis")
    lines = Path("raw/table.csv").read_text().splitlines()
    texts = [f"{line.rpartition(';')[0]};text {i}" if i else line for i, line in enumerate(lines)]
    Path("raw/table.csv").write_text("\n".join(texts) + "\n")
    with pytest.raises(ScantuneError, match="'diagnosis' is named like a target and has 24 values"):
        propose(Path("raw"))


def test_two_visits_on_one_day_are_not_made_one(home):
    rows = ["patient;scan_time;diagnosis"]
    for i in range(1, 13):
        for k in (1, 2):
            path = Path(f"raw/P{i:03d}_20211010_{k}.png")
            path.parent.mkdir(exist_ok=True)
            io.write_png(path, np.random.default_rng(2 * i + k).integers(0, 255, (16, 16), np.uint8))
            rows.append(f"P{i:03d};2021-10-10 0{k}:00;{('mild', 'none')[(i + k) % 2]}")
    Path("raw/table.csv").write_text("\n".join(rows) + "\n")
    assert any("nothing says which of them the file is of" in note for note in propose(Path("raw")).notes)
