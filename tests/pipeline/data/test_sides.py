from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from scantune.cohort.manifest import Sample
from scantune.pipeline.data.sides import Side, split_subjects
from scantune.records import ScantuneError


def side(targets: list[str], per_subject: int = 1) -> Side:
    members = [
        Sample(f"s{i}-{k}", f"p{i}", "train", None, (1, 4, 4), {"t": target}, {}, {}, {})
        for i, target in enumerate(targets)
        for k in range(per_subject)
    ]
    return Side(members, Path())


@pytest.mark.parametrize("share", [0.1, 0.15, 0.5])
def test_the_part_that_is_set_apart_is_like_the_whole_and_of_other_subjects(share: float) -> None:
    whole = side(["a"] * 60 + ["b"] * 30 + ["c"] * 10, per_subject=2)
    rest, part = split_subjects(whole, share, 3)
    assert not set(rest.subjects) & set(part.subjects)
    assert len(rest) + len(part) == len(whole)
    assert len(set(part.subjects)) == round(share * 100)
    counts = Counter(member.targets["t"] for member in part)
    for name, count in (("a", 60), ("b", 30), ("c", 10)):
        assert abs(counts[name] / 2 - share * count) <= 1


def test_it_depends_on_the_seed_alone() -> None:
    whole = side(["1", "2.5", "", "x"] * 5)
    names = [m.sample_id for m in split_subjects(whole, 0.3, 1)[1]]
    assert names == [m.sample_id for m in split_subjects(whole, 0.3, 1)[1]]
    assert names != [m.sample_id for m in split_subjects(whole, 0.3, 2)[1]]


def test_neither_part_is_ever_empty_and_one_subject_cannot_be_divided() -> None:
    for share in (0.001, 0.999):
        assert all(len(part) for part in split_subjects(side(["a", "b"]), share, 0))
    with pytest.raises(ScantuneError, match="1 subject cannot be split"):
        split_subjects(side(["a"], per_subject=3), 0.5, 0)


def test_the_digest_of_the_table_follows_labels_groups_and_subjects() -> None:
    whole = side(["a", "b"])
    others = [
        whole.of([replace(whole[0], **change), whole[1]])
        for change in ({"targets": {"t": "c"}}, {"groups": {"sex": "F"}}, {"subject_id": "p9"})
    ]
    assert len({one.table_digest for one in (whole, *others)}) == 4
    assert whole.table_digest == side(["a", "b"]).table_digest
