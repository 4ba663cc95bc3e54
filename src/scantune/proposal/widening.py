"""Tables of several rows a file, one for each finding, measure, box or reader, as tables of one row a file."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from scantune.amounts import number_of
from scantune.cohort.faults import CohortError, Fault
from scantune.proposal import headings
from scantune.proposal.drawn import LEFT_OUT
from scantune.proposal.listing import Listing
from scantune.proposal.long_keys import key_of, with_ids_apart
from scantune.proposal.source import Content
from scantune.tasks.suggestion import NONE, LabelTable

_NAME = re.compile(
    r"finding|class|label|name|diagn|disease|patholog|abnormal|lesion|categor|type|measure|variable|parameter|analyt|"
    r"test|item|field|attribute|question|merkmal|befund|clase|\bdx\b", re.I
)  # fmt: skip
_CODE = re.compile(r"^(class|category|label|finding)[ _-]?(id|no|nr|code|index|idx)$", re.I)  # names as numbers
_VALUE = re.compile(r"^(val(ue)?s?|results?|presen(t|ce)|score|labels?|targets?|status|answer|wert|ergebnis)$", re.I)
_BOX = re.compile(
    r"^[xywh]\d?$|^[xy][ _-]?(min|max|c|cent(er|re)|\d)$|box|^(width|height|area|confidence|prob(ability)?)$|"
    r"polygon|contour|encoded[ _]?pixels|\brle\b|coord|vert(ex|ices)|points?$|geometry", re.I
)  # fmt: skip
NO_FINDING = "No finding"
_NAMES = (2, 60)  # names of findings or measures
_READERS = 12  # readers with a column of their own, at most
_SHARE = 0.05  # share of the files whose rows differ in a column from which on this is not an error in single rows
_TIME = re.compile(r"visit|session|date|time|follow|stud(y|ies)|exam|wave|year|datum", re.I)
_SIGNS = {"0", "1", "-1", "0.0", "1.0", "-1.0", ""}


@dataclass
class _Long:
    """A table with its rows grouped by file.

    Attributes:
        content: the table.
        path: its file.
        key: columns that lead to the files.
        groups: cells of the key → rows.
        varying: column → share of the files whose rows differ in it; columns that never do are not in it.
    """

    content: Content
    path: Path
    key: list[str]
    groups: dict[tuple[str, ...], list[int]]
    varying: dict[str, float]

    def place(self, row: int) -> str:
        """Where a row stands."""
        places = self.content.places
        return places[row] if places else str(row + 1 + self.content.header)

    def named(self, column: str, rows: Sequence[int]) -> set[str]:
        """Distinct cells of some rows, but for empty ones."""
        return {self.content.rows[i][column] for i in rows} - {""}


def widened(content: Content, listing: Listing, path: Path) -> Content:
    """The table with one row a file; itself where rows have files of their own.

    Findings that rows list become a cell that lists them (``edema|mass``), or a column each where another column has
    their values; measures a column each; several readers' answers their mean, or what most of them say.

    Args:
        content: of a table.
        listing: the files.
        path: of the table, for messages.

    Raises:
        CohortError: a finding, or measure, of a file has two values, or a reader two answers; rows are of several
            times.
    """
    content = with_ids_apart(content, listing)
    key = key_of(content, listing, path.stem)
    if not key:
        return content
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for i, row in enumerate(content.rows):
        if all(row[c] for c in key):
            groups[tuple(row[c] for c in key)].append(i)
    several = {c: sum(len({content.rows[i][c] for i in own}) > 1 for own in groups.values()) for c in content.columns}
    varying = {c: n / len(groups) for c, n in several.items() if n}
    long = _Long(content, path, key, dict(groups), varying)
    reader = next((c for c in content.columns if headings.is_reader(c) and long.varying.get(c, 0) >= _SHARE), "")
    name = _name_column(long, reader)
    value = _value_column(long, reader, name)
    time = next((c for c in long.varying if _TIME.search(c) and long.varying[c] >= _SHARE), "")
    if time and name and not value:
        words = f"rows of one file differ in it and in {name!r}: nothing says which of them the file is of"
        raise CohortError(f"table {path.name}", [Fault(words, None, time)])
    cells, notes = _answers(long, reader, name, value)
    return _one_row_each(long, cells, {reader, name, value}, notes)


def _answers(long: _Long, reader: str, name: str, value: str) -> tuple[dict[str, list[str]], list[str]]:
    """New columns with a cell for each file, and notes."""
    if name and value:
        return _by_name(long, reader, name, value)
    if name:
        return _listed(long, reader, name)
    return _by_reader(long, reader) if reader else _any_box(long)


def _free(long: _Long, *taken: str) -> list[str]:
    """Columns in which the rows of files differ, and that may be an answer."""
    return [
        c for c in long.content.columns
        if long.varying.get(c, 0) >= _SHARE and c not in {*long.key, *taken} and not headings.is_id(c)
        and not headings.group_of(c) and not _BOX.search(c)
    ]  # fmt: skip


def _name_column(long: _Long, reader: str) -> str:
    """The column that names findings or measures; "" where there is none."""
    named = []
    for column in _free(long, reader):
        texts = long.named(column, range(len(long.content.rows)))
        words = [text for text in texts if re.search(r"[^\W\d_]", text)]
        if _NAMES[0] <= len(texts) <= _NAMES[1] and len(words) == len(texts) and _NAME.search(column):
            named.append(column)
    coded = [c for c in long.content.columns if _CODE.match(c) and long.varying.get(c, 0) >= _SHARE]
    return max(named, key=lambda c: long.varying[c], default=next(iter(coded), ""))


def _value_column(long: _Long, reader: str, name: str) -> str:
    """The column with the value of each name; "" where rows are there for what is present alone."""
    boxes = any(_BOX.search(c) for c in long.content.columns)
    rows = long.content.rows
    for column in _free(long, reader, name) if name else ():
        signs = {row[column] for row in rows} <= _SIGNS
        values: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            values[row[name]].add(row[column])
        apart = any(len(own) > 1 for own in values.values())  # else another name of the same thing
        numbers = all(len({rows[i][column] for i in own}) == len(own) for own in long.groups.values())
        if apart and ((signs and not numbers) or (_VALUE.match(column) and not boxes)):
            return column
    return ""


def _by_name(long: _Long, reader: str, name: str, value: str) -> tuple[dict[str, list[str]], list[str]]:
    """A column for each name."""
    rows = long.content.rows
    names = sorted({row[name] for row in rows} - {""})
    columns: dict[str, list[str]] = {_column(one, long): [] for one in names}
    faults: list[Fault | str] = []
    measured = {one: _measured([row[value] for row in rows if row[name] == one]) for one in names}
    for own in long.groups.values():
        for one, cells in zip(names, columns.values(), strict=True):
            here = [i for i in own if rows[i][name] == one]
            answers = _of_readers(long, here, reader, value, f"{name} {one!r} of ", faults)
            cells.append(consensus(list(answers.values()), measured[one]))
    if faults:
        raise CohortError(f"table {long.path.name}", faults)
    kind = f"{_how(any(measured.values()))} of the readers' for each" if reader else "with the value of each"
    return columns, [f"rows are a file's {name!r}, of which each is a column, {kind}: {', '.join(names[:6])}"]


def _listed(long: _Long, reader: str, name: str) -> tuple[dict[str, list[str]], list[str]]:
    """A cell that lists the names of a file's rows; of several readers those that more than half of them name."""
    rows = long.content.rows
    usual = headings.TARGET.search(name) and not (headings.is_technical(name) or headings.is_id(name))
    column = name if usual else "findings"
    cells = []
    for own in long.groups.values():
        people = {rows[i][reader] for i in own} if reader else {""}
        named = {(rows[i][reader] if reader else "", rows[i][name]) for i in own if rows[i][name]}
        votes = Counter(one for _, one in named)
        chosen = sorted(one for one, n in votes.items() if 2 * n > len(people) or not reader)
        present = [one for one in chosen if not NONE.match(one)]
        none = next((one for one in chosen if NONE.match(one)), NO_FINDING if votes else "")
        cells.append("|".join(present) or none)
    who = f", by more than half of the readers in {reader!r} of a file" if reader else ""
    return {column: cells}, [
        f"rows are what a file shows: the column {column!r} lists all {name!r} of its rows{who}; "
        "a file without a row is not used"
    ]


