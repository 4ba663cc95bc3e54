"""Fairness and transport as tables: groups side by side, intersections, other prevalences, another case mix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scantune.plots import words
from scantune.report.facts import RunFacts
from scantune.report.parts import Cell, Table, Words, counted, figure, text

_TITLES = {
    "positive_rate": "Called positive",
    "recall": "Sensitivity",
    "false_positive_rate": "False positive rate",
    "auroc": "AUROC",
    "calibration_difference": "Mean probability − observed share",
}


def parts(facts: RunFacts) -> list[Any]:
    """Tables of the sections ``fairness``, ``intersections``, ``prevalence`` and ``standardised``."""
    return [*_groups(facts), *_intersections(facts), *_prevalences(facts), *_standardised(facts)]


def _groups(facts: RunFacts) -> list[Any]:
    content: list[Any] = []
    tested = 0
    for column, section in (facts.metrics.get("fairness") or {}).items():
        parts = section.get("by_class") or {"": section}
        tested += sum(e.get("p_holm") is not None for part in parts.values() for e in part["differences"].values())
        content.append(_by_class(column, parts) if "by_class" in section else _by_level(column, section))
    if content:
        explanation = "Intervals of the largest differences hold for all pairs of levels together (Bonferroni)."
        if tested > 1:
            explanation += f" P values are adjusted for the {tested} differences that were tested (Holm)."
        content.append(Words(explanation, "quiet"))
    return content


def _by_level(column: str, section: Mapping[str, Any]) -> Table:
    """The levels of a column, and the largest difference between two."""
    differences = section["differences"]
    rows: list[list[Cell]] = []
    for level, figures in sorted(section["levels"].items(), key=lambda pair: words.level_order(pair[0])):
        rows.append([text(words.level(column, level)), *(figure(figures[name]) for name in _TITLES)])
    rows.append([text("Largest difference"), *(_difference(differences.get(name)) for name in _TITLES)])
    odds = differences.get("equalized_odds")
    notes = []
    if odds is not None:
        value = words.fixed(abs(odds["value"]), 3)
        notes.append(f"Equalized odds: rates differ by up to {value} ({' and '.join(odds['levels'])}).")
    name = column.replace("_", " ")
    return Table([name, *_TITLES.values()], rows, f"Groups by {name}", notes)


def _by_class(column: str, parts: Mapping[str, Any]) -> Table:
    """The largest difference between two levels of a column in each class or finding."""
    header = ["Class or finding", *_TITLES.values(), "Equalized odds"]
    rows = [
        [text(name), *(_difference(part["differences"].get(metric)) for metric in (*_TITLES, "equalized_odds"))]
        for name, part in parts.items()
    ]
    note = "Of each class against the rest, or each finding; the metrics of every level are in metrics.json."
    return Table(header, rows, f"Largest differences between groups by {column.replace('_', ' ')}", [note])


def _difference(entry: Mapping[str, Any] | None) -> Cell:
    if entry is None:
        return text(None)
    cell, p = figure(entry), entry.get("p_holm")
    levels = " − ".join(map(str, entry["levels"]))
    adjusted = "" if p is None else "; p below 0.001" if p < 0.001 else f"; p {words.fixed(p, 3)}"
    return Cell(cell.text, "; ".join(part for part in (cell.sub, f"{levels}{adjusted}") if part), cell.kind, cell.why)


def _intersections(facts: RunFacts) -> list[Any]:
    content: list[Any] = []
    for column, levels in (facts.metrics.get("intersections") or {}).items():
        names = [name for name in facts.headline if any(name in figures for figures in levels.values())][:4]
        if not names:
            continue
        rows = []
        for level, figures in levels.items():
            first = words.entry(figures.get(names[0]))
            gap = figure(first["gap"]) if isinstance(first.get("gap"), Mapping) else text(None)
            rest = [figure(figures[name]) if name in figures else text(None) for name in names[1:]]
            rows.append([text(level), counted(first), figure(first), gap, *rest])
        labels = [facts.label(name) for name in names]
        content.append(Table([column, "n", labels[0], "Difference from the rest", *labels[1:]], rows, column))
    return content


def _prevalences(facts: RunFacts) -> list[Any]:
    rows = []
    several = False
    for share, entry in (facts.metrics.get("prevalence") or {}).items():
        several = "by_class" in entry
        for name, part in (entry.get("by_class") or {"": entry}).items():
            of_class = f", {name}" if name else ""
            figures = [figure(part["figures"][n]) for n in ("precision", "npv", "accuracy")]
            rows.append([text(f"{100 * float(share):g} %{of_class}"), *figures])
    notes = [
        "The classes are weighted to each prevalence. Sensitivity, specificity and AUROC do not change where "
        "only the prevalence differs; net benefit at each prevalence is in metrics.json."
    ]
    if several:
        notes.append("Of each class against the rest, or each finding, each at that prevalence.")
    header = ["Prevalence", "PPV", "NPV", "Accuracy"]
    return [Table(header, rows, "At other prevalences", notes)] if rows else []


def _standardised(facts: RunFacts) -> list[Any]:
    section = facts.metrics.get("standardised") or {}
    if not section:
        return []
    here = facts.metrics.get("metrics") or {}
    rows = [
        [text(facts.label(name)), figure(here[name]) if name in here else text(None), figure(entry)]
        for name, entry in section["figures"].items()
    ]
    mixes = [
        f"{column}: {', '.join(f'{level} {100 * share:g} %' for level, share in shares.items())}"
        for column, shares in section["case_mix"].items()
    ]
    worth = f"Effective sample size after weighting: {words.number(section['effective_samples'])}."
    return [Table(["Metric", "As tested", "Weighted"], rows, "In another case mix", [f"{'; '.join(mixes)}.", worth])]
