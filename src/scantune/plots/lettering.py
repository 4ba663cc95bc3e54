"""Letters of all writing systems in figures: fonts that have them, their direction, names cut to the room there is."""

from __future__ import annotations

import logging
import re
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.text import Text

from scantune.plots.direction import isolated, legible

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_OWN = "DejaVu Sans"


def shortened(names: Sequence[str], inches: float, size: float, lines: int = 2) -> list[str]:
    """Names in at most ``lines`` lines of some width; those that are longer are cut short with "…" but stay distinct.

    Names that begin like another one as far as they are shown are cut in the middle; those that would still be equal
    are numbered by their place.

    Args:
        names: of classes, findings or models, [K].
        inches: width of a line.
        size: of the font, in points.
        lines: how many there is room for.
    """
    texts = [fitting(name, inches, size, lines) for name in names]
    for number, name in _alike(texts, names):
        texts[number] = _without_middle(name, _letters(name, inches, size), lines)
    for number, name in _equal(texts, names):
        texts[number] = fitting(f"{number + 1}: {name}", inches, size, lines)
    return texts


def fitting(name: str, inches: float, size: float, lines: int = 2) -> str:
    """One name in at most ``lines`` lines of some width, cut short with "…" where it is longer."""
    letters = _letters(name, inches, size)
    wrapped = _broken(name, letters) or [name]
    if len(wrapped) > lines:
        rest = " ".join(wrapped[lines - 1 :]).replace("_ ", "_")
        wrapped = [*wrapped[: lines - 1], rest[: letters - 1].rstrip() + "…"]
    return "\n".join(wrapped)


def _broken(name: str, letters: int) -> list[str]:
    """Lines of a name, broken between words and after "_", and within a word where one is longer than a line."""
    lines: list[str] = []
    for line in textwrap.wrap(name, letters, break_long_words=False):
        for piece in re.findall(r"[^_]+_*|_+", line):
            fits = lines and lines[-1].endswith("_") and len(lines[-1] + piece) <= letters
            lines[-1:] = [lines[-1] + piece] if fits else [*lines[-1:], *textwrap.wrap(piece, letters)]
    return lines


def _alike(texts: Sequence[str], names: Sequence[str]) -> list[tuple[int, str]]:
    """Places and names of those that were cut where another name is still the same."""
    begins = ["".join(text.removesuffix("…").split()) for text in texts]
    whole = ["".join(name.split()) for name in names]
    return [(place, name) for place, (text, name) in enumerate(zip(texts, names, strict=True))
            if text.endswith("…") and not name.endswith("…") and names.count(name) == 1
            and sum(other.startswith(begins[place]) for other in whole) > 1]  # fmt: skip


def _equal(texts: Sequence[str], names: Sequence[str]) -> list[tuple[int, str]]:
    """Places and names of those that were cut and are now equal to others."""
    times = Counter(texts)
    return [(place, name) for place, (text, name) in enumerate(zip(texts, names, strict=True))
            if times[text] > 1 and names.count(name) == 1]  # fmt: skip


def _without_middle(name: str, letters: int, lines: int) -> str:
    """The beginning and the end of a name."""
    if lines == 1:
        end = (letters - 1) // 2
        return f"{name[: letters - 1 - end].rstrip()}…{name[-end:].lstrip()}"
    wrapped = _broken(name, letters)[: lines - 1]
    return "\n".join([*wrapped, "…" + name[1 - letters :].lstrip()])