def _by_reader(long: _Long, reader: str) -> tuple[dict[str, list[str]], list[str]]:
    """Columns with what the readers of a file say together, and of few readers one for each."""
    rows = long.content.rows
    answers = [c for c in _free(long, reader) if not headings.is_technical(c)]
    people = sorted({row[reader] for row in rows} - {""})
    columns: dict[str, list[str]] = {}
    faults: list[Fault | str] = []
    notes = []
    for column in answers:
        measured = _measured([row[column] for row in rows])
        own = [_of_readers(long, group, reader, column, "", faults) for group in long.groups.values()]
        columns[column] = [consensus(list(answer.values()), measured) for answer in own]
        ties = sum(any(answer.values()) and not cell for answer, cell in zip(own, columns[column], strict=True))
        tied = f"; none: {number_of(ties, 'file')} without a majority" if ties else ""
        notes.append(f"rows are readers' answers: {column!r} is {_how(measured)} of those in {reader!r}{tied}")
        if len(answers) == 1 and 1 < len(people) <= _READERS:
            for one in people:
                word = re.sub(r"\W+", "_", one).strip("_")
                columns[f"reader_{word}"] = [answer.get(one, "") for answer in own]
    if faults:
        raise CohortError(f"table {long.path.name}", faults)
    return columns, notes


