"""What a section of the page is made of: tables, pictures, paragraphs. All is plain text; the template escapes it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scantune.plots import words
from scantune.report.facts import Picture


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: in it.
        sub: smaller, below.
        kind: ``number``, ``undefined``, ``good``, ``bad``, ``small`` or "".
    """

    text: str
    sub: str = ""
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        header: titles of the columns; the first column is the rows' name.
        rows: each as long as the header. A row of one cell is a heading across the table.
        title: above it.
        notes: small print below.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    title: str = ""
    notes: Sequence[str] = ()
    form: str = "table"


@dataclass(frozen=True)
class Words:
    """A paragraph; ``kind`` ``bad`` for what must not be missed, ``quiet`` for small print."""

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
        wide: takes the page's whole width.
    """

    uri: str
    title: str
    caption: str
    wide: bool = False
    form: str = "image"


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


def image(picture: Picture, wide: bool = False) -> Image:
    """The picture as it stands in the page."""
    kind = "image/png" if picture.content[:8] == b"\x89PNG\r\n\x1a\n" else "image/svg+xml"
    uri = f"data:{kind};base64,{base64.b64encode(picture.content).decode()}"
    return Image(uri, picture.title, picture.caption, wide)


def text(value: object, kind: str = "") -> Cell:
    """Any value as a cell; what is missing is a dash."""
    return Cell("–" if value is None or value == "" else str(value), kind=kind)


def figure(entry: Any, digits: int = 3) -> Cell:
    """Value and interval of an entry of ``metrics.json``; undefined ones with their reason, never as a number."""
    facts = words.entry(entry)
    value, lower, upper = facts.get("value"), facts.get("lower"), facts.get("upper")
    reason = str(facts.get("reason") or "")
    if not words.defined(value):
        return Cell("undefined", reason.removeprefix("undefined: ") or "no reason given", "undefined")
    places = words.decimals(max(abs(float(v)) for v in (value, lower, upper) if words.defined(v)), digits)
    if words.defined(lower) and words.defined(upper):
        return Cell(
            words.fixed(value, places), f"{words.fixed(lower, places)} to {words.fixed(upper, places)}", "number"
        )
    return Cell(words.fixed(value, places), reason or "no interval", "number")


def counted(entry: Mapping[str, Any]) -> Cell:
    """Samples (subjects) behind a figure."""
    n, subjects = entry.get("n"), entry.get("n_subjects")
    if n is None:
        return text(None)
    return Cell(str(n), f"{subjects} subjects" if subjects is not None and subjects != n else "", "number")


def flat(settings: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as rows ``a.b``, value; nothing is left out."""
    rows: list[tuple[str, str]] = []
    for key, value in settings.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            rows += flat(value, f"{name}.")
        else:
            rows.append((name, said(value)))
    return rows


def said(value: Any) -> str:
    """A setting in words."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {said(held)}" for key, held in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(said(held) for held in value) or "none"
    return str(value)
