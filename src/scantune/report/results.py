"""The metrics as tables: headline with baselines, by class or zone, subgroups, readers, external data."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from scantune.plots import words
from scantune.report.facts import RunFacts
from scantune.report.parts import Cell, Table, Words, counted, figure, text
from scantune.statistics.comparison import holm
from scantune.tasks.catalogue import part

BASELINES = {
    "contrast_threshold": "Threshold of local contrast",
    "covariates": "Model on covariates",
    "mean": "Constant: mean",
    "mean_mask": "Constant: mean mask",
    "prevalence": "Constant: prevalence",
    "threshold": "Intensity threshold",
}
"""Displayed names of baselines."""


def headline(facts: RunFacts) -> Table:
    """Headline metrics of the model, and of the baselines on the same rows."""
    metrics, baselines = facts.metrics.get("metrics") or {}, facts.metrics.get("baselines") or {}
    rows = []
    for name in facts.headline:
        entry = words.entry(metrics.get(name))
        beside = [figure(values[name]) if name in values else text(None) for values in baselines.values()]
        rows.append([text(facts.label(name)), _strong(figure(entry)), *beside, counted(entry)])
    header = ["Metric", "Model", *map(baseline_name, baselines), "n"]
    methods = sorted({str(m) for name in facts.headline if (m := words.entry(metrics.get(name)).get("method"))})
    notes = [f"Values with {facts.confidence} confidence intervals. Methods: {'; '.join(methods)}."] if methods else []
    fitted = (facts.metrics.get("settings") or {}).get("baselines_fitted_on", "training")
    notes += [f"Baselines were fitted on the {fitted} set and tested on the same samples."] if baselines else []
    notes += _differences(facts, baselines)
    if facts.metrics.get("baselines_left_out"):
        notes.append(f"There are no simple baselines: {facts.metrics['baselines_left_out']}.")
    for name, why in (facts.metrics.get("covariates_left_out") or {}).items():
        notes.append(f"The column '{name}' was withheld from the baselines, because it {why}.")
    notes += part(facts.task_name, "words").headline_notes(facts.metrics) if facts.task_name else []
    notes += _p_values(metrics)
    return Table(header, rows, notes=notes)


def _differences(facts: RunFacts, baselines: Mapping[str, Any]) -> list[str]:
    """The model minus each baseline in the primary metric."""
    name, texts = primary(facts), []
    for baseline, values in baselines.items():
        difference = (values.get(name) or {}).get("difference") or {}
        if words.defined(difference.get("value")):
            texts.append(f"{baseline_name(baseline)} {words.interval(difference)}")
    return [f"{facts.label(name)}, model minus baseline, paired by subject: {'; '.join(texts)}."] if texts else []


def baseline_name(name: str) -> str:
    """Displayed name of a baseline."""
    return BASELINES.get(name, name.replace("_", " "))


def primary(facts: RunFacts) -> str:
    """Name of the primary metric: as prespecified, else the task's first; "" where there is none."""
    return str(facts.setting("evaluate", "primary") or next(iter(facts.headline), ""))


def _p_values(metrics: Mapping[str, Any]) -> list[str]:
    """The tests that correlations are zero."""
    entries = {n: words.entry(e) for n, e in metrics.items() if "/" not in n}
    p_values = {
        n: p
        for n, e in entries.items()
        if words.defined(p := e.get("p_value")) and "consistency_lower" not in e  # that one tests calibration
    }
    texts = [f"{words.label(n)} {_p_text(p)}" for n, p in holm(p_values).items() if p is not None]
    several = f", adjusted for their number, {len(texts)} (Holm)" if len(texts) > 1 else ""
    return [f"P values for no correlation{several}: {', '.join(texts)}."] if texts else []


