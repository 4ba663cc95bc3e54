"""The report as one HTML file: everything is in it, nothing is fetched, nothing runs, all text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from scantune.report import card, cohort, results, saliency, training
from scantune.report import words_of as said
from scantune.report.checklists import SOURCES, checklists
from scantune.report.facts import SYNTHETIC, Mistake, RunFacts
from scantune.report.items import AUTHOR, answers
from scantune.report.parts import Cell, Images, Section, Table, Words, image, text


def build(facts: RunFacts, out: Path) -> Path:
    """Write the report.

    Args:
        facts: of the run.
        out: the file, ending in ``.html``.

    Returns:
        ``out``.
    """
    from scantune.files import write_text

    write_text(out, html(facts))
    return out


def html(facts: RunFacts) -> str:
    """The page as text."""
    shown = [section for section in sections(facts) if section.parts]
    template = _environment().get_template("report.html.j2")
    return template.render(
        facts=facts, sections=shown, banners=banners(facts), subtitle=_subtitle(facts), style=_style()
    )


def banners(facts: RunFacts) -> list[str]:
    """What must stand above everything else."""
    found = []
    if said.kind_of_cohort(facts):
        found.append(". ".join(_sentence(text) for text in (said.cohort(facts), said.behind(facts))) + ".")
    elif facts.model.get("trained_on") == SYNTHETIC:
        found.append(f"The model was trained on {SYNTHETIC}: no patient stands behind what it has learnt.")
    if not facts.flow.get("subjects_known", True):
        found.append(
            "No subject ids: each sample was taken for a subject of its own. Where a person gave several samples, they "
            "may be on both sides of the split, and the intervals are too narrow."
        )
    return found


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def sections(facts: RunFacts) -> list[Section]:
    """The page from top to bottom."""
    figures = [image(picture) for picture in facts.figures.values()]
    return [
        Section(
            *("results", "Results"),
            [
                *results.external(facts),
                results.headline(facts),
                *results.levels(facts),
                *results.beforehand(facts),
            ],
        ),
        Section("participants", "Participants", cohort.parts(facts)),
        Section("figures", "Figures", [Images(figures)] if figures else []),
        Section("subgroups", "Subgroups", results.subgroups(facts)),
        Section("calibration", "Calibration and uncertainty", results.calibration(facts)),
        Section("thresholds", "Operating points", results.operating_points(facts)),
        Section("readers", "Readers", results.raters(facts)),
        Section("errors", "Errors", _errors(facts)),
        Section("saliency", "Where the model looked", saliency.parts(facts), new_page=True),
        Section("model", "Model and training", training.parts(facts)),
        Section("card", "Model card", _card(facts)),
        Section("all", "All figures", results.further(facts), new_page=True),
        Section("settings", "Settings", training.settings(facts)),
        Section("environment", "Environment and data", training.environment(facts)),
        Section("checklists", "Reporting checklists", _checklists(facts), new_page=True),
    ]


def _subtitle(facts: RunFacts) -> str:
    parts = [said.task(facts).capitalize(), f"data set {facts.dataset}"]
    n, subjects = facts.metrics.get("n"), facts.metrics.get("n_subjects")
    if n:
        parts.append(f"{n} test samples" + (f" of {subjects} subjects" if subjects else ""))
    return " · ".join(parts)


def _errors(facts: RunFacts) -> list[Any]:
    found: list[Any] = [Words(f"{facts.mistakes_of}.")] if facts.mistakes_of else []
    found += [image(picture) for picture in facts.mistake_pictures]
    if facts.mistakes:
        found.append(_mistakes(facts.mistakes))
    return found


def _mistakes(mistakes: Sequence[Mistake], most: int = 40) -> Table:
    rows = [
        [text(number), *map(text, (m.sample_id, m.kind, m.target, m.prediction, m.error, m.group))]
        for number, m in enumerate(mistakes[:most], 1)
    ]
    notes = [f"The {most} worst of {len(mistakes)}; all are in errors.csv."] if len(mistakes) > most else []
    return Table(["", "Sample", "Kind", "True", "Predicted", "Error", "Group"], rows, "Worst first", notes)


def _card(facts: RunFacts) -> list[Any]:
    rows: list[list[Cell]] = []
    for chapter in card.chapters(facts):
        rows.append([Cell(chapter.title, kind="heading")])
        rows += [[text(n or "·"), text(words, kind="author" if words == AUTHOR else "")] for n, words in chapter.lines]
    return [Table([], rows)]


def _checklists(facts: RunFacts) -> list[Any]:
    found: list[Any] = [
        Words("Filled from the run's facts where it knows them; the rest is the author's. The descriptions are short "
              "ones of our own: the published checklists are what counts.", "quiet")
    ]  # fmt: skip
    for title, items in checklists().items():
        given = answers(items, facts)
        rows = [
            [text(a.item.number), text(a.item.section), text(a.item.asks), text(a.text, "" if a.filled else "author")]
            for a in given
        ]
        filled = sum(a.filled for a in given)
        found.append(Table(["Item", "Section", "Asks for", "In this run"], rows, title,
                           [f"{filled} of {len(given)} filled from the run. {SOURCES[title]}."]))  # fmt: skip
    return found


@cache
def _environment() -> Any:
    import jinja2

    folder = Path(__file__).parent / "templates"
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip


@cache
def _style() -> Any:
    import markupsafe

    return markupsafe.Markup((Path(__file__).parent / "templates" / "report.css").read_text(encoding="utf-8"))