def _any_box(long: _Long) -> tuple[dict[str, list[str]], list[str]]:
    """Of rows that are boxes, or masks: 1 where any of a file's has 1."""
    rows, column = long.content.rows, long.content.marked
    if column:
        return {column: [max(rows[i][column] for i in own) for own in long.groups.values()]}, []
    if not any(_BOX.search(c) for c in long.content.columns):
        return {}, []
    marked = [c for c in _free(long) if {row[c] for row in rows} <= _SIGNS]
    columns = {
        c: [max((rows[i][c] for i in own if rows[i][c]), key=float, default="") for own in long.groups.values()]
        for c in marked
    }
    return columns, [f"rows are boxes: {c!r} is 1 where any box of the file has 1" for c in marked]


def _of_readers(
    long: _Long, rows: Sequence[int], reader: str, value: str, what: str, faults: list[Fault | str]
) -> dict[str, str]:
    """Reader to the answer in some rows of a file; two answers of one reader are a fault."""
    answers: dict[str, str] = {}
    first: dict[str, int] = {}
    for i in rows:
        cells = long.content.rows[i]
        who, cell = cells[reader] if reader else "", cells[value]
        if not cell:
            continue
        other = answers.setdefault(who, cell)
        if other != cell:
            file = " ".join(cells[c] for c in long.key)
            by = f" by {who}" if who else ""
            faults.append(
                Fault(
                    f"{what}{file}{by} is {other!r} in row {long.place(first[who])} and {cell!r} in row "
                    f"{long.place(i)}: correct or remove one",
                    None,
                    value,
                )
            )
        first.setdefault(who, i)
    return answers


def consensus(answers: Sequence[str], measured: bool) -> str:
    """What several readers say together: their mean, or what most of them say; "" without a majority."""
    answers = [answer for answer in answers if answer]
    if not answers:
        return ""
    if measured and len(answers) > 1:
        try:
            mean = f"{sum(float(_pointed(answer)) for answer in answers) / len(answers):.6g}"
            return mean.replace(".", ",") if any("," in answer for answer in answers) else mean
        except ValueError:
            pass
    (best, n), *others = Counter(answers).most_common(2)
    return "" if others and others[0][1] == n else best


def _pointed(cell: str) -> str:
    """A number with a decimal comma, with a point."""
    return cell.replace(",", ".") if re.fullmatch(r"[+-]?\d+,\d+", cell) else cell


def _measured(cells: Sequence[str]) -> bool:
    """Whether cells are measurements, not classes."""
    return LabelTable({"": [_pointed(cell) for cell in cells]}).measured("")


def _how(measured: bool) -> str:
    return "the mean" if measured else "the majority"


def _column(name: str, long: _Long) -> str:
    """A name of a column, unlike those that stay."""
    return f"{name} value" if name in long.content.columns else name


def _one_row_each(long: _Long, cells: Mapping[str, Sequence[str]], used: set[str], notes: Sequence[str]) -> Content:
    """A row for each file: the new columns, and the cells that all its rows agree in."""
    content = long.content
    subject = headings.subject_of(content.columns, content.rows)
    beside = [c for c in content.columns if c not in {*used, *cells}]
    left = [c for c in beside if long.varying.get(c, 0) >= _SHARE and c not in (*long.key, subject)]
    kept = [c for c in beside if c not in left]
    lost = dict.fromkeys((c for c in left if headings.TARGET.search(c)), "")  # no other column is the target then
    rows, places, disputed, shared = [], [], Counter[str](), []
    for at, (key, own) in enumerate(long.groups.items()):
        row, differing = agreed([content.rows[i] for i in own], kept)
        disputed.update(differing)
        if subject in kept and not row[subject] and len(long.named(subject, own)) > 1:
            shared.append(" ".join(key))
            continue
        rows.append({**row, **lost, **{c: column[at] for c, column in cells.items()}})
        places.append(long.place(own[0]))
    columns = [*kept, *lost, *(c for c in cells if c not in kept)]
    told = list(notes)
    if left:
        told.append(f"{LEFT_OUT}: {', '.join(left[:6])}")
    if disputed:
        listed = ", ".join(f"{c!r} of {n}" for c, n in disputed.items())
        told.append(f"where the rows of a file differ, the cell is empty: {listed} files")
    if shared:
        told.append(f"{number_of(len(shared), 'file')} in rows of several subjects left out ({', '.join(shared[:3])})")
    empty = len(content.rows) - sum(map(len, long.groups.values()))
    if empty:
        told.append(f"left out: {number_of(empty, 'row')} without a file name")
    told = [f"{len(content.rows)} rows are of {len(long.groups)} files", *told]
    return replace(content, columns=columns, rows=rows, places=places, anew=True, notes=[*content.notes, *told])


def agreed(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The cells that rows of one file agree in, "" where they do not, and the columns in which they differ."""
    values = {c: {row[c] for row in rows} for c in columns}
    differing = [c for c in columns if len(values[c]) > 1]
    return {c: "" if len(own) > 1 else next(iter(own)) for c, own in values.items()}, differing