def levels(facts: RunFacts) -> list[Any]:
    """Where samples were joined: the headline metrics of joined rows and of single samples."""
    rule, section = facts.metrics.get("aggregate") or {}, facts.metrics.get("levels") or {}
    if not rule or len(section) < 2:
        return []
    names = [name for name in facts.headline if all(name in figures for figures in section.values())]
    rows = []
    for name in names:
        cells = [figure(figures[name]) for figures in section.values()]
        rows.append([text(facts.label(name)), *cells, *(counted(figures[name]) for figures in section.values())])
    titles = [f"By {level.removesuffix('_id').replace('_', ' ')}" for level in section]
    by = str(rule.get("by", "")).removesuffix("_id").replace("_", " ")
    note = f"The predictions for each {by} were aggregated by {rule.get('rule')}; all other results refer to these."
    header = ["Metric", *titles, *(f"n, {title.lower()}" for title in titles)]
    return [Table(header, rows, "Metrics by level of aggregation", [note])]


def _strong(cell: Cell) -> Cell:
    return Cell(cell.text, cell.sub, "undefined" if cell.kind == "undefined" else "headline", cell.why)


def other_metrics(facts: RunFacts) -> list[Table]:
    """All other metrics: those of one class or zone as a matrix, the rest as a list."""
    metrics = facts.metrics.get("metrics") or {}
    plain = [name for name in metrics if "/" not in name and name not in facts.headline]
    tables = []
    if plain:
        rows = [
            [text(facts.label(n)), figure(metrics[n]), counted(metrics[n]), text(metrics[n].get("method"))]
            for n in plain
        ]
        tables.append(Table(["Metric", "Value", "n", "Interval by"], rows, "Other metrics"))
    stems = list(dict.fromkeys(name.split("/")[0] for name in metrics if "/" in name))
    levels = list(dict.fromkeys(name.split("/", 1)[1] for name in metrics if "/" in name))
    wide = math.ceil(len(stems) / max(1, math.ceil(len(stems) / 6)))  # columns a table, alike in all
    for start in range(0, len(stems), wide or 1):
        columns = stems[start : start + wide]
        rows = []
        for level in levels:
            cells = [_with_ase(metrics[f"{s}/{level}"]) if f"{s}/{level}" in metrics else text(None) for s in columns]
            if any(cell.text != "–" for cell in cells):
                rows.append([text(level), *cells])
        title = "By class, zone, target or part" if start == 0 else ""
        tables.append(Table(["", *(facts.label(s) for s in columns)], rows, title))
    return tables


def _with_ase(entry: Mapping[str, Any]) -> Cell:
    """A metric, and its asymptotic standard error where it has one."""
    cell, ase = figure(entry), entry.get("ase")
    if not words.defined(ase) or cell.kind != "number":
        return cell
    return Cell(cell.text, f"{cell.sub}; ASE {words.fixed(ase, 3)}", cell.kind, cell.why)


def subgroups(facts: RunFacts) -> list[Any]:
    """A table a grouping column: n, the primary figure with its gap to the rest, the other headline figures."""
    content: list[Any] = []
    small = False
    tested: set[tuple[str, str]] = set()
    methods: set[str] = set()
    for column, levels in (facts.metrics.get("subgroups") or {}).items():
        names = [n for n in facts.headline if any(n in section for section in levels.values())][:4]
        names += [n for n in ("conformal_coverage",) if any(n in section for section in levels.values())]
        if not names:
            continue
        rows = []
        for level, section in sorted(levels.items(), key=lambda pair: words.level_order(pair[0])):
            first = words.entry(section.get(names[0]))
            few = bool(first.get("small"))
            small |= few
            label = words.level(column, str(level))
            name = Cell(f"{label} *" if few else label, kind="small" if few else "")
            gap = _with_p(first["gap"]) if isinstance(first.get("gap"), Mapping) else text(None)
            methods |= {str(method)} if (method := words.entry(first.get("gap")).get("method")) else set()
            tested |= {(column, "" if len(levels) == 2 else level)} if "; p " in gap.sub else set()
            others = [figure(section[n]) if n in section else text(None) for n in names[1:]]
            rows.append([name, counted(first), figure(first), gap, *others])
        header = [
            column.replace("_", " "),
            "n",
            facts.label(names[0]),
            "Difference from the rest",
            *map(facts.label, names[1:]),
        ]
        content.append(Table(header, rows))
    if small:
        least = facts.setting("evaluate", "min_group") or (facts.metrics.get("settings") or {}).get("min_group")
        fewer = f"fewer than {least} subjects" if least else "few subjects"
        content.append(Words(f"* {fewer}: too few for a reliable estimate.", "quiet"))
    content += _no_subgroups(facts)
    if any(isinstance(part, Table) for part in content):
        explanation = "Difference: the metric in the subgroup minus that in all other samples."
        if methods:
            explanation += f" Its interval and p value: {'; '.join(sorted(methods))}."
        if len(tested) > 1:
            explanation += f" P values are adjusted for the {len(tested)} differences that were tested (Holm)."
        content.append(Words(explanation, "quiet"))
    return content


