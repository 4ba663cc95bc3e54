"""Calibration, conformal intervals and sets, and thresholds, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scantune.amounts import number_of
from scantune.plots import words
from scantune.report.facts import RunFacts
from scantune.report.parts import Cell, Table, Words, counted, figure, text

_POINTS = {"half": "probability 0.5", "youden": "Youden's index"}


def operating_points(facts: RunFacts) -> list[Any]:
    """Thresholds and their metrics on the test set."""
    points = facts.metrics.get("operating_points") or []
    rows = []
    for point in points:
        name = text(_POINTS.get(point.get("name", ""), str(point.get("name", "")).replace("_", " ")))
        if point.get("threshold") is None:
            undefined = Cell("undefined", kind="undefined", why=str(point.get("reason") or ""))
            rows.append([name, undefined, *[text(None)] * 4])
            continue
        section = point.get("figures") or {}
        reached = [figure(section[n]) if n in section else text(None) for n in ("recall", "specificity", "precision")]
        rows.append([name, text(words.number(point["threshold"])), text(point.get("chosen_on")), *reached])
    if not rows:
        return []
    header = ["Operating point", "Threshold", "Chosen on", "Sensitivity", "Specificity", "PPV"]
    chosen = any(point.get("chosen_on") == "validation" for point in points)
    how = "Thresholds were chosen on the validation set; the values" if chosen else "The values"
    return [Table(header, rows, notes=[f"{how} are those on the test set."])]


def calibration(facts: RunFacts) -> list[Any]:
    """Calibration metrics as given and after each fit; conformal intervals or sets."""
    section = facts.metrics.get("calibration") or {}
    content: list[Any] = []
    named = [n for n in ("network", "temperature", "isotonic") if isinstance(section.get(n), Mapping)]
    ways = {"network": section["network"].get("figures") or {}} if "network" in named else {}
    ways |= {"as_given": section.get("as_given") or {}}
    ways |= {n: section[n].get("figures") or {} for n in named if n != "network"}
    names = list(dict.fromkeys(name for figures in ways.values() for name in figures))
    if names:
        applied = section.get("applied") or {}
        by = f" (temperature {words.number(applied['temperature'])})" if applied.get("temperature") else ""
        titles = {
            "network": "Before calibration",
            "as_given": f"As reported by the model{by}",
            "temperature": "With temperature scaling",
            "isotonic": "With isotonic regression",
        }
        rows = [
            [text(words.label(n)), *(figure(figures[n]) if n in figures else text(None) for figures in ways.values())]
            for n in names
        ]
        fitted = section.get("fitted_on") or ("validation" if applied else "")
        notes = [f"Fitted on {fitted}; evaluated on the test set."] if fitted else []
        content.append(Table(["Metric", *(titles[n] for n in ways)], rows, "Calibration", notes))
    if section.get("reason"):
        content.append(Words(f"Calibration was not fitted: {section['reason']}."))
    return content + [part for target in facts.targets("conformal") for part in _conformal(facts, target)]


def _conformal(facts: RunFacts, target: str) -> list[Any]:
    section = facts.section("conformal", target)
    of = f" of {target.replace('_', ' ')}" if target else ""
    if not section:
        return []
    if section.get("reason"):
        return [Words(f"No conformal intervals or sets{of}: {section['reason']}.")]
    nominal = 1 - section.get("miscoverage", 0.1)
    end = f"/{target}" if target else ""
    metrics = {n.removesuffix(end): m for n, m in (facts.metrics.get("metrics") or {}).items() if n.endswith(end)}
    names = [n for n in ("conformal_coverage", "conformal_width", "conformal_set_size") if n in metrics]
    what = "intervals" if "conformal_width" in names else "sets"
    unlimited = section.get("quantile", 0) is None  # an interval is the whole line, a set all classes
    if unlimited and not facts.section("stated_intervals", target):
        subjects = section.get("n_subjects", 0)
        few = f"too few subjects of validation ({subjects}) for a coverage of {100 * nominal:g} %"
        return [Words(f"No conformal {what}{of}: {few}.")]
    rows = (
        [[text("All subjects, one quantile"), *(figure(metrics[n]) for n in names), counted(metrics[names[0]])]]
        if names
        else []
    )
    reported = facts.section("stated_intervals", target)
    if {"coverage", "width"} <= set(reported) and reported["coverage"] != metrics.get("conformal_coverage"):
        rows.append([text("As reported by the model"), *map(figure, (reported["coverage"], reported["width"])),
                     counted(reported["coverage"])])  # fmt: skip
    for column, levels in (section.get("within_groups") or {}).items():
        rows.append([Cell(f"By {column.replace('_', ' ')}, one quantile per group", kind="heading")])
        rows += [
            [text(words.level(column, level)), *(figure(entry[n]) if n in entry else text(None) for n in names),
             counted(words.entry(entry.get(names[0])))]
            for level, entry in sorted(levels.items(), key=lambda pair: words.level_order(pair[0]))
        ]  # fmt: skip
    title = f"Conformal {what}{of}, nominal coverage {100 * nominal:g} %"
    notes = [
        f"Fitted on {section.get('fitted_on', 'validation')} ({number_of(section.get('n_subjects', '–'), 'subject')})."
    ]
    ends = [section.get(f"coverage_{end}") for end in ("lower", "upper")]
    if all(map(words.defined, ends)):
        notes[0] += (
            f" By chance of these subjects coverage lies between {' and '.join(words.fixed(e, 3) for e in ends)}."
        )
    table = Table(
        ["", *(facts.label(f"{name}{end}").replace(f", {target}", "") for name in names), "n"], rows, title, notes
    )
    upper = words.entry(metrics.get("conformal_coverage")).get("upper")
    by_chance = section.get("coverage_lower")  # few subjects that the quantile was fitted on leave coverage to chance
    if not words.defined(upper) or upper >= min(nominal, by_chance if words.defined(by_chance) else nominal):
        return [table]
    short = (
        f"Coverage is below nominal, beyond chance: the test subjects differ from those on whom the {what} were "
        "fitted, or the checkpoint was selected on the latter too (train.calibration_fraction sets some apart)."
    )
    return [Words(short, "bad"), table]
