"""The page on intervals prints the numbers of its JSON file, and what it says of them is so."""

import json
from pathlib import Path

from benchmarks.coverage_tables import BEFORE, comparison, misses, rewritten

DOCS = Path(__file__).parents[1] / "docs"


def rows():
    return json.loads((DOCS / "intervals.json").read_text(encoding="utf-8"))


def page():
    return (DOCS / "intervals.md").read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_file():
    assert page() == rewritten(page(), rows())


def test_the_cells_outside_the_goal_are_counted_right():
    text = " ".join(page().split())
    outside = [row for row in rows() if misses(row, row["subjects"])]
    assert f"{len(outside)} of {len(rows())} cells lie outside it" in text
    for row in outside:
        shares = ", ".join(f"{row[name]:.3f}".removeprefix("0") for name in ("coverage", "below", "above"))
        assert f"`{row['metric']}` of {row['scenario']}" in text
        assert f"({shares})" in text


def test_every_metric_is_compared_with_other_methods_and_those_before():
    entries = {(entry["task"], entry["metric"]): entry for entry in comparison(rows())}
    assert set(BEFORE) <= set(entries)
    for entry in entries.values():
        assert entry["ratio"] is None or 0.8 < entry["ratio"] < 1.25, entry
