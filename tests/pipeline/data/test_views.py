"""Several views of one person: what differs is named with ids, and what could not be aggregated is refused at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from scantune import io
from scantune.cohort.faults import CohortError
from scantune.config.load import ConfigError, parse
from scantune.pipeline.data.targets import read_for_tasks, view_notes
from tests.stages.conftest import run_stages

TABLE = (
    "id,person,visit,kind,score\n"
    "a1,A,A-1,ill,3\na2,A,A-1,well,4\na3,A,A-2,ill,5\nb1,B,B-1,well,1\nb2,B,B-1,well,2\nc1,C,C-1,ill,9\n"
)


def blocks(task: dict) -> dict:
    dataset = {
        "root": "raw",
        "watch": "raw",
        "table": "t.csv",
        "files": "{id}.png",
        "sample": "{id}",
        "subject": "person",
        "targets": ["kind", "score"],
        "groups": ["visit"],
    }
    trained = {"dataset": "d", "input": "d", "task": task, "model": {"backbone": "small_cnn"}}
    return {
        "tracking": {"enabled": False},
        "datasets": {"d": dataset},
        "inputs": {"d": {"dataset": "d", "modality": "image", "shape": [8, 8], "workers": 1}},
        "experiments": {"e": trained | {"train": {"epochs": 1}, "evaluate": {}, "register": {}}},
    }


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    rng = np.random.default_rng(0)
    for number in ("a1", "a2", "a3", "b1", "b2", "c1"):
        io.write_png(tmp_path / "raw" / f"{number}.png", rng.integers(0, 255, (8, 8), dtype=np.uint8))
    (tmp_path / "raw" / "t.csv").write_text(TABLE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


KIND = {"name": "classification", "target": "kind"}


def test_check_names_subjects_whose_targets_differ(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from scantune.commands.cohorts import check

    (home / "params.yaml").write_text(yaml.safe_dump(blocks(KIND)))
    check("d", "", False, None)
    printed = " ".join(capsys.readouterr().out.split())
    told = "target 'kind' differs between the samples of 1 of 2 subjects with several: "
    assert told + "A (a1 in row 2: ill, a2 in row 3: well, a3 in row 4: ill)" in printed


def notes_of(home: Path, kinds: dict[str, list[str]]) -> str:
    """What is noted of a table with these kinds of each person's samples, all of one picture."""
    rows = [f"a1,{person},v,{kind},0" for person, own in kinds.items() for kind in own]
    numbered = "".join(f"{row.replace('a1', f'n{i}', 1)}\n" for i, row in enumerate(rows))
    (home / "raw" / "t.csv").write_text("id,person,visit,kind,score\n" + numbered)
    for i in range(len(rows)):
        (home / "raw" / f"n{i}.png").write_bytes((home / "raw" / "a1.png").read_bytes())
    params = parse(blocks(KIND))
    return "\n".join(view_notes(params, "d", read_for_tasks(params, "d", home)))


def test_a_difference_that_is_far_down_among_many_samples_is_shown(home: Path) -> None:
    told = notes_of(home, {"A": ["ill"] * 14 + ["well"], "B": ["ill"] * 2})
    assert told.endswith("of 1 of 2 subjects with several: A (n0 in row 2: ill, n14 in row 16: well …)")


def test_labels_that_differ_within_most_subjects_are_shown_by_one_of_them(home: Path) -> None:
    """Cells or lesions have labels of their own: a list of all of them hid what else was noted."""
    told = notes_of(home, {f"P{i}": ["ill", "well", "ill"] for i in range(15)})
    assert "differs between the samples of 15 of 15 subjects with several: P0 (n0 in row 2: ill, n1 in row 3" in told
    assert told.endswith("ill) …")
    assert "P1" not in told


def test_numbers_may_differ(home: Path) -> None:
    task = {"name": "regression", "target": "score", "aggregate": "mean"}
    params = parse(blocks(task))
    assert view_notes(params, "d", read_for_tasks(params, "d", home)) == []


@pytest.mark.parametrize(
    ("rule", "unit"),
    [
        ("mean", "subject_id: A (a1 in row 2: ill, a2 in row 3: well, a3 in row 4: ill)"),
        ({"name": "max", "by": "visit"}, "visit: A-1 (a1 in row 2: ill, a2 in row 3: well)"),
    ],
)
def test_what_cannot_be_aggregated_is_refused_before_anything_is_prepared(home: Path, rule: object, unit: str) -> None:
    (home / "params.yaml").write_text(yaml.safe_dump(blocks({**KIND, "aggregate": rule})))
    with pytest.raises(CohortError) as caught:
        run_stages(home, "preprocess d")
    assert f"experiments.e.task.aggregate: target 'kind' differs within one {unit}" in str(caught.value)
    assert [fault.row for fault in caught.value.faults] == [2]
    assert not (home / "data").exists()


def test_a_column_that_predictions_do_not_have_is_refused_at_load() -> None:
    with pytest.raises(ConfigError, match=r"aggregate\.by: 'vist' is neither subject_id nor one of .*groups: visit"):
        parse(blocks({**KIND, "aggregate": {"name": "mean", "by": "vist"}}))


def test_a_finding_that_one_view_leaves_unknown_is_no_contradiction(home: Path) -> None:
    findings = {"name": "multilabel", "findings": ["kind", "score"], "aggregate": {"name": "max", "by": "visit"}}
    (home / "raw" / "t.csv").write_text(
        "id,person,visit,kind,score\n"
        "a1,A,A-1,1,\na2,A,A-1,,0\na3,A,A-2,-1,1\nb1,B,B-1,0,1\nb2,B,B-1,0,1.0\nc1,C,C-1,1,0\n"
        "d1,D,,1,0\ne1,E,,0,1\n"  # no visit
    )
    read_for_tasks(parse(blocks(findings)), "d", home)
    (home / "raw" / "t.csv").write_text((home / "raw" / "t.csv").read_text().replace("1.0", "0"))
    differs = r"target 'score' differs within one visit: B-1 \(b1 in row 5: 1, b2 in row 6"
    with pytest.raises(CohortError, match=differs):
        read_for_tasks(parse(blocks(findings)), "d", home)
    with pytest.raises(CohortError, match="target 'kind' differs within one visit: A-1"):
        read_for_tasks(parse(blocks({**findings, "blank": "absent"})), "d", home)
