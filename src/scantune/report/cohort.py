"""Who is in the data: the flow of participants, and each side of the split in one table."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping
from typing import Any

from scantune.plots import words
from scantune.report.facts import RunFacts
from scantune.report.parts import Cell, Table, Words, image, text
from scantune.statistics.ages import is_age, years

MANY = 15
"""A column with more distinct numbers than this is summarised by mean and spread."""
MOST = 40
"""Values of one column that are listed one by one."""


def parts(facts: RunFacts) -> list[Any]:
    """Flow, cohort table, warnings of the audit."""
    warnings = [
        w for w in facts.audit.get("warnings") or () if not w.startswith("no subject identifiers")
    ]  # a banner says it
    content: list[Any] = [Words(_sentence(warning), "bad") for warning in warnings]
    if facts.flow_figure is not None:
        content.append(image(facts.flow_figure))
    elif facts.flow.get("steps"):
        content.append(_flow(facts.flow))
    sides = facts.audit.get("sides") or {}
    if sides:
        content.append(_cohort(sides, facts))
    return content + _alike(facts.audit)


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")


def _flow(flow: Mapping[str, Any]) -> Table:
    rows = []
    for step in flow["steps"]:
        reasons = "; ".join(f"{n} × {reason}" for reason, n in (step.get("excluded") or {}).items())
        rows.append([text(step["name"]), text(step.get("samples")), text(step.get("subjects")), text(reasons)])
    return Table(["Step", "Samples", "Subjects", "Excluded"], rows, "Flow of participants")


def _cohort(sides: Mapping[str, Any], facts: RunFacts) -> Table:
    names = list(sides)
    rows: list[list[Cell]] = [
        [text("Samples"), *(text(sides[side].get("samples"), "number") for side in names)],
        [text("Subjects"), *(text(sides[side].get("subjects"), "number") for side in names)],
    ]
    for kind in ("targets", "groups"):
        columns = dict.fromkeys(column for side in names for column in sides[side].get(kind) or {})
        for column in _of_task(list(columns), facts.task) if kind == "targets" else columns:
            separator = facts.task.get("separator") if kind == "targets" else None
            rows += _column(
                column, [(sides[side].get(kind) or {}).get(column) or {} for side in names], kind, separator
            )
    notes = ["Numbers of samples with percentages of the partition, or mean ± standard deviation (range)."]
    if not facts.flow.get("subjects_known", True):
        notes.append("No subject identifiers: each sample counts as a subject.")
    return Table(["", *names], rows, "Cohort by partition", notes)


def _of_task(columns: list[str], task: Mapping[str, Any]) -> list[str]:
    """The targets that the task names, of a data set with those of other tasks too; all where it names none."""
    named: set[str] = set()
    for value in task.values():
        if isinstance(value, (str, list, tuple, dict)):
            named |= {value} if isinstance(value, str) else {str(item) for item in value}
    return [column for column in columns if column in named] or columns


def _column(name: str, spreads: list[Mapping[str, Any]], kind: str, separator: str | None) -> list[list[Cell]]:
    """Rows of one target or group: a line of numbers, or a heading and a line a value.

    Where the cells of a target list several words, each word has a line, with the samples whose cell has it.
    """
    label = name.replace("_", " ") + (" (target)" if kind == "targets" else "")
    few = 0 if kind == "groups" and is_age(name) else MANY  # ages of few subjects are no levels either
    spreads = [_as_moments(spread) for spread in spreads] if _of_numbers(spreads, few) else spreads
    if any(_numeric(spread) for spread in spreads):
        return [[text(label), *(_moments(spread) for spread in spreads)]]
    totals = [sum(spread.values()) for spread in spreads]
    if separator and any(separator in level for spread in spreads for level in spread):
        spreads = [_by_word(spread, separator) for spread in spreads]
    levels = list(dict.fromkeys(level for spread in spreads for level in spread))
    if all(math.isfinite(years(level)) for level in levels if level):
        levels.sort(key=lambda level: years(level) if level else math.inf)
    rows = [[Cell(label, kind="heading")]]
    for level in levels[:MOST]:
        cells = []
        for spread, total in zip(spreads, totals):
            n = spread.get(level, 0)
            cells.append(Cell(f"{n} ({100 * n / total:.0f} %)" if total else str(n), kind="number"))
        rows.append([text(level or "(empty)"), *cells])
    if len(levels) > MOST:
        rows.append([Cell(f"and {len(levels) - MOST} more values", kind="heading")])
    return rows


def _by_word(spread: Mapping[str, int], separator: str) -> dict[str, int]:
    """Samples by word of their cells, most frequent first."""
    counts = Counter[str]()
    for cell, n in spread.items():
        counts.update(dict.fromkeys({word.strip() for word in cell.split(separator)}, n))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _of_numbers(spreads: list[Mapping[str, Any]], few: int) -> bool:
    """Whether a column is one of more than ``few`` numbers, ages such as ``90+`` and ``063Y`` among them."""
    counts = [spread for spread in spreads if not _numeric(spread)]
    texts = {text for spread in counts for text in spread if text}
    many = len(texts) > few or len(counts) < len(spreads)
    return many and all(math.isfinite(years(text)) for text in texts)


def _as_moments(spread: Mapping[str, Any]) -> Mapping[str, Any]:
    """Counts of numbers as n, mean and spread; ``90+`` counts as 90."""
    if _numeric(spread):
        return spread
    values = [years(text) for text, n in spread.items() for _ in range(n) if text]
    if not values:
        return {}
    return {
        "n": len(values),
        "missing": spread.get("", 0),
        "mean": statistics.fmean(values),
        "sd": statistics.stdev(values) if len(values) > 1 else None,
        "min": min(values),
        "max": max(values),
    }


def _numeric(spread: Mapping[str, Any]) -> bool:
    return {"n", "mean", "sd", "min", "max"} <= set(spread)


def _moments(spread: Mapping[str, Any]) -> Cell:
    if not _numeric(spread):
        return text(", ".join(f"{value}: {n}" for value, n in spread.items()))
    value = words.number(spread["mean"]) + (f" ± {words.number(spread['sd'])}" if words.defined(spread["sd"]) else "")
    missing = f"; {spread['missing']} missing" if spread.get("missing") else ""
    return Cell(value, f"{_end(spread['min'])} to {_end(spread['max'])}{missing}", "number")


def _end(value: float) -> str:
    """An end of a range: whole numbers as such."""
    return f"{value:.0f}".replace("-", "−") if float(value).is_integer() else words.number(value)


def _alike(audit: Mapping[str, Any]) -> list[Any]:
    pairs = audit.get("near_duplicates") or ()
    if not pairs:
        return []
    total = audit.get("near_duplicates_total") or len(pairs)
    rows = [
        [
            text(f"{p['one']} ({p['one_side']})"),
            text(f"{p['other']} ({p['other_side']})"),
            text(words.fixed(p["correlation"], 3)),
        ]
        for p in pairs[:8]
    ]
    note = f"The {len(rows)} most similar of {total} pairs; all are in audit.json." if total > len(rows) else ""
    return [
        Table(
            ["Sample", "Similar to", "Correlation"],
            rows,
            "Similar images in different partitions",
            [note] if note else [],
        )
    ]
