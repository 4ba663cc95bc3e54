"""The tables of ``docs/intervals.md`` from the rows of ``docs/intervals.json``."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Row = Mapping[str, Any]

GOAL, GOAL_OF_FEW, SIDE = 0.93, 0.92, 0.05
"""Least coverage from 30 subjects on, and below; largest share of misses on one side."""

MARK = "## Widths beside other methods\n"
"""From this heading on the page is written by :func:`rewritten`."""

BEFORE = {
    ("regression", "mae"): (0.866, 0.908, 0.944),
    ("regression", "rmse"): (0.854, 0.874, 0.928),
    ("regression", "r2"): (0.834, 0.884, 0.880),
    ("regression", "pearson_r"): (0.868, 0.904, 0.880),
    ("regression", "ccc"): (0.840, 0.876, 0.886),
    ("regression", "icc_2_1"): (0.848, 0.880, 0.888),
    ("regression", "bland_altman_lower"): (0.836, 0.880, 0.934),
    ("regression", "bland_altman_sd"): (0.834, 0.860, 0.922),
    ("classification", "recall"): (0.827, 0.910, 0.950),
    ("classification", "auroc"): (0.893, 0.903, 0.943),
    ("zones", "kappa_quadratic"): (0.897, 0.910, 0.933),
    ("segmentation", "dice"): (0.909, 0.923, 0.922),
}
"""Coverage at 15, 30 and 60 subjects with several samples each, of the earlier intervals."""

SAME = {"mean_score_mae": "mae", "hd95": "mae", "mean_score_spearman_rho": "spearman_rho", "iou": "dice"}
"""Metrics that are the same statistic of other values: they share a rule, and a method has to suit all of them."""

USUAL = (
    *("bootstrap, percentile", "bootstrap, BCa", "DeLong", "DeLong, normal on the logit scale", "Wilson"),
    *("Clopper–Pearson", "Fisher's z", "Fisher's z, variance of Bonett & Wright", "chi-squared of normal errors"),
)
"""Methods of other software, whose coverage stands in a table of its own."""

FEWEST = 150
"""Cohorts from which on a cell counts in the comparison of methods."""

FEWEST_DRAWN = 50
"""The same for the column of the bootstrap."""


def line(row: Row) -> str:
    """One row as text."""
    text = (
        f"{row['scenario']:38s} {'repeated' if row['repeats'] else 'one':8s} n {row['subjects']:3d} "
        f"{row['metric']:26s} "
        f"{row['truth']:8.3f}  coverage {row['coverage']:.3f} (below {row['below']:.3f}, above {row['above']:.3f}) "
        f"width {row['width']:.3g}"
    )
    return text + (f" withheld {row['withheld']:.3f}" if row["withheld"] else "")


def rewritten(page: str, rows: Sequence[Row]) -> str:
    """The page with the tables of ``rows``."""
    parts = [page[: page.index(MARK)] + MARK, widths(rows)]
    parts += ["\n## What the usual methods reach\n", usual(rows), "\n## Before and now\n", before_and_now(rows)]
    return "\n".join([*parts, "\n## Coverage of each cell\n", markdown(rows)])


def usual(rows: Sequence[Row]) -> str:
    """Lowest coverage of the methods of :data:`USUAL` in the cells of each metric."""
    lines = [
        "Lowest coverage, and largest share of misses on one side, where the method was counted and defined "
        f"in {FEWEST} cohorts or more.",
        "",
        "| metric | method | 15 subjects | 30 or more | side |",
        "| --- | --- | --- | --- | --- |",
    ]
    for task, metric in dict.fromkeys((row["task"], row["metric"]) for row in rows):
        for method in USUAL:
            cells = [
                (r["subjects"], r["rivals"][method])
                for r in rows
                if (r["task"], r["metric"]) == (task, metric) and r["rivals"].get(method, {"n": 0})["n"] >= FEWEST
            ]
            if cells:
                few, more = ([s["coverage"] for n, s in cells if (n < 30) == small] for small in (True, False))
                side = max(max(s["below"], s["above"]) for _, s in cells)
                shares = (min(few, default=None), min(more, default=None), side)
                lines.append(f"| `{metric}` ({task}) | {method} | " + " | ".join(map(_share, shares)) + " |")
    return "\n".join(lines)


def before_and_now(rows: Sequence[Row]) -> str:
    """:data:`BEFORE` beside the lowest coverage of today's intervals with several samples a subject."""
    lines = [
        "Several samples a subject: coverage of the bootstrap by subject (BCa) in 500 to 1,500 cohorts, and the lowest "
        "of today's intervals in the cohorts below.",
        "",
        "| metric | before: 15, 30, 60 subjects | now: 15, 30, 60 subjects |",
        "| --- | --- | --- |",
    ]
    for (task, metric), before in BEFORE.items():
        now = []
        for n in (15, 30, 60):
            cells = [r for r in rows if (r["task"], r["metric"], r["subjects"]) == (task, metric, n) and r["repeats"]]
            now.append(_share(min((r["coverage"] for r in cells), default=None)))
        lines.append(f"| `{metric}` ({task}) | {', '.join(map(_share, before))} | {', '.join(now)} |")
    return "\n".join(lines)


def misses(shares: Row, subjects: int, slack: float = 0.0) -> bool:
    """Whether a coverage is outside the goal; ``slack``: standard errors by which it may be."""
    goal = GOAL if subjects >= 30 else GOAL_OF_FEW
    n = shares.get("n", shares.get("cohorts", 1))
    low, side = (slack * math.sqrt(p * (1 - p) / n) for p in (goal, SIDE))
    return shares["coverage"] < goal - low - 1e-9 or max(shares["below"], shares["above"]) > SIDE + side + 1e-9