def _letters(name: str, inches: float, size: float) -> int:
    """How many letters of the name a line has room for; those of East Asia are wider."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in name)
    return max(4, int(inches * 72 / (size * (0.62 + 0.38 * wide / max(1, len(name))))))


@contextmanager
def lettered(figure: Figure) -> Iterator[None]:
    """Context in which the figure's texts have fonts of this machine for letters that the figures' own font lacks.

    SVG files keep the texts as texts where no font has their letters: the reader's machine shows them with its own.
    """
    formatters = [axis.get_major_formatter() for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    for axes in figure.axes:
        axes.get_xticklabels(), axes.get_yticklabels()  # their texts are set when they are asked for
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]
    before = [(text, text.get_text(), text.get_fontfamily()) for text in texts]
    families, absent = _missing(legible("".join(content for _, content, _ in before)))
    for text, content, family in before:
        text.set_text(isolated(content))
        text.set_fontfamily([*family, *families])
    for formatter in formatters:  # which set the texts of ticks again when they are drawn
        vars(formatter)["format_ticks"] = _isolating(type(formatter).format_ticks.__get__(formatter))
    with mpl.rc_context():
        if absent:
            mpl.rcParams["svg.fonttype"] = "none"
            _warn(absent)
        with _without_weights():
            yield
    for formatter in formatters:
        vars(formatter).pop("format_ticks", None)
    for text, content, family in before:
        text.set_text(content)
        text.set_fontfamily(family)


def _isolating(format_ticks: Callable[[Any], list[str]]) -> Callable[[Any], list[str]]:
    return lambda values: [isolated(text) for text in format_ticks(values)]


def families_for(text: str) -> list[str]:
    """Families of fonts for a text: the figures' own first, then those of this machine for letters that it lacks.

    Letters that no font has are told once.
    """
    families, absent = _missing(text)
    if absent:
        _warn(absent)
    return [_OWN, *families]


def _missing(text: str) -> tuple[tuple[str, ...], str]:
    """Families with the letters that the figures' own font lacks, and the letters that none has."""
    missing = {letter for letter in text if not _drawn(letter)}
    return _fallbacks(missing) if missing else ((), "")


@contextmanager
def _without_weights() -> Iterator[None]:
    """Context without matplotlib's line for each family that has no bold font."""
    log = logging.getLogger(font_manager.__name__)
    log.addFilter(_about_weights)
    try:
        yield
    finally:
        log.removeFilter(_about_weights)


def _about_weights(record: logging.LogRecord) -> bool:
    return "font weight" not in record.msg


#: Start of matplotlib's warning of a letter that a font lacks, each time it is drawn; :func:`lettered` warns once.
MISSING = r"Glyph \d+ .*missing from font"


def _drawn(letter: str) -> bool:
    """Whether the figures' own font has the letter, or there is nothing to draw."""
    return unicodedata.category(letter)[0] in "CZ" or _has(_path(_OWN), letter)


@cache
def _path(family: str) -> str:
    return str(font_manager.findfont(font_manager.FontProperties(family=[family]), fallback_to_default=False))


@cache
def _letters_of(path: str) -> frozenset[int]:
    try:
        return frozenset(font_manager.get_font(path).get_charmap())
    except (OSError, RuntimeError):  # a damaged font, or one with bitmaps alone
        return frozenset()


def _has(path: str, letter: str) -> bool:
    return ord(letter) in _letters_of(path)


def _fallbacks(letters: Iterable[str]) -> tuple[tuple[str, ...], str]:
    """Families of this machine that have the letters, in the order of their names, and the letters that none has."""
    families: list[str] = []
    absent = set(letters)
    for entry in sorted(font_manager.fontManager.ttflist, key=_preference):
        here = {letter for letter in absent if _has(entry.fname, letter)}
        if here and "Last Resort" not in entry.name:
            families.append(entry.name)
            absent -= here
        if not absent:
            break
    return tuple(families), "".join(sorted(absent))


def _preference(entry: font_manager.FontEntry) -> tuple[bool, bool, str, str]:
    """Upright fonts of ordinary weight without serifs first."""
    plain = entry.style == "normal" and entry.weight in (400, "normal", "regular")
    return not plain, "serif" in entry.name.lower().replace("sans serif", ""), entry.name, entry.fname


@cache
def _warn(absent: str) -> None:
    logging.getLogger(__name__).warning(
        "no font of this machine has the letters %s: figures in PNG and PDF show boxes in their place, and SVG figures "
        "leave them to the reader's fonts; install a font that has them (such as Noto Sans) and draw the figures again",
        absent,
    )
