"""What a section of the page is made of: tables, pictures, paragraphs. All is plain text; the template escapes it."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scantune.amounts import number_of
from scantune.plots import words
from scantune.report.facts import Picture

WIDE = 640
"""Pictures wider than this, in CSS pixels, do not stand side by side: their text would be too small."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: in it.
        sub: smaller, below.
        kind: ``number``, ``undefined``, ``headline``, ``good``, ``bad``, ``small`` or "".
        why: reason of an undefined value or interval; the page has it as a note below the table.
    """

    text: str
    sub: str = ""
    kind: str = ""
    why: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        header: titles of the columns; the first column is the rows' name.
        rows: each as long as the header. A row of one cell is a heading across the table.
        title: above it.
        notes: below it.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    notes: Sequence[str] = ()
    form: str = "table"


@dataclass(frozen=True)
class Words:
    """A paragraph; ``kind`` ``bad`` for what must not be missed, ``quiet`` for notes."""

    text: str
    kind: str = ""
    form: str = "words"


@dataclass(frozen=True)
class Image:
    """A picture with all its bytes in the page.

    Attributes:
        uri: ``data:`` address.
        title: short heading.
        caption: what is seen.
        width: in CSS pixels, a third above its size on paper; 0 where unknown.
    """

    uri: str
    title: str
    caption: str
    width: int = 0
    form: str = "image"

    @property
    def wide(self) -> bool:
        """Whether it takes the page's whole width."""
        return self.width > WIDE


@dataclass(frozen=True)
class Images:
    """Pictures side by side."""

    images: Sequence[Image]
    form: str = "images"


@dataclass(frozen=True)
class Section:
    """A section of the page; without parts it is left out."""

    anchor: str
    title: str
    parts: Sequence[Any]
    new_page: bool = False


def image(picture: Picture) -> Image:
    """The picture as it stands in the page."""
    png = picture.content[:8] == b"\x89PNG\r\n\x1a\n"
    uri = f"data:image/{'png' if png else 'svg+xml'};base64,{base64.b64encode(picture.content).decode()}"
    return Image(uri, picture.title, picture.caption, round(_inches(picture.content, png) * 96 * 4 / 3))


def _inches(content: bytes, png: bool) -> float:
    """Width on paper: PNG figures have 300 dots an inch, SVG figures say theirs in points. 0 where it is not stated."""
    if png:
        return int.from_bytes(content[16:20], "big") / 300
    width = re.search(rb'<svg[^>]*\bwidth="([\d.]+)pt"', content[:4000])
    return float(width[1]) / 72 if width else 0.0


def text(value: object, kind: str = "") -> Cell:
    """Any value as a cell; what is missing is a dash."""
    return Cell("–" if value is None or value == "" else str(value), kind=kind)


def figure(entry: Any, digits: int = 3) -> Cell:
    """Value and interval of an entry of ``metrics.json``; undefined ones with their reason, never as a number.

    Without an interval the range of a calibrated model stands there where the entry has it.
    """
    facts = words.entry(entry)
    value, lower, upper = facts.get("value"), facts.get("lower"), facts.get("upper")
    reason = str(facts.get("reason") or "")
    if not words.defined(value):
        return Cell("undefined", kind="undefined", why=reason.removeprefix("undefined: ") or "no reason given")
    places = words.decimals(max(abs(float(v)) for v in (value, lower, upper) if words.defined(v)), digits)
    number = words.fixed(value, places)
    if words.defined(lower) and words.defined(upper):
        return Cell(number, f"{words.fixed(lower, places)} to {words.fixed(upper, places)}", "number")
    chance = [facts.get(name) for name in ("consistency_lower", "consistency_upper")]
    by_chance = f"by chance {' to '.join(words.fixed(end, places) for end in chance)}"
    return Cell(number, by_chance if all(map(words.defined, chance)) else "no interval", "number", reason)


def counted(entry: Mapping[str, Any]) -> Cell:
    """Samples (subjects) behind a figure."""
    n, subjects = entry.get("n"), entry.get("n_subjects")
    if n is None:
        return text(None)
    return Cell(str(n), number_of(subjects, "subject") if subjects is not None and subjects != n else "", "number")


def footnoted(table: Table) -> Table:
    """The table with the reasons of its cells below it, each once, and a letter in the cells."""
    marks: dict[str, str] = {}

    def marked(cell: Cell) -> Cell:
        if not cell.why:
            return cell
        mark = marks.setdefault(cell.why, _letters(len(marks)))
        return Cell(cell.text, f"{cell.sub} [{mark}]".strip(), cell.kind)

    rows = [[marked(cell) for cell in row] for row in table.rows]
    notes = [*table.notes, *(f"[{mark}] {_sentence(why)}" for why, mark in marks.items())]
    return Table(table.header, rows, table.title, notes)


def _letters(index: int) -> str:
    """a … z, aa, ab … for 0, 1, 2 …"""
    before, last = divmod(index, 26)
    return (_letters(before - 1) if before else "") + chr(ord("a") + last)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:].rstrip('.')}."


def flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as rows ``a.b``, value; nothing is left out."""
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows += flat(value, f"{name}.")
        else:
            rows.append((name, setting_text(value)))
    return rows


def setting_text(value: Any) -> str:
    """A setting as text."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {setting_text(part)}" for key, part in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(setting_text(part) for part in value) or "none"
    return "; ".join(line.strip() for line in str(value).splitlines() if line.strip())
