"""Cells as hospitals write them: what stands for a missing value, spellings of one word, units, lists, commas."""

from __future__ import annotations

import ast
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from scantune.cohort import missing
from scantune.cohort.values import is_empty
from scantune.proposal import headings
from scantune.tasks.suggestion import FEW

_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_UNIT = re.compile(r"([+-]?\d+(?:[.,]\d+)?)\s*(%|(?:[^\W\d_]|[²³/]){1,12})\.?")
_ABSENT = missing.WORDS | {"x", "#wert!"}
_SIGNS = frozenset({".", "..", "-", "--", "?", "missing", "not available", "k.a.", "n.d.", "tbd", "fehlt"})
_NINES = (8, 9, 88, 98, 99, 998, 999, 9999)  # numbers that may be values, or stand for a missing one
_OFTEN = 0.05  # share of the cells of a measure that a number must have for that
YES = frozenset(
    {"1", "y", "yes", "true", "ja", "j", "pos", "positive", "positiv", "oui", "si", "sí", "sì", "sim", "wahr", "vrai"}
)
NO = frozenset({"0", "n", "no", "false", "nein", "neg", "negative", "negativ", "non", "falsch", "faux"})
_FEMALE = frozenset({"f", "female", "w", "weiblich", "woman", "frau", "femme", "mujer"})
_MALE = frozenset({"m", "male", "männlich", "maennlich", "man", "mann", "homme", "hombre"})
_YEARS = {"y": 1.0, "m": 1 / 12, "w": 7 / 365.25, "d": 1 / 365.25}  # DICOM PS3.5, 6.2: age string
_TIMES = {  # units of an age in words of several languages
    "y": ("y", "yr", "yrs", "yo", "y/o", "year", "years", "j", "jahr", "jahre", "jahren", "a", "an", "ans", "año",
          "años", "anni", "anno", "jaar", "ano", "anos"),
    "m": ("m", "mo", "mos", "mon", "month", "months", "monat", "monate", "monaten", "mois", "mes", "meses", "mesi",
          "mese", "maand", "maanden"),
    "w": ("w", "wk", "wks", "week", "weeks", "woche", "wochen", "semaine", "semaines", "semana", "semanas"),
    "d": ("d", "day", "days", "t", "tag", "tage", "tagen", "jour", "jours", "día", "días", "dia", "dias", "dagen"),
}  # fmt: skip
_UNIT_OF_TIME = {word: unit for unit, words in _TIMES.items() for word in words}
_MOST = 40  # spellings of a column that are joined


_DATE = re.compile(
    r"(\d{4}[./-]\d{1,2}[./-]\d{1,2}|\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})|(19|20)\d\d(0[1-9]|1[0-2])[0-3]\d)"
    r"([ T]\d{1,2}:\d\d.*)?|\d{1,2}:\d\d(:\d\d)?"
)  # fmt: skip


def plain_spelling(text: str) -> str:
    """A text without what spellings of one value differ in: case, blanks, hyphens or underscores, Unicode form."""
    composed = unicodedata.normalize("NFC", text).strip()
    return re.sub(r"(?<=[^\W_])[\s_-]+(?=[^\W_])", " ", composed).casefold()


def are_dates(cells: Iterable[str]) -> bool:
    """Whether all cells but empty ones are dates or times: ``3.2.2020``, ``2020-02-03 10:15``, ``20200203``."""
    full = {cell for cell in cells if not is_empty(cell)}
    return bool(full) and all(_DATE.fullmatch(cell.strip()) for cell in full)


@dataclass
class Cleaned:
    """A table's cells for reading, and what of them a dataset block expresses.

    Attributes:
        rows: cells by column, as they are meant; decimals with a point.
        recode: column → cell → what it means; for the dataset's key of that name.
        decimal: sign of the table's decimals.
        anew: column → its cells, where a block cannot express what they mean: the table must be written.
        notes: column → what was done to it.
        words: column → values of which one is a word for empty cells elsewhere, such as none beside mild and severe.
    """

    rows: list[dict[str, str]]
    recode: dict[str, dict[str, str]] = field(default_factory=dict)
    decimal: str = "."
    anew: dict[str, list[str]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)


def cleaned(columns: Sequence[str], rows: Sequence[Mapping[str, str]], kept: set[str]) -> Cleaned:
    """Look at all columns but those of files and ids.

    Args:
        columns: of the table.
        rows: cells by column.
        kept: columns that stay as they are.
    """
    result = Cleaned([dict(row) for row in rows])
    looked = [c for c in columns if c not in kept]
    texts = {c: [row[c] for row in rows] for c in looked}
    result.decimal = _decimal(list(texts.values()))
    for column in looked:
        if result.decimal == ",":
            texts[column] = [t.replace(",", ".") if _COMMA.fullmatch(t) else t for t in texts[column]]
        _listed(column, texts, result)
        _measures(column, texts, result)
        _coded(column, texts, result)
        _spelled(column, texts, result)
        rule = result.recode.get(column, {})
        for row, text in zip(result.rows, texts[column], strict=True):
            named = column in result.words and text.strip().casefold() == "none"
            row[column] = "" if is_empty(text) and not named else rule.get(text, text)
    return result


