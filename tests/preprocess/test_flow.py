"""Counts of why samples are left out."""

from __future__ import annotations

from scantune.preprocess.flow import counted


def test_reasons_are_counted_most_frequent_first() -> None:
    assert list(counted(["b", "a", "a", "c"]).items()) == [("a", 2), ("b", 1), ("c", 1)]


def test_many_reasons_that_differ_in_numbers_alone_are_one_count() -> None:
    grids = [f"grids lie {n}.{n} mm apart, from (-{n}e-05, {n})" for n in range(1, 30)]
    reasons = [*grids, "no such file", "no such file"]
    result = counted(reasons)
    assert len(result) == 2
    first, count = next(iter(result.items()))
    assert count == 29
    assert first.startswith("grids lie 1.1 mm apart")
    assert first.endswith("differ in the numbers alone)")
    assert sum(result.values()) == len(reasons)


def test_few_reasons_that_differ_in_numbers_are_listed_each() -> None:
    reasons = ["the mask has the labels [7]", "the mask has the labels [8]", "the mask has the labels [8]"]
    assert counted(reasons) == {"the mask has the labels [8]": 2, "the mask has the labels [7]": 1}
