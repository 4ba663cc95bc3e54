"""Ambiguities of a table: one person's id in two forms, words that are read as empty cells."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from scantune.amounts import number_of
from scantune.cohort import missing, values
from scantune.cohort.cells import plain
from scantune.cohort.table import Row
from scantune.config.dataset import DatasetConfig, TargetColumn, Unless
from scantune.records import Record
from scantune.statistics.ages import OLDEST, is_age

SHOWN = 10


def form_free(subject: str) -> str:
    """An id without what may differ between two notes of it: case, blanks and characters of no width, the kind of a
    dash, quotation marks around it, leading zeros, a final .0, Unicode form."""
    kinds = ((unicodedata.category(letter), letter) for letter in unicodedata.normalize("NFKC", subject))
    plain = "".join("-" if kind == "Pd" or letter == "\u2212" else letter for kind, letter in kinds if kind != "Cf")
    text = unicodedata.normalize("NFKC", re.sub(r"\s+", "", plain).casefold())
    text = text.strip("'\"“”„‘’‚«»") or text
    text = re.sub(r"^(\d+)[.,]0+$", r"\1", text)
    return re.sub(r"\d+", lambda digits: digits.group().lstrip("0") or "0", text)


def one_form(records: Sequence[Record], *, join: bool, with_ids: bool) -> tuple[list[Record], list[str]]:
    """The records, and a warning where subject ids differ in form only.

    Args:
        records: of the table.
        join: treat such ids as one subject, by the shortest form, whatever the order of the rows.
        with_ids: whether the warning may contain the ids; False where ids become digests.
    """
    forms: dict[str, list[str]] = {}
    for subject in dict.fromkeys(record.subject_id for record in records):
        forms.setdefault(form_free(subject), []).append(subject)
    several = [ids for ids in forms.values() if len(ids) > 1]
    if not several:
        return list(records), []
    pairs = ", ".join("/".join(ids) for ids in several[:SHOWN]) + (" …" if len(several) > SHOWN else "")
    what = "subject ids that differ only in case, blanks, dashes, quotes, leading zeros, .0 or Unicode form: "
    what += f"{len(several)} ({pairs})" if with_ids else f"{len(several)}"
    if not join:
        remedy = "they are treated as different subjects: correct the table, or set 'join_ids: true'"
        return list(records), [f"{what}; {remedy}"]
    first = {subject: min(ids, key=lambda text: (len(text), text)) for ids in several for subject in ids}
    joined = [replace(record, subject_id=first.get(record.subject_id, record.subject_id)) for record in records]
    return joined, [f"{what}; each group is treated as one subject ('join_ids')"]


_MONTH = r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-z]*"
_DATE = re.compile(rf"\d{{4}}-\d\d-\d\d(?: 00:00:00)?|\d{{1,2}}[-.] ?{_MONTH}\.?|{_MONTH}[-.]\d\d", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"\d([.,]\d+)?E\+\d\d", re.IGNORECASE)


def ids_of_excel(records: Sequence[Record], *, with_ids: bool) -> list[str]:
    """A warning where a spreadsheet made dates or rounded numbers of subject ids (3-4, 123456789012).

    Args:
        records: of the table.
        with_ids: whether the warning may contain the ids.
    """
    subjects = list(dict.fromkeys(record.subject_id for record in records))
    warnings = []
    for what, pattern in (("dates", _DATE), ("numbers in scientific notation", _SCIENTIFIC)):
        odd = [subject for subject in subjects if pattern.fullmatch(subject)]
        if odd and (pattern is _SCIENTIFIC or len(odd) < len(subjects)):
            some = f" ({_some(odd)})" if with_ids else ""
            warnings.append(
                f"{len(odd)} of {len(subjects)} subject ids are {what}{some}: did a spreadsheet make them of ids? "
                "Several ids can have become one; write them anew in a column that is formatted as text"
            )
    return warnings


def dates_of_excel(records: Sequence[Record]) -> list[str]:
    """A warning for each target or group of which some values are dates and others are not: 3-2 became one."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for record in records:
        for what, cells in (("target", record.targets), ("group", record.groups)):
            for name, text in cells.items():
                if text:
                    found.setdefault((what, name), {})[text] = None
    warnings = []
    for (what, name), texts in found.items():
        odd = [text for text in texts if _DATE.fullmatch(text)]
        if 0 < len(odd) < len(texts):
            words = f"{len(odd)} of {len(texts)} values are dates ({_some(odd)}): did a spreadsheet make them?"
            warnings.append(f"{what} {name!r}: {words}")
    return warnings


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:SHOWN]) + " …" * (len(texts) > SHOWN)


