"""The page on intervals prints the numbers of its JSON file, and what it says of them holds."""

import json
from pathlib import Path

from benchmarks.coverage import markdown

DOCS = Path(__file__).parents[1] / "docs"


def rows():
    return json.loads((DOCS / "intervals.json").read_text(encoding="utf-8"))


def missed(row):
    """Whether a cell is outside the goal."""
    least = 0.93 if row["subjects"] >= 30 else 0.92
    return row["coverage"] < least - 1e-9 or max(row["below"], row["above"]) > 0.05 + 1e-9


def test_the_tables_are_those_of_the_file():
    page = (DOCS / "intervals.md").read_text(encoding="utf-8")
    assert page.endswith(markdown(rows()))


def test_the_cells_outside_the_goal_are_counted_right():
    page = " ".join((DOCS / "intervals.md").read_text(encoding="utf-8").split())
    outside = [row for row in rows() if missed(row)]
    assert f"{len(outside)} of {len(rows())} cells lie outside it" in page
    for row in outside:
        assert f"`{row['metric']}`" in page
