"""The report as one HTML file: everything is in it, nothing is fetched, nothing runs, all text is escaped."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from scantune.amounts import number_of
from scantune.plots.direction import isolated
from scantune.report import beside, calibration, card, cohort, fairness, results, saliency, sentences, training
from scantune.report.checklists import SOURCES, checklists
from scantune.report.facts import SYNTHETIC, Mistake, RunFacts
from scantune.report.items import AUTHOR, answers
from scantune.report.parts import Cell, Images, Section, Table, Words, footnoted, image, text
from scantune.tasks.figures import mask_units


def build(facts: RunFacts, out: Path, only: Collection[str] | None = None) -> Path:
    """Write the report.

    Args:
        facts: of the run.
        out: the file, ending in ``.html``.
        only: anchors of the sections that it has; None: all.

    Returns:
        ``out``.
    """
    from scantune.files import write_text

    write_text(out, html(facts, only))
    return out


def html(facts: RunFacts, only: Collection[str] | None = None) -> str:
    """The page as text, of all sections or some."""
    filled_sections = [
        replace(section, parts=[footnoted(part) if isinstance(part, Table) else part for part in section.parts])
        for section in sections(facts)
        if section.parts and (only is None or section.anchor in only)
    ]
    template = _environment().get_template("report.html.j2")
    return template.render(
        facts=facts, sections=filled_sections, banners=banners(facts), subtitle=_subtitle(facts), style=_style()
    )


def banners(facts: RunFacts) -> list[str]:
    """What must stand above everything else."""
    content = []
    if sentences.kind_of_cohort(facts):
        content.append(
            ". ".join(_sentence(text) for text in (sentences.cohort(facts), sentences.disclaimer(facts))) + "."
        )
    elif facts.model.get("trained_on") == SYNTHETIC:
        content.append(f"The model was trained on {SYNTHETIC}: its training data do not come from patients.")
    if not facts.flow.get("subjects_known", True):
        content.append(
            "No subject identifiers: each sample was treated as a separate subject. Samples of one person may be in "
            "two partitions, and the intervals may be too narrow."
        )
    return content


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def sections(facts: RunFacts) -> list[Section]:
    """The page from top to bottom."""
    figures = [image(picture) for picture in facts.figures.values()]
    return [
        Section(
            *("results", "Results"),
            [
                *beside.confounders(facts),
                *results.external(facts),
                results.headline(facts),
                *beside.covariates(facts),
                *results.levels(facts),
                *results.distance(facts),
                *results.training_cohort(facts),
                *results.beforehand(facts),
            ],
        ),
        Section("participants", "Participants", cohort.parts(facts)),
        Section("figures", "Figures", [Images(figures)] if figures else []),
        Section("subgroups", "Subgroups", results.subgroups(facts)),
        Section("fairness", "Fairness and transport", [*beside.strata(facts), *fairness.parts(facts)]),
        Section("calibration", "Calibration and uncertainty", calibration.calibration(facts)),
        Section("thresholds", "Operating points", calibration.operating_points(facts)),
        Section("readers", "Readers", results.raters(facts)),
        Section("errors", "Errors", _errors(facts)),
        Section("saliency", "Saliency maps", saliency.parts(facts), new_page=True),
        Section("model", "Model and training", training.parts(facts)),
        Section("card", "Model card", _card(facts)),
        Section("all", "All metrics", results.other_metrics(facts), new_page=True),
        Section("settings", "Settings", training.settings(facts)),
        Section("environment", "Environment and data", training.environment(facts)),
        Section("checklists", "Reporting checklists", _checklists(facts), new_page=True),
    ]


def _subtitle(facts: RunFacts) -> str:
    parts = [sentences.task(facts).capitalize(), f"data set {facts.dataset}"]
    n, subjects = facts.metrics.get("n"), facts.metrics.get("n_subjects")
    if n:
        parts.append(number_of(n, "test sample") + (f" of {number_of(subjects, 'subject')}" if subjects else ""))
    return " · ".join(parts)


def _errors(facts: RunFacts) -> list[Any]:
    content: list[Any] = [Words(f"{words}.") for words in (facts.mistakes_of, facts.doubts) if words]
    content += [image(picture) for picture in facts.mistake_pictures]
    if facts.mistakes:
        content.append(_mistakes(facts.mistakes, facts.metrics))
    return content


def _mistakes(mistakes: Sequence[Mistake], metrics: Mapping[str, Any], most: int = 40) -> Table:
    rows = [
        [text(number), *map(text, (m.sample_id, m.kind, m.target, m.prediction, m.error, m.group))]
        for number, m in enumerate(mistakes[:most], 1)
    ]
    notes = [f"The {most} largest of {len(mistakes)} errors; all are in errors.csv."] if len(mistakes) > most else []
    notes += [f"{text}." for text in [mask_units(metrics)] if text]
    return Table(
        ["", "Sample", "Kind", "Reference", "Predicted", "Error", "Subgroup"], rows, "Largest errors first", notes
    )


def _card(facts: RunFacts) -> list[Any]:
    rows: list[list[Cell]] = []
    for chapter in card.chapters(facts):
        rows.append([Cell(chapter.title, kind="heading")])
        rows += [[text(n or "·"), text(words, kind="author" if words == AUTHOR else "")] for n, words in chapter.lines]
    return [Table([], rows)]


def _checklists(facts: RunFacts) -> list[Any]:
    content: list[Any] = [
        Words("Completed from the run where possible; the other items are for the author. Descriptions are abridged: "
              "the published checklists are authoritative.", "quiet")
    ]  # fmt: skip
    for title, items in checklists().items():
        completed = answers(items, facts)
        rows = [
            [text(a.item.number), text(a.item.section), text(a.item.asks), text(a.text, "" if a.filled else "author")]
            for a in completed
        ]
        filled = sum(a.filled for a in completed)
        note = f"{filled} of {len(completed)} items completed from the run. {SOURCES[title]}."
        content.append(Table(["Item", "Section", "Requirement", "In this run"], rows, title, [note]))
    return content


@cache
def _environment() -> Any:
    import jinja2

    folder = Path(__file__).parent / "templates"
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_in_direction,
    )  # fmt: skip
    environment.filters["breakable"] = _breakable
    return environment


def _in_direction(value: Any) -> Any:
    """Text with its right-to-left names set apart; markup, which the macros made of such text, as it is."""
    return isolated(value) if type(value) is str else value


def _breakable(value: Any) -> Any:
    """Text of a table that may be broken after each "_" and "/", so that long names of metrics and findings fit."""
    import markupsafe

    escaped = str(markupsafe.escape(_in_direction(str(value))))
    return markupsafe.Markup(re.sub(r"(?<=\w)([_/]+)(?=\w)", r"\1<wbr>", escaped))


@cache
def _style() -> Any:
    import markupsafe

    return markupsafe.Markup((Path(__file__).parent / "templates" / "report.css").read_text(encoding="utf-8"))