def words_for_empty(rows: Sequence[Row], targets: Mapping[str, TargetColumn], dataset: DatasetConfig) -> list[str]:
    """A warning for each column of targets or groups with words such as None or NA that are read as empty cells."""
    named = {rule.column: {*map(str, rule.values or ()), *rule.recode} for rule in targets.values()}
    warnings = []
    for column in dict.fromkeys([*named, *dataset.groups.values()]):
        words = Counter(row.cells[column].strip() for row in rows if row.cells[column].strip())
        empty_words = {w: n for w, n in words.items() if values.is_empty(w) and w not in named.get(column, ())}
        if empty_words:
            counts = ", ".join(f"{word!r} in {count}" for word, count in empty_words.items())
            warnings.append(
                f"column {column!r}: {counts} of {len(rows)} rows read as empty cells; if a word is a value, "
                "list it among the target's 'values' or the task's 'classes', or recode it"
            )
    return warnings


def impossible_ages(rows: Sequence[Row], dataset: DatasetConfig) -> list[str]:
    """A warning for each group of ages with numbers that are none in years: months and days, or codes (999, -9).

    Such numbers above 89 are written as 90+ from here on, so that nothing later can tell.
    """
    warnings = []
    for name, column in dataset.groups.items():
        if not (is_age(name) or is_age(column)):
            continue
        texts = [plain(row.cells[column], dataset.decimal).strip() for row in rows]
        ages = [text for text in texts if values.is_number(text)]
        odd = [text for text in ages if not 0 <= values.number(text) <= OLDEST]
        if odd:
            are, some = "is" if len(odd) == 1 else "are", _some(list(dict.fromkeys(odd)))
            warnings.append(
                f"group {name!r}: {len(odd)} of {number_of(len(ages), 'age')} {are} below 0 or above {OLDEST:g} years "
                f"({some}): in another unit, or a code? What is above 89 counts as 90+; write years, and leave unknown "
                "ages empty"
            )
    return warnings


def values_for_missing(
    records: Sequence[Record], targets: Mapping[str, TargetColumn], dataset: DatasetConfig
) -> list[str]:
    """A warning for each target and group with values that may stand for a missing one (``?``, -999 beside 0 to 34),
    and where such a word is the id of a subject.

    What the ``values`` of a target list is a value; ages have a warning of their own, and a group may be unknown.
    """
    columns: dict[tuple[str, str], Counter[str]] = {}
    for record in records:
        for what, cells in (("target", record.targets), ("group", record.groups)):
            for name, text in cells.items():
                columns.setdefault((what, name), Counter())[text] += 1
    warnings = []
    for (what, name), counts in columns.items():
        listed = targets[name].values or [] if what == "target" else ["unknown"]
        column = targets[name].column if what == "target" else dataset.groups.get(name, name)
        odd = missing.words(counts)
        if not (is_age(name) or is_age(dataset.groups.get(name, ""))):
            odd += missing.codes([text for text in counts if values.is_number(text)])
        odd = [text for text in odd if not any(values.same(text, value) for value in listed)]
        if odd:
            some = ", ".join(f"{text!r} in {counts[text]}" for text in odd[:SHOWN])
            remedy = f"if for a missing one, set recode: {{{column}: {{{odd[0]!r}: ''}}}} in the dataset"
            remedy += ", else list it among the target's 'values'" if what == "target" else ""
            warnings.append(f"{what} {name!r}: {some} of {len(records)} rows stand for a value as they are; {remedy}")
    subjects = Counter(record.subject_id for record in records if dataset.subject is not None)
    words = [f"{word!r} in {number_of(subjects[word], 'row')}" for word in missing.words(subjects)]
    if words:
        some = ", ".join(words)
        warnings.append(f"subject ids that may stand for a missing one: {some}; rows of one id count as one subject")
    return warnings


def values_without_rows(rows: Sequence[Row], dataset: DatasetConfig) -> list[str]:
    """A warning for each value in a list of ``where`` that no row has: ``exclude: [bad]`` leaves a row with Bad in."""
    warnings = []
    for column, rule in dataset.where.items():
        listed = rule.exclude if isinstance(rule, Unless) else rule if isinstance(rule, list) else []
        cells = {row.cells[column] for row in rows}
        for value in listed:
            if any(values.same(cell, value, dataset.decimal) for cell in cells):
                continue
            like = sorted(cell for cell in cells if cell and form_free(cell) == form_free(str(value)))
            there = f"; it has {', '.join(map(repr, like))}" if like else ""
            warnings.append(f"where: no row has {value!r} in column {column!r}, so it filters nothing{there}")
    return warnings


def spellings(records: Sequence[Record]) -> list[str]:
    """A warning for each target or group with values in two forms, such as Benign and benign: two classes to a task."""
    forms: dict[tuple[str, str], dict[str, dict[str, None]]] = {}
    for record in records:
        for what, cells in (("target", record.targets), ("group", record.groups)):
            for name, text in cells.items():
                if text and not values.is_number(text):
                    forms.setdefault((what, name), {}).setdefault(form_free(text), {})[text] = None
    warnings = []
    for (what, name), by_form in forms.items():
        several = [" / ".join(map(repr, texts)) for texts in by_form.values() if len(texts) > 1]
        if several:
            listed = ", ".join(several[:SHOWN]) + (" …" if len(several) > SHOWN else "")
            warnings.append(
                f"{what} {name!r}: {listed} differ only in case, blanks, dashes or zeros and are different values; "
                "join them by 'recode' if they are one"
            )
    return warnings
