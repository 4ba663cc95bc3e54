"""Scales of few whole numbers: grades in order by the name of their column, or a question."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from scantune.proposal.blocks import propose
from scantune.proposal.columns import roles
from scantune.proposal.goals import Goal, choose
from scantune.records import ScantuneError
from tests.proposal.test_layouts import home as home
from tests.proposal.test_layouts import picture, read, table


def chosen(column: str, values: Sequence[object]) -> Goal:
    rows = [{"file": f"{i}.png", column: str(values[i % len(values)])} for i in range(60)]
    return choose(["file", column], rows, {"file"}, [], "", "")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("mmse", [24, 26, 27, 30]),
        ("MoCA", [22, 25, 28]),
        ("kellgren_lawrence", [0, 1, 2, 3, 4]),
        ("likert", [1, 2, 3, 4, 5]),
    ],
)
def test_scales_of_few_whole_numbers_are_ordinal(column, values):
    assert chosen(column, values).task["ordinal"] is True


@pytest.mark.parametrize(
    ("column", "values"),
    [("reaction", [0, 1, 2]), ("reaction", [2, 3, 4]), ("reaction", [10, 20, 30]), ("grade", [0, 1, 2, 9])],
)
def test_whole_numbers_of_another_name_or_with_a_gap_are_a_question(column, values):
    goal = chosen(column, values)
    assert "ordinal" not in goal.task
    assert any("grades in order?" in note for note in goal.notes)


def test_letters_of_a_grade_are_in_order():
    task = chosen("breast_density", ["C", "A", "D", "B"]).task
    assert task["ordinal"] is True
    assert task["classes"] == ["A", "B", "C", "D"]
    assert "ordinal" not in chosen("cohort_class", ["C", "A", "D", "B"]).task


def test_a_view_in_the_names_of_files_is_a_group():
    rows = [
        {"patient": f"{i // 4}", "side": "LR"[i % 2], "view": ("CC", "MLO")[i // 2 % 2], "label": "ab"[i // 4 % 2]}
        for i in range(64)
    ]
    known = roles(["patient", "side", "view", "label"], rows, {"patient", "side", "view"}, "", "")
    assert "view" in known.dataset["groups"]


@pytest.mark.parametrize("column", ["image_quality", "diagnosis_date"])
def test_an_empty_column_named_like_a_target_does_not_hide_one_of_classes(column):
    rows = [{"file": f"{i}.png", "fracture": ("yes", "no")[i % 2], column: ""} for i in range(60)]
    assert choose(["file", "fracture", column], rows, {"file"}, [], "", "").columns == ["fracture"]


def test_an_abbreviation_among_findings_is_one_of_them(home):
    for i in range(60):
        picture(f"{i}.png", i)
    head = "ID,Disease_Risk,DR,ARMD,MH"  # RFMiD
    rows = [(i, *(int(i * k % 7 < 3) for k in (1, 2, 3)), int(i % 3 == 0)) for i in range(60)]
    table("labels.csv", head, rows)
    params, _ = read(propose(Path("raw")))
    assert set(params.experiments["labels"].task.findings) == {"Disease_Risk", "DR", "ARMD", "MH"}


def test_a_target_of_one_value_is_named(home):
    for i in range(4):
        picture(f"p{i}.png", i)
    table("labels.csv", "file,label,comment", [(f"p{i}.png", 1, "x") for i in range(4)])
    with pytest.raises(ScantuneError, match="'label' has the one value '1' in 4 rows"):
        propose(Path("raw"))


def test_one_letter_is_a_finding_beside_others(home):
    for i in range(60):
        picture(f"p{i}.png", i)
    letters = "NDGCAHMO"  # ODIR; H is no height
    rows = [(f"p{i}.png", *(int(i * (k + 2) % 11 < 4) for k in range(8))) for i in range(60)]
    table("labels.csv", f"file,{','.join(letters)}", rows)
    params, _ = read(propose(Path("raw")))
    assert set(params.experiments["labels"].task.findings) == set(letters)


def test_an_abbreviation_beside_risk_factors_is_the_target(home):
    for i in range(60):
        picture(f"p{i}.png", i)
    rows = [(f"p{i}.png", *(int(i * k % 7 < 3) for k in (1, 2, 3, 4))) for i in range(60)]
    table("labels.csv", "image,DR,hypertension,insulin,smoker", rows)
    params, _ = read(propose(Path("raw")))
    assert params.experiments["labels"].task.name == "classification"
    assert params.experiments["labels"].task.target == "dr"
