"""Tables that name several files of one subject in each row, beside a table with a row a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from scantune.proposal.blocks import propose
from tests.proposal.test_layouts import home as home
from tests.proposal.test_layouts import picture, read, table

N = 40


@pytest.mark.parametrize("pairs", ["pairs.csv", "a.csv"])
@pytest.mark.parametrize("ending", ["png", "jpg", ""])
def test_both_eyes_of_a_row_are_of_one_subject(home, pairs, ending):
    names = [f"2005_{7919 * i % 9973:04d}_PP" for i in range(N)]
    for i, name in enumerate(names):
        picture(f"images/{name}.png", i)
    table("messidor_data.csv", "image_id,adjudicated_dr_grade", [(f"{n}.png", i % 3) for i, n in enumerate(names)])
    other = [f"{n}.{ending}".rstrip(".") for n in names]
    table(pairs, "left,right", [(other[i], other[i + 1]) for i in range(0, N - 2, 2)])
    _, records = read(propose(Path("raw")))
    subjects = {record.files[0].stem: record.subject_id for record in records}
    assert {r.files[0].stem: r.targets["adjudicated_dr_grade"] for r in records} == {
        name: str(i % 3) for i, name in enumerate(names)
    }
    assert all(subjects[names[i]] == subjects[names[i + 1]] for i in range(0, N - 2, 2))
    assert len(set(subjects.values())) == N // 2 + 1


def test_a_subject_that_a_table_says_stays(home):
    for i in range(N):
        picture(f"images/a{i:05d}.png", i)
    table("labels.csv", "image,grade", [(f"a{i:05d}.png", "ab"[i // 4 % 2]) for i in range(N)])
    rows = [(f"P{i // 4}", f"a{i:05d}.png", f"a{i + 1:05d}.png") for i in range(0, N, 2)]
    table("visits.csv", "patient,baseline,follow-up", rows)
    _, records = read(propose(Path("raw")))
    assert len(records) == N
    assert {(int(r.files[0].stem[1:]) // 4, r.subject_id) for r in records} == {(i, f"P{i}") for i in range(N // 4)}
