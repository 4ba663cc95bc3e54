"""The page on intervals prints the numbers of its JSON file, and what it says of them is so."""

import json
from pathlib import Path

from benchmarks.coverage_tables import BEFORE, FEWEST, comparison, misses, rewritten
from scantune.statistics.distributions import binomial_interval
from scantune.statistics.trials import perfect_mean

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


def test_the_numbers_of_cohorts_are_those_of_the_file():
    text = " ".join(page().split())
    usual = max(row["cohorts"] for row in rows())
    assert f"of {usual:,} cohorts" in text
    fewest = min(row["cohorts"] for row in rows())
    assert f"{fewest:,} at least" in text
    assert fewest >= FEWEST


def test_no_interval_is_wider_than_1_15_times_the_shortest_other_method_that_keeps_the_goal():
    for entry in comparison(rows()):
        assert entry["ratio"] is None or entry["ratio"] <= 1.15, entry


def test_the_figures_in_the_text_are_those_of_the_file_and_of_the_code():
    text = " ".join(page().split())
    logs = [
        row["rivals"]["jackknife, t on the log scale"]
        for row in rows()
        if row["metric"] == "hd95" and row["subjects"] == 15
    ]
    side = max(max(shares["below"], shares["above"]) for shares in logs)
    assert f"misses {side:.2f} on one side at 15 subjects".replace("0.", ".") in text
    assert f"is {binomial_interval(6, 6)[0]:.2f} where ten".replace("0.", ".") in text
    assert f"the bound of all together {perfect_mean([6] * 10):.2f}".replace("0.", ".") in text