def _no_subgroups(facts: RunFacts) -> list[Words]:
    """The grouping columns without subgroups, and why."""
    reasons = facts.metrics.get("subgroups_left_out") or {}
    texts = [f"{words.level(column, column)} ({why})" for column, why in reasons.items()]
    return [Words(f"No subgroups by {'; '.join(texts)}.", "quiet")] if texts else []


def _with_p(gap: Mapping[str, Any]) -> Cell:
    """A difference with its p-value, adjusted for the number of differences."""
    cell, p = figure(gap), gap.get("p_holm")
    return Cell(cell.text, f"{cell.sub}; p {_p_text(p)}", cell.kind, cell.why) if words.defined(p) else cell


def _p_text(p: float) -> str:
    return "below 0.001" if p < 0.001 else words.fixed(p, 3)


def raters(facts: RunFacts) -> list[Any]:
    """Agreement of model, reference and human readers, pair by pair."""
    return [part for target in facts.targets("raters") for part in _raters(facts, target)]


def _raters(facts: RunFacts, target: str) -> list[Any]:
    section = facts.section("raters", target)
    of = f" on {target.replace('_', ' ')}" if target else ""
    pairs = section.get("pairs") or {}
    names = list(dict.fromkeys(name for figures in pairs.values() for name in figures))
    content: list[Any] = []
    if names:
        rows = [[text(pair), *(figure(f[n]) if n in f else text(None) for n in names)] for pair, f in pairs.items()]
        content.append(Table(["Pair", *map(facts.label, names)], rows, f"Agreement between model and readers{of}"))
    content += _beside_readers(facts, section.get("beside") or {})
    content += _readers_by_zone(section.get("zones") or {})
    icc = [(name, entry) for name, entry in section.items() if name.startswith("icc_")]
    if icc:
        content.append(
            Table(["", "ICC(2,1)"], [[text(n.removeprefix("icc_2_1_").replace("_", " ")), figure(e)] for n, e in icc])
        )
    return content


def _beside_readers(facts: RunFacts, beside: Mapping[str, Any]) -> list[Any]:
    """The model's metrics less those of each reader, both against the reference."""
    names = list(dict.fromkeys(name for differences in beside.values() for name in differences))
    if not names:
        return []
    rows = [[text(f"model − {r}"), *(figure(d[n]) if n in d else text(None) for n in names)] for r, d in beside.items()]
    title = "The model beside each reader: difference of their metrics against the reference, on the same samples"
    return [Table(["", *map(facts.label, names)], rows, title)]


def _readers_by_zone(zones: Mapping[str, Any]) -> list[Any]:
    """The quadratic κ of each pair in each zone."""
    pairs = list(dict.fromkeys(pair for zone_pairs in zones.values() for pair in zone_pairs))
    if not pairs:
        return []
    rows = [
        [text(pair), *(figure(zone_pairs[pair]) if pair in zone_pairs else text(None) for zone_pairs in zones.values())]
        for pair in pairs
    ]
    title = "Kappa with quadratic weights by zone"
    return [Table(["Pair", *(zone.replace("_", " ") for zone in zones)], rows, title)]