def _decimal(columns: Sequence[Sequence[str]]) -> str:
    """A comma where a column of numbers has it in fractions, and no column has points."""
    commas = points = 0
    for cells in columns:
        full = [c for c in cells if not is_empty(c)]
        numbers = [c for c in full if _NUMBER.fullmatch(c) or _COMMA.fullmatch(c)]
        if len(numbers) * 2 < len(full) or not full:
            continue
        with_comma = [c for c in numbers if "," in c]
        points += sum("." in c for c in numbers)
        commas += len(with_comma) if any(not _THOUSANDS.fullmatch(c) for c in with_comma) else 0
    return "," if commas > points else "."


def _listed(column: str, texts: dict[str, list[str]], result: Cleaned) -> None:
    """Lists as Python writes them, ``['a', 'b']``: findings joined by a bar."""
    cells = texts[column]
    full = [c for c in cells if not is_empty(c)]
    if not full or sum(c.startswith("[") and c.endswith("]") for c in full) * 10 < 9 * len(full):
        return
    try:
        lists = [ast.literal_eval(c) if c.startswith("[") else [] for c in cells]
    except (ValueError, SyntaxError):
        return
    if not all(isinstance(word, str) for words in lists for word in words):
        return
    texts[column] = ["|".join(word.strip() for word in dict.fromkeys(words)) for words in lists]
    result.anew[column] = texts[column]
    result.notes[column] = "lists in brackets are written with a bar between the findings"


def _measures(column: str, texts: dict[str, list[str]], result: Cleaned) -> None:
    """Numbers with thousands, or with one unit: 1,037; 43 %; 045Y."""
    cells = texts[column]
    full = [c for c in cells if not is_empty(c) and c.strip().casefold() not in _ABSENT]
    odd = [c for c in full if not _NUMBER.fullmatch(c)]
    if not odd:
        return
    if all(_THOUSANDS.fullmatch(c) for c in odd) and len(odd) > 1:
        texts[column] = [c.replace(",", "") if _THOUSANDS.fullmatch(c) else c for c in cells]
        result.anew[column] = texts[column]
        result.notes[column] = f"{odd[0]} is read as {odd[0].replace(',', '')}"
        return
    matches = [_UNIT.fullmatch(c) for c in cells]
    units = {m[2].lower() for m in matches if m}
    fitting = sum(bool(m or _NUMBER.fullmatch(c)) for c, m in zip(cells, matches) if c in set(full))
    if not units or fitting < 0.9 * len(full):
        return
    strict = units <= set(_YEARS) and all(re.fullmatch(r"\d{3}[DWMY]", c) for c in odd)
    in_years = strict or _are_ages(column, units, len(full) > len(odd))
    if len(set(odd)) <= FEW and not in_years and units != {"%"}:
        return
    if len(units) > 1 and not in_years:
        result.notes[column] = f"it has several units ({', '.join(sorted(units)[:4])}), so it is not read as numbers"
        return
    if not in_years and len(full) != len(odd) and units != {"%"}:
        some = f"{odd[0]!r} beside numbers without a unit"
        result.notes[column] = f"it has {some}, so it is not read as numbers: write one unit, or none"
        return
    texts[column] = [_in_years(m) if m and in_years else m[1].replace(",", ".") if m else c
                     for c, m in zip(cells, matches)]  # fmt: skip
    result.anew[column] = texts[column]
    unit = "years" if in_years else next(iter(units))
    first = {_UNIT_OF_TIME[m[2].lower()] if in_years else "": i for i, m in reversed(list(enumerate(matches))) if m}
    read = ", ".join(f"{cells[i]!r} is read as {texts[column][i]}" for i in sorted(first.values()))
    bare = ", numbers without a unit too" if in_years and len(full) > len(odd) else ""
    result.notes[column] = f"{read}, in {unit}{bare}"


def _are_ages(column: str, units: set[str], numbers: bool) -> bool:
    """Whether units are years, months, weeks and days, of which one column may have several.

    Args:
        column: its name: numbers without a unit are years in one of ages alone.
        units: in lower case.
        numbers: there are numbers without a unit.
    """
    if not units <= set(_UNIT_OF_TIME):
        return False
    return headings.group_of(column) == "age" if numbers else len(units) > 1


def _in_years(match: re.Match[str]) -> str:
    return f"{float(match[1].replace(',', '.')) * _YEARS[_UNIT_OF_TIME[match[2].lower()]]:.6g}"


