"""Sides of the body in a table and in names of files, each in a form of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from scantune.proposal.blocks import propose
from scantune.records import ScantuneError
from tests.proposal.test_layouts import home as home
from tests.proposal.test_layouts import mask, picture, read, table


def knees(right: str, left: str, of: str = "{id}{side}", sides: str = "RL", column: str = "SIDE") -> None:
    rows = []
    for i in range(20):
        for k, cell in enumerate((right, left)):
            picture(f"films/{of.format(id=9000099 + 13 * i, side=sides[k])}.png", 2 * i + k)
            rows.append((9000099 + 13 * i, cell, (i + 2 * k) % 5))
    table("kl.csv", f"ID,{column},V00XRKL", rows)


@pytest.mark.parametrize(("right", "left"), [("right", "left"), ("Right knee", "Left knee"), ("r", "l"), ("R", "L")])
@pytest.mark.parametrize(
    ("of", "sides"), [("{id}{side}", "RL"), ("{id}_{side}", "rl"), ("{id}-{side}", ("Right", "Left"))]
)
def test_each_side_has_its_own_grade(home, right, left, of, sides):
    knees(right, left, of, sides)
    _, records = read(propose(Path("raw")))
    grades = {record.files[0].stem: record.targets["v00xrkl"] for record in records}
    assert grades == {
        of.format(id=9000099 + 13 * i, side=sides[k]): str((i + 2 * k) % 5) for i in range(20) for k in range(2)
    }
    assert len({record.subject_id for record in records}) == 20


@pytest.mark.parametrize("column", ["SIDE", "knee", "laterality"])
def test_sides_as_numbers_are_told(home, column):
    knees("1", "2", column=column)
    with pytest.raises(
        ScantuneError, match=rf"the sides in column '{column}' are 1 and 2, those in names of files 'L'"
    ):
        propose(Path("raw"))


@pytest.mark.parametrize("sided", [True, False])
def test_a_finding_of_a_knee_is_no_side(home, sided):
    rows = []
    for i in range(20):
        for k, side in enumerate(("right", "left")):
            picture(f"{9000099 + 13 * i}{'RL'[k]}.png", 2 * i + k)
            rows.append((9000099 + 13 * i, f"{9000099 + 13 * i}{'RL'[k]}", side, i % 3 % 2, (i + 2 * k) % 5))
    head = "ID,file,SIDE,knee_pain,kl_grade"
    if not sided:
        head, rows = head.replace("SIDE,", ""), [(*row[:2], *row[3:]) for row in rows]
    table("kl.csv", head, rows)
    assert not any("the sides in column" in note for note in propose(Path("raw")).notes)


def test_a_field_of_view_is_no_group(home):
    for i in range(12):
        picture(f"images/{i:02d}_training.png", i)
        mask(f"1st_manual/{i:02d}_manual1.png", i)
        mask(f"mask/{i:02d}_training_mask.png", 50 + i)
    params, _ = read(propose(Path("raw")))
    assert params.datasets["raw"].region
    assert not params.datasets["raw"].groups