def external(facts: RunFacts) -> list[Any]:
    """The same metrics on an external dataset, beside those on the internal test set."""
    section = facts.metrics.get("external") or {}
    figures = {name: entry for name, entry in section.items() if isinstance(entry, Mapping) and "away" in entry}
    if not figures:
        return []
    rows = [
        [text(facts.label(name)), *(figure(entry.get(where)) for where in ("home", "away", "difference"))]
        for name, entry in figures.items()
    ]
    header = ["Metric", "Internal test set", str(section.get("dataset") or "External test set"), "Difference"]
    table = Table(header, rows, f"External testing (model {section.get('experiment', facts.name)})")
    known = section.get("trained_on")
    return [
        table,
        *(
            [Words(f"{known} of these samples trained the model: files or subjects of its training set.")]
            if known
            else ()
        ),
    ]


def distance(facts: RunFacts) -> list[Any]:
    """How many test samples are unlike the training images, and how well that distinguishes another data set."""
    section = facts.metrics.get("distance")
    if not section:
        return []
    beyond = round(section["beyond"] * section["n"])
    sentence = (
        f"{beyond} of {section['n']} samples ({words.fixed(100 * section['beyond'], 1)} %) are unlike the training "
        "images: farther from the nearest one, in the features of the network, than 95 % of the validation images."
    )
    if section.get("auroc") is not None:
        ends = "" if section["lower"] is None else f" ({section['lower']:.3f} to {section['upper']:.3f})"
        clause = "The distance distinguishes these subjects from those of the internal test set"
        sentence += f" {clause} with AUROC {section['auroc']:.3f}{ends}."
    return [Words(sentence), *_abstained(facts, section)]


def training_cohort(facts: RunFacts) -> list[Any]:
    """Images and groups of an external dataset beside those of the training cohort."""
    from scantune.statistics import drift

    section = facts.metrics.get("cohort")
    if not section:
        return []
    rows = [
        [
            text(facts.label(name)),
            *(text(drift.in_words(entry[of], entry["kind"])) for of in ("reference", "now")),
            *(text(words.number(entry[of])) for of in ("psi", "p_holm")),
            text({None: entry["reason"], True: "yes", False: "no"}[entry["shifted"]]),
        ]
        for name, entry in section.items()
    ]
    header = ["", "Training cohort", "Here", "Stability index", "p (Holm)", "Shifted"]
    note = (
        "Median and quartiles of the prepared images' values, and shares of levels; each image counts once. Shifted: "
        f"p below 0.05 after Holm's correction, and a population stability index above {drift.NOTEWORTHY}."
    )
    return [Table(header, rows, "Beside the training cohort", [note])]


def _abstained(facts: RunFacts, section: Mapping[str, Any]) -> list[Any]:
    """Coverage of a model that abstains, and the headline metrics of the samples that it answers."""
    answered = section.get("answered")
    if not answered:
        return []
    silent = section["n"] - answered["n"]
    sentence = (
        f"The model does not answer {'this 1 sample' if silent == 1 else f'these {silent} samples'} (coverage "
        f"{answered['n'] / section['n']:.1%}); all other "
        "metrics are of all samples."
    )
    figures, metrics = answered["figures"], facts.metrics.get("metrics") or {}
    rows = [
        [text(facts.label(name)), figure(metrics[name]), figure(figures[name]), counted(figures[name])]
        for name in facts.headline
        if name in figures and name in metrics
    ]
    table = Table(["Metric", "All samples", "Answered samples", "n"], rows, "Samples that are answered")
    return [Words(sentence), *([table] if rows and silent else [])]


def beforehand(facts: RunFacts) -> list[Any]:
    """The primary metric, and the number of evaluations on the test set."""
    content: list[Any] = []
    if name := primary(facts):
        origin = (
            "prespecified" if facts.setting("evaluate", "primary") else "the default of the task; none was prespecified"
        )
        content.append(Words(f"Primary metric: {words.label(name)} ({origin})."))
    if facts.looks is not None:
        times = "once" if facts.looks == 1 else f"{facts.looks} times, including this evaluation"
        warning = " Metrics selected after repeated evaluation are optimistic." if facts.looks > 1 else ""
        content.append(Words(f"This test set was evaluated {times}.{warning}", "bad" if facts.looks > 5 else ""))
    return content