def _coded(column: str, texts: dict[str, list[str]], result: Cleaned) -> None:
    """What stands for a missing value: words among numbers, and numbers that are far from all others."""
    cells = [c for c in texts[column] if not is_empty(c)]
    numbers = [c for c in cells if _NUMBER.fullmatch(c)]
    words = Counter(c for c in cells if not _NUMBER.fullmatch(c))
    rule: dict[str, str] = {}
    if len(numbers) * 2 >= len(cells) > 0:
        rule = dict.fromkeys(missing.words(words, _ABSENT), "")
        left = [c for c in words if c not in rule]
        if left and len(numbers) >= 0.9 * len(cells) and len({*numbers}) > 10:
            rule |= dict.fromkeys(left, "")
        rule |= dict.fromkeys(missing.codes(numbers), "")
    else:
        rule = dict.fromkeys(missing.words(words, _SIGNS), "")
        rule |= {code: "" for code in set(numbers) if float(code) in missing.CODES}
    doubtful = _doubtful(Counter(c for c in cells if c not in rule), len(cells))
    if rule and len(rule) <= _MOST:
        counts = Counter(c for c in cells if c in rule)
        listed = ", ".join(f"{cell!r} {n}" for cell, n in counts.most_common(4))
        result.recode.setdefault(column, {}).update(rule)
        result.notes[column] = _more(result, column, f"cells that stand for a missing value are emptied: {listed}")
    if doubtful:
        listed = ", ".join(f"{cell!r} in {n} cells" for cell, n in doubtful.items())
        kept = f'{listed}: kept as values; `recode` them to "" if they stand for a missing one'
        result.notes[column] = _more(result, column, kept)


def _doubtful(counts: Mapping[str, int], cells: int) -> dict[str, int]:
    """Values that may stand for a missing one, and their number: ``unknown``, -1 below 0, 9 beside 0 and 1."""
    numbers = {text: float(text) for text in counts if _NUMBER.fullmatch(text)}
    found = {text: counts[text] for text in missing.words(counts, _ABSENT)}
    few = len(numbers) <= FEW
    for text, value in numbers.items():
        others = [v for v in numbers.values() if v != value]
        if len(others) < 2 or (not few and counts[text] < max(3, _OFTEN * cells)):
            continue
        low, high = min(others), max(others)
        below, above = value < 0 <= low, value in _NINES and value > high + (3 if few else 0)
        if (below and value in (-1, *missing.CODES)) or above:
            found[text] = counts[text]
    return found


def _spelled(column: str, texts: dict[str, list[str]], result: Cleaned) -> None:
    """One value in several spellings: case, blanks, yes and 1, Male and M."""
    done = result.recode.get(column, {})
    counts = Counter(c for c in texts[column] if c not in done and (not is_empty(c) or c.casefold() == "none"))
    if not 2 <= len(counts) <= _MOST or any("/" in text for text in counts):  # paths, of which case is a part
        return
    words = {c for c in counts if not _NUMBER.fullmatch(c)}
    if "none" in {c.casefold() for c in words} and len(words) == len(counts) > 2:
        result.words[column] = sorted(counts)
        result.notes[column] = _more(result, column, "'none' is taken for a value, not for an empty cell")
    counts = Counter({c: n for c, n in counts.items() if not is_empty(c)})
    meaning = _meaning(counts)
    groups: dict[str, list[str]] = {}
    for text in counts:
        groups.setdefault(meaning.get(text) or plain_spelling(text), []).append(text)
    rule: dict[str, str] = {}
    for spellings in groups.values():
        best = max(spellings, key=lambda text: (not _NUMBER.fullmatch(text), counts[text], text))
        rule |= {text: best for text in spellings if text != best}
    if not rule:
        return
    result.recode.setdefault(column, {}).update(rule)
    pairs = ", ".join(f"{text!r} is {best!r}" for text, best in list(rule.items())[:4])
    result.notes[column] = _more(result, column, f"spellings of one value are joined: {pairs}")
    numbers = sorted(text for text in counts if _NUMBER.fullmatch(text) and text not in rule)
    if numbers and len(numbers) < len(counts):
        result.notes[column] += f"; what {', '.join(numbers[:3])} mean beside words cannot be known"


def _meaning(counts: Mapping[str, int]) -> dict[str, str]:
    """Text to yes and no, or to the sexes, where all texts are one of them and more than two."""
    folded = {text: text.strip().casefold() for text in counts if not text.strip().isdecimal()}
    for names, more in (({"yes": YES, "no": NO}, counts), ({"f": _FEMALE, "m": _MALE}, folded)):
        texts = {text: text.strip().casefold() for text in more}
        if len(texts) > 2 and set(texts.values()) <= set().union(*names.values()):
            return {text: next(n for n, words in names.items() if f in words) for text, f in texts.items()}
    return {}


def _more(result: Cleaned, column: str, text: str) -> str:
    return f"{result.notes[column]}; {text}" if column in result.notes else text