def comparison(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Of each metric of each task: coverage, methods that keep the goal too in all of its cells, and widths beside.

    A method keeps the goal where it misses it nowhere by more than a standard error, in the cells of the metric and of
    those that are the same statistic (:data:`SAME`); it has to be defined in all of them.
    """
    compared = []
    for task, metric in dict.fromkeys((row["task"], row["metric"]) for row in rows):
        cells = [row for row in rows if (row["task"], row["metric"]) == (task, metric)]
        kind = _kind(task, metric)
        alike = [row for row in rows if _kind(row["task"], row["metric"]) == kind]
        counted = [{m for m, shares in row["rivals"].items() if shares["n"] >= FEWEST} for row in alike]
        methods = set.intersection(*filter(None, counted)) if any(counted) else set()
        failed = {
            m
            for row in alike
            for m, shares in row["rivals"].items()
            if m in methods and misses(shares, row["subjects"], 1)
        }
        here = {m: _ratios(cells, m) for m in methods}
        good = sorted((m for m in methods - failed if here[m]), key=lambda m: -float(np.median(here[m])))
        from_30 = [row for row in cells if row["subjects"] >= 30]
        bca = [row["rivals"]["bootstrap, BCa"] for row in from_30 if "bootstrap, BCa" in row["rivals"]]
        compared.append(
            {
                "task": task,
                "metric": metric,
                "coverage": min(row["coverage"] for row in from_30),
                "of_few": min((row["coverage"] for row in cells if row["subjects"] < 30), default=None),
                "side": max(max(row["below"], row["above"]) for row in cells),
                "before": min((shares["coverage"] for shares in bca if shares["n"] >= FEWEST_DRAWN), default=None),
                "method": good[0] if good else None,
                "ratio": float(np.median(here[good[0]])) if good else None,
                "largest": max(here[good[0]]) if good else None,
                "alone": _alone(cells),
            }
        )
    return compared


def _kind(task: str, metric: str) -> tuple[str, str]:
    """The statistic that a metric is; across tasks for those of :data:`SAME`."""
    statistic = SAME.get(metric, metric)
    return ("", statistic) if statistic in SAME.values() else (task, statistic)


def _ratios(cells: Sequence[Row], method: str) -> list[float]:
    """Our width over that of a method, in each cell."""
    shares = [row["rivals"][method] for row in cells if method in row["rivals"]]
    return [s["ours"] / s["width"] for s in shares if "ours" in s and s["n"] >= FEWEST and s["width"] > 0]


def _alone(cells: Sequence[Row]) -> float | None:
    """Largest ratio of our width to the shortest that keeps the goal in one cell, whatever it does in the others."""
    ratios = []
    for row in cells:
        fine = [s for s in row["rivals"].values() if s["n"] >= FEWEST and not misses(s, row["subjects"], 1)]
        ratios += [s["ours"] / s["width"] for s in fine if "ours" in s and s["width"] > 0]
    return max(ratios, default=None)


def widths(rows: Sequence[Row]) -> str:
    """:func:`comparison` as a table."""
    lines = [
        "| metric | lowest coverage, 30 or more | 15 subjects | largest side | bootstrap (BCa), lowest from 30 | "
        "shortest other method that keeps the goal everywhere | width: median, largest | largest in one cell alone |",
        "| --- " * 8 + "|",
    ]
    for entry in comparison(rows):
        ratio = "–" if entry["ratio"] is None else f"{entry['ratio']:.2f}, {entry['largest']:.2f}"
        cells = [
            f"`{entry['metric']}` ({entry['task']})",
            *(_share(entry[name]) for name in ("coverage", "of_few", "side", "before")),
            entry["method"] or "none",
            ratio,
            "–" if entry["alone"] is None else f"{entry['alone']:.2f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".removeprefix("0")


def markdown(rows: Sequence[Row]) -> str:
    """The tables of ``docs/intervals.md``, one for each scenario."""
    parts = []
    for name, repeats in dict.fromkeys((row["scenario"], row["repeats"]) for row in rows):
        here = [row for row in rows if (row["scenario"], row["repeats"]) == (name, repeats)]
        sizes = sorted({row["subjects"] for row in here})
        cells = {(row["metric"], row["subjects"]): row for row in here}
        title = f"{name[0].upper()}{name[1:]}, {'1 to 6 samples' if repeats else 'one sample'} a subject"
        lines = [f"### {title}", "", "| metric | truth | " + " | ".join(f"{n} subjects" for n in sizes) + " |"]
        lines.append("| --- " * (2 + len(sizes)) + "|")
        for metric in dict.fromkeys(row["metric"] for row in here):
            truth = next(row["truth"] for row in here if row["metric"] == metric)
            line_cells = [_cell(cells.get((metric, n))) for n in sizes]
            lines.append(f"| `{metric}` | {truth:.3g} | " + " | ".join(line_cells) + " |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _cell(row: Row | None) -> str:
    """Coverage (share of misses below the truth, above it) and width."""
    if row is None:
        return "–"
    shares = [f"{row[name]:.3f}".removeprefix("0") for name in ("coverage", "below", "above")]
    withheld = f", withheld {100 * row['withheld']:.0f} %" if row["withheld"] >= 0.005 else ""
    return f"{shares[0]} ({shares[1]}, {shares[2]}) {row['width']:.2g}{withheld}"
