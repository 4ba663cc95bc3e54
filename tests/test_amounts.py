"""Counts in messages."""

from __future__ import annotations

from scantune.amounts import number_of


def test_one_is_singular_and_all_else_plural() -> None:
    assert [number_of(n, "sample") for n in (0, 1, 2)] == ["0 samples", "1 sample", "2 samples"]
    assert [number_of(n, "row is", "rows are") for n in (1, 21)] == ["1 row is", "21 rows are"]
