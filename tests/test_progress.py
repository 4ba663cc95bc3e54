"""Work on many items says where it is: a line a minute without a terminal, nothing of what ends sooner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from scantune.progress import duration, with_progress


def test_a_line_a_minute(capsys: pytest.CaptureFixture[str]) -> None:
    times = iter([0.0, 1.0, 2.0, 90.0, 120.0, 151.0])  # an item is 30 s from the third on
    items = with_progress(range(5), 5, "preprocess", lambda item: f"{item} excluded", clock=lambda: next(times))
    assert list(items) == [0, 1, 2, 3, 4]
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "preprocess: 3 of 5 · 2 excluded · 60 s left",  # 30 s an item so far
        "preprocess: 5 of 5 · 4 excluded · 0 s left",
    ]


def test_what_ends_within_a_minute_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(with_progress(iter("abc"), 3, "index")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


def test_the_work_is_closed_where_its_user_stops() -> None:
    closed = []

    def work() -> Iterator[int]:
        try:
            yield from range(3)
        finally:
            closed.append(True)

    items = with_progress(work(), 3, "index")
    assert next(items) == 0
    items.close()
    assert closed == [True]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (725, "12 min"), (11100, "3 h 05 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
    assert duration(float("nan")) == "?"
