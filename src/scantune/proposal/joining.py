"""Several tables of one folder: partitions one below the other, columns joined by ids, and what is left out."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

from scantune.amounts import number_of
from scantune.cohort.doubts import form_free
from scantune.cohort.faults import CohortError
from scantune.cohort.folders import SIDES
from scantune.proposal import coco_labels, headings
from scantune.proposal.drawn import keys_note, outlines_note, runs_note
from scantune.proposal.listing import Listing
from scantune.proposal.same_names import of_partition, own_files, with_paths
from scantune.proposal.several_names import one_name_a_row
from scantune.proposal.sides import bare
from scantune.proposal.source import SPLIT, Content, Source
from scantune.proposal.stacking import alike_columns, stacked
from scantune.proposal.tables import of_content, read
from scantune.proposal.widening import widened
from scantune.records import ScantuneError

Key = tuple[str, ...]
_MOST = 20  # tables of a folder that are read
_SHARED = 0.5  # of the files of the smaller table that the other has, from which on both are of the same samples
_MATCHED = 0.1  # share of the rows that must find theirs in a table that is joined


@dataclass
class Tables:
    """What the tables of a folder give.

    Attributes:
        sources: one for each cohort.
        notes: tables that are joined or not used, and why.
    """

    sources: list[Source] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def of_folder(root: Path, listing: Listing, name: str, folder_name: str) -> Tables:
    """The tables of the highest folder that has some.

    Args:
        root: the folder.
        listing: its files.
        name: of the blocks where there is one cohort, "" for that of its table.
        folder_name: stands in for names of tables that name a partition alone.
    """
    found = Tables()
    read_tables = stacked(_read(root, listing, found), folder_name, found.notes)
    contents = _merged(read_tables, found, listing, root)
    sources: list[tuple[Path, Content, Source]] = []
    others: list[tuple[Path, Content]] = []
    for path, long in contents:
        content, own = long, own_files(listing, path, contents, root)
        try:
            content = widened(long, own, path)
            source = of_content(content, root, _name(path, folder_name), own, path)
            sources.append((path, content, source))
        except ScantuneError as error:
            others.append((path, content))
            if isinstance(error, CohortError):
                found.notes.append(f"{path.name} is not used: {error}")
    annotated = None
    try:
        annotated = None if sources else coco_labels.of_folder(root, listing)
        if annotated is not None:
            path, content = annotated[0], widened(annotated[1], listing, annotated[0])
            sources.append((path, content, of_content(content, root, folder_name, listing, path)))
    except ScantuneError as error:
        found.notes.append(str(error))
    cohorts = _cohorts(sources)
    found.notes += [*(outlines_note(listing) if annotated is None else []), *keys_note(listing)]
    for first, *same in cohorts:
        found.sources.append(_whole(first, same, others, root, listing, found))
    joined = {path for cohort in cohorts for path, _, _ in cohort}
    left = [
        path.name
        for path in dict.fromkeys(p for p, _ in others)
        if path not in joined and not _mentioned(path, found.notes)
    ]
    left = [name for name in dict.fromkeys(left) if not name.lower().endswith(".txt")]
    if left:
        found.notes.append(f"{', '.join(left)}: no row leads to a file or to a row of another table, so not used")
    _name_apart(found.sources, [cohort[0][0] for cohort in cohorts])
    if name and found.sources:
        _rename(found.sources, name)
    return found


def _name_apart(sources: Sequence[Source], paths: Sequence[Path]) -> None:
    """Names of the folders before those of tables that are named alike, whose blocks would replace each other."""
    twice = {name for name, count in Counter(source.name for source in sources).items() if count > 1}
    for number, (source, path) in enumerate(zip(sources, paths, strict=True), 1):
        if source.name in twice:
            source.name = f"{re.sub(r'[^A-Za-z0-9_-]+', '_', path.parent.name).strip('_-')}_{source.name}"
        if source.name in {other.name for other in sources[: number - 1]}:
            source.name = f"{source.name}_{number}"


def _rename(sources: Sequence[Source], name: str) -> None:
    """The name for one source; of several, with what their own names differ in behind it."""
    words = [source.name.split("_") for source in sources]
    alike = takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))
    same = len(list(alike)) if len(sources) > 1 else len(words[0])
    for source, own in zip(sources, words, strict=True):
        source.name = "_".join([name, *own[same:]])


def _mentioned(path: Path, notes: Sequence[str]) -> bool:
    return any(note.startswith(f"{path.name} ") for note in notes)


def _read(root: Path, listing: Listing, found: Tables) -> list[tuple[Path, Content]]:
    heights: dict[int, list[str]] = defaultdict(list)
    for table in listing.tables:
        heights[table.count("/")].append(table)
    contents: list[tuple[Path, Content]] = []
    names = next((heights[height] for height in sorted(heights)), [])
    found.notes += _unread(listing.tables, names)
    for table in names if len(names) <= _MOST else []:
        path = root / table
        try:
            sheets = read(path, listing)
        except CohortError as error:
            if path.suffix.lower() != ".txt":
                found.notes.append(f"{path.name} is not used: {error.faults[0] if error.faults else error}")
            continue
        for content in sheets:
            if path.suffix.lower() != ".txt" or (len(content.columns) > 1 and len(content.rows) > 3):
                contents.append((path, content))
    return contents


def _unread(tables: Sequence[str], names: Sequence[str]) -> list[str]:
    """Notes of tables that are not looked at: too many of one folder, and those in folders below it."""
    notes = []
    many = [name for name in names if not name.lower().endswith(".txt")]
    if len(names) > _MOST and many:
        some = ", ".join(many[:2])
        notes.append(f"{len(names)} tables ({some}, …) are more than {_MOST}, and none is used: name one for init")
    deeper = [name for name in tables if name not in set(names) and not name.lower().endswith(".txt")]
    if deeper:
        own = "; of BIDS write one with participant_id and session_id beside participants.tsv"
        hint = own if any(name.endswith(("_sessions.tsv", "_scans.tsv")) for name in deeper) else ""
        notes.append(
            f"{number_of(len(deeper), 'table')} in folders below not used, such as {deeper[0]}: name one for "
            f"init, or join them to one table{hint}"
        )
    return notes


def _merged(
    contents: list[tuple[Path, Content]], found: Tables, listing: Listing, root: Path
) -> list[tuple[Path, Content]]:
    """Tables that are named after partitions, or lie in their folders, and have the same columns, one below the other.

    Files of tables that have one name in several folders are those in the folder of each.
    """
    groups: dict[Key, list[tuple[Path, Content, str]]] = defaultdict(list)
    named: dict[str, set[Path]] = defaultdict(set)
    for path, _ in contents:
        named[path.name.lower()].add(path.parent)
    for path, content in contents:
        words = re.split(r"[ _.\-]+", bare(path.stem).lower())
        side = next((SIDES[word] for word in words if word in SIDES), "")
        rest = "_".join(word for word in words if word not in SIDES)
        folders = [part.lower() for part in path.relative_to(root).parts[:-1]]
        if not side and any(part in SIDES for part in folders):
            side = next(SIDES[part] for part in folders if part in SIDES)
            rest = "/".join([*(part for part in folders if part not in SIDES), rest])
        if side and len(named[path.name.lower()]) > 1:
            folder = path.parent.relative_to(root).as_posix()
            content = with_paths(content, [name for name in listing.names if name.startswith(f"{folder}/")])
        key: Key = (rest, str(path), content.sheet)
        if side:
            others = {k: own[0] for k, own in groups.items() if k[0] == rest and path not in {p for p, _, _ in own}}
            key = next((k for k, (_, one, has) in others.items() if has and alike_columns(one, content)), key)
        groups[key].append((path, content, side))
    result: list[tuple[Path, Content]] = []
    for members in groups.values():
        sides = [side for _, _, side in members]
        if len(members) < 2 or "train" not in sides or len(set(sides)) < len(sides):
            result += [(path, content) for path, content, _ in members]
            continue
        training = next(path for path, _, side in members if side == "train")
        members = [(path, with_paths(c, of_partition(listing, side), numbers=True), side) for path, c, side in members]
        columns = list(dict.fromkeys(c for _, content, _ in members for c in content.columns))
        lacking = {c: p.name for p, content, _ in members for c in columns if c not in content.columns}
        empty = dict.fromkeys(lacking, "")
        rows = [{**empty, **row, SPLIT: side} for _, content, side in members for row in content.rows]
        columns.append(SPLIT)
        places = [f"{place} of {path.name}" for path, content, _ in members for place in content.places]
        whole = Content(columns, rows, members[0][1].header, anew=True, places=places, marked=members[0][1].marked)
        if whole.marked:
            whole.notes.append(runs_note({side: path for path, _, side in members}, listing))
        result.append((training, whole))
        names = ", ".join(path.relative_to(root).as_posix() for path, _, _ in members)
        without = "".join(f"; {name} has no {column!r}" for column, name in lacking.items())
        found.notes.append(f"{names} are one table: the column {SPLIT!r} has the partition of each row{without}")
    return sorted(result, key=lambda pair: pair[0])


def _cohorts(sources: Sequence[tuple[Path, Content, Source]]) -> list[list[tuple[Path, Content, Source]]]:
    """Tables of the same files together, the one with a row a file first."""

    def order(one: tuple[Path, Content, Source]) -> tuple[bool, bool, int, str]:
        path, content, source = one
        rows, files = len(content.rows), len(source.files)
        return rows < files, rows > files, -files, str(path)

    cohorts: list[list[tuple[Path, Content, Source]]] = []
    for one in sorted(sources, key=order):
        files = set(one[2].files)
        same = next(
            (c for c in cohorts if len(files & set(c[0][2].files)) >= _SHARED * min(len(files), len(c[0][2].files))),
            None,
        )
        if same is None:
            cohorts.append([one])
        else:
            same.append(one)
    return sorted(cohorts, key=lambda cohort: str(cohort[0][0]))


def _whole(
    first: tuple[Path, Content, Source], same: Sequence[tuple[Path, Content, Source]],
    others: Sequence[tuple[Path, Content]], root: Path, listing: Listing, found: Tables,
) -> Source:  # fmt: skip
    """The source with the columns of the tables of the same samples, and of tables without files."""
    path, content, source = first
    whole = content
    for other, table in [*((p, c) for p, c, _ in same), *others]:
        called, single = _called(other, table), one_name_a_row(table, whole)
        joined = _joined(whole, single, called, found)
        if joined is not None:
            whole = joined
            found.notes += [f"{called}: {note}" for note in single.notes if note not in table.notes]
        elif other in {p for p, _, _ in same}:
            found.notes.append(f"{called} is not used: it adds no column to the rows of {_called(path, content)}")
    if whole is content:
        return source
    return of_content(replace(whole, anew=True), root, source.name, listing, path)


def _called(path: Path, content: Content) -> str:
    """A table's name, with the sheet where it is not the first."""
    return f"{path.name} (sheet {content.sheet!r})" if content.sheet else path.name


def _joined(content: Content, other: Content, called: str, found: Tables) -> Content | None:
    """The table with the columns of another, by the ids that both have; None where rows cannot be told apart."""
    names = {_plain(column): column for column in other.columns}
    keys = [(c, names[_plain(c)]) for c in content.columns if _plain(c) in names and c != SPLIT]
    keys = [
        (c, o)
        for c, o in keys
        if headings.is_id(c) or headings.is_id(o) or _unique(other, [o]) or _unique(content, [c])
    ]
    forms = {c: _form(content, c, other, o) for c, o in keys}
    keys = [
        (c, o) for c, o in keys if {forms[c](r[c]) for r in content.rows} & {forms[c](r[o]) for r in other.rows} - {""}
    ]
    keys = keys or _alike(content, other)
    here = [tuple(forms.get(c, str)(row[c]) for c, _ in keys) for row in content.rows]
    there = [tuple(forms.get(c, str)(row[o]) for c, o in keys) for row in other.rows]
    if keys:
        _note_differing(content, other, here, there, {c for c, _ in keys}, called, found)
    new = [c for c in other.columns if _plain(c) not in {_plain(own) for own in content.columns}]
    if not keys or not new:
        return None
    values: dict[tuple[str, ...], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for key, row in zip(there, other.rows, strict=True):
        for column in new:
            values[key][column].add(row[column])
    varied = [c for c in new if any(len(cells[c]) > 1 for cells in values.values())]
    new = [c for c in new if c not in varied]
    if not new:
        return None
    own = {key: {c: next(iter(cells[c])) for c in new} for key, cells in values.items()}
    matched = [own.get(key) for key in here]
    count = sum(match is not None for match in matched)
    if count < max(4, _MATCHED * len(content.rows)):
        return None
    empty = dict.fromkeys(new, "")
    rows = [{**row, **(match or empty)} for row, match in zip(content.rows, matched, strict=True)]
    by = " and ".join(c for c, _ in keys)
    left = f"; {', '.join(varied[:6])} differ between its rows and are left out" if varied else ""
    found.notes.append(f"{called} is joined by {by}, for {count} of {len(rows)} rows{left}")
    return replace(content, columns=[*content.columns, *new], rows=rows, anew=True)


def _form(content: Content, column: str, other: Content, name: str) -> Callable[[str], str]:
    """How ids of two tables are compared: 001 and 1 are one, where that joins no two ids of one table."""
    for table, own in ((content, column), (other, name)):
        ids = {row[own] for row in table.rows}
        if len(set(map(form_free, ids))) < len(ids):
            return str
    return form_free


def _note_differing(
    content: Content, other: Content, here: Sequence[Key], there: Sequence[Key], keys: set[str], called: str,
    found: Tables,
) -> None:  # fmt: skip
    """Note where two tables contradict each other."""
    rows = dict(zip(there, other.rows, strict=True))
    pairs = [(row, rows[key]) for key, row in zip(here, content.rows, strict=True) if key in rows]
    shared = {_plain(c): c for c in content.columns if c not in keys and not headings.is_id(c)}
    for column in other.columns:
        own = shared.get(_plain(column), "")
        count = sum(bool(a[own] and b[column]) and a[own] != b[column] for a, b in pairs) if own else 0
        if count:
            found.notes.append(f"{called} has other cells in {column!r} for {count} of {len(pairs)} rows: not used")


def _alike(content: Content, other: Content) -> list[tuple[str, str]]:
    """One pair of columns of other names that have the same ids."""
    for column in content.columns:
        cells = {row[column] for row in content.rows}
        for name in other.columns:
            ids = {row[name] for row in other.rows}
            words = not all(cell.removesuffix(".0").isdecimal() and len(cell) < 6 for cell in ids)
            if words and _unique(other, [name]) and len(cells & ids) >= _SHARED * min(len(cells), len(ids)):
                return [(column, name)]
    return []


def _unique(content: Content, columns: Sequence[str]) -> bool:
    return len({tuple(row[c] for c in columns) for row in content.rows}) == len(content.rows)


def _plain(column: str) -> str:
    """A column's name without signs, case and a final id: ``Patient_ID`` and ``patientid`` are one."""
    bare = re.sub(r"[^a-z0-9]+", "", column.lower())
    return re.sub(r"ids?$", "", bare) or bare


def _name(path: Path, folder_name: str) -> str:
    words = re.split(r"[ _.\-]+", path.stem.lower())
    return (
        folder_name if all(word in SIDES for word in words) else re.sub(r"[^A-Za-z0-9_\-]+", "_", path.stem).strip("_-")
    )
