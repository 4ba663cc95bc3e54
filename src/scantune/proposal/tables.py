"""Tables of any form, and which files their rows lead to."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scantune.amounts import number_of
from scantune.cohort.faults import CohortError
from scantune.cohort.table import Table, read_table, row_at, sheet_names
from scantune.cohort.template import fields
from scantune.proposal import coco_labels, headings
from scantune.proposal.dates import with_dates_as_named
from scantune.proposal.drawn import with_marks
from scantune.proposal.expanding import expanded
from scantune.proposal.kinds import with_kinds
from scantune.proposal.listing import Listing, list_files, mask_rank
from scantune.proposal.matching import by_chance, by_path, by_template, naming
from scantune.proposal.named_sides import with_sides_as_named
from scantune.proposal.source import FILE, Content, Source
from scantune.proposal.widening import agreed, widened
from scantune.records import ScantuneError

_HEADERS = 10  # rows in which the column names are searched
_MOST = 0.95  # share of the rows with a file from which a template is kept
_FEWEST = 4  # samples without which nothing is proposed


def of_table(path: Path, root: Path, name: str, listing: Listing | None = None) -> Source:
    """The rows of a table and their files below ``root``.

    Raises:
        CohortError: the table cannot be read.
        ScantuneError: too few rows lead to files.
    """
    listing = listing or list_files(root)
    fault: ScantuneError | None = None
    best: Source | None = None
    for content in read(path, listing):
        try:
            source = of_content(widened(content, listing, path), root, name, listing, path)
        except ScantuneError as error:
            fault = fault or error
            continue
        best = source if best is None or len(source.files) > len(best.files) else best
    if best is None:
        raise fault or CohortError(f"table {path.name}", ["it has no header"])
    return best


def of_content(content: Content, root: Path, name: str, listing: Listing, path: Path) -> Source:
    """As :func:`of_table`, of a table that was read."""
    rows, columns, notes = content.rows, content.columns, list(content.notes)
    inside = path.absolute().is_relative_to(root.absolute())
    place = path.absolute().relative_to(root.absolute()).with_suffix("").as_posix() if inside else path.stem
    template, files = by_template(columns, rows, listing, place)
    how, present, ids = f"by {template!r}", _count(files), fields(template)
    filled = [i for i, row in enumerate(rows) if all(row[c] for c in fields(template))]
    kept = present >= max(1.0, _MOST * len(filled))
    counted = naming(columns, rows) if present and all(by_chance(c, rows) for c in fields(template)) else []
    if not kept or counted:
        column, by_name = by_path(counted or columns, rows, listing)
        if _count(by_name) > (present // 2 if counted else present):
            kept = False
            files, how = by_name, f"by the names in column {column!r}, whatever their folder and ending"
            ids = [column]
        elif counted:
            numbers = " and ".join(repr(c) for c in fields(template))
            notes.append(
                f"{column or counted[0]!r} names files, of which {_count(by_name)} are there, and rows are taken for "
                f"those of the files with the numbers in {numbers}: look whether they are"
            )
    table = None if content.anew else path
    source = Source(
        name, root, columns, rows, files, template, table, max(content.header, 1), notes=notes, origin=path.name
    )
    source.sheet, source.ids = content.sheet, ids
    several = expanded(source, listing)
    if several is not None:
        return several
    notes += _elsewhere(template, files, listing) if kept else []
    found = _with_gaps(source, filled) if kept else _joined(replace(source, template=f"{{{FILE}}}"), how)
    return with_kinds(found, template if kept else "", listing)


def _elsewhere(template: str, files: Sequence[str], listing: Listing) -> list[str]:
    """A note where another folder has files of the same names, masks aside, and no cell says which is meant."""
    used = {file for file in files if file}
    folders = [part for part in template.split("/")[:-1] if "{" not in part]
    if not folders:
        return []
    names = {file.rpartition("/")[2] for file in used}
    others = [n for n in listing.names if n not in used and n.rpartition("/")[2] in names and not mask_rank(n)]
    if 2 * len(others) < len(used):
        return []
    return [f"files of the same names are in other folders too, such as {others[0]}: those of {template!r} are taken"]


def _count(files: Sequence[str]) -> int:
    return len({file for file in files if file})


def _with_gaps(source: Source, filled: Sequence[int]) -> Source:
    """Rows with a file; of the others a note, and a filter where no file is named."""
    source = replace(source)
    missing = sum(not source.files[i] for i in filled)
    if missing:
        source.notes.append(f"{number_of(missing, 'row has', 'rows have')} no file and will be excluded")
    if len(filled) < len(source.rows):
        names = fields(source.template)
        source.blank = next(c for c in names if any(not row[c] for row in source.rows))
        source.notes.append(f"excluded: {number_of(len(source.rows) - len(filled), 'row')} without a file name")
    kept = source.some([i for i, file in enumerate(source.files) if file])
    twice = len(kept.files) - len(set(kept.files))
    return _joined(kept, f"by {source.template!r}") if twice or source.table is None else kept


def _joined(source: Source, how: str) -> Source:
    """A table to be written with a column of files: rows with a file, one for each file."""
    first: dict[str, int] = {}
    again: dict[str, list[int]] = {}
    for i, file in enumerate(source.files):
        if file:
            first.setdefault(file, i)
            again.setdefault(file, []).append(i)
    present = sorted(first.values())
    if len(present) < (_FEWEST if len(source.rows) >= _FEWEST else 1):
        raise ScantuneError(
            f"no column of the table matches files below {source.root}: {len(present)} of {len(source.rows)} rows lead "
            "to one; set --root to the folder of the files, or write `files:` by hand: '{subject}_{session}.nii.gz'"
        )
    repeats = sum(map(len, again.values())) - len(present)
    none = len(source.rows) - len(present) - repeats
    source.notes.append(
        f"files were found {how}: {number_of(len(present), 'row is', 'rows are')} in the table that is written"
        + (f"; {number_of(none, 'row is', 'rows are')} not, without a file" if none else "")
        + (f"; {number_of(repeats, 'row is', 'rows are')} not, for a file that another row has" if repeats else "")
    )
    joined = {i: agreed([source.rows[k] for k in again[source.files[i]]], source.columns) for i in present}
    subject = headings.subject_of(source.columns, source.rows)
    present = [i for i in present if subject not in joined[i][1]]
    if len(present) < len(joined):
        source.notes.append(f"left out: {number_of(len(joined) - len(present), 'file')} of rows of several subjects")
    differing = list(dict.fromkeys(column for i in present for column in joined[i][1]))
    if differing:
        source.notes.append(f"where rows of one file differ, in {', '.join(differing[:6])}, the cell is empty")
        source = replace(source, rows=[joined[i][0] if i in joined else row for i, row in enumerate(source.rows)])
    fewer = source.some(present)
    return replace(fewer.rewritten({FILE: fewer.files}), template=f"{{{FILE}}}")


def _with_header_row(content: Content, listing: Listing) -> Content:
    """The table with names of columns where its first row is a sample: one of its cells is a file that is there."""
    bare = [re.sub(r" \(\d+\)$", "", c) for c in content.columns]
    bare = ["" if re.fullmatch(r"column \d+", c) else c for c in bare]
    names = {name.rpartition("/")[2] for name in listing.names}
    if content.header != 1 or not any(
        c.replace("\\", "/").rpartition("/")[2] in names or _leads(c, listing) for c in bare if c
    ):
        return content
    columns = [f"column {i}" for i in range(1, len(bare) + 1)]
    rows = [
        dict(zip(columns, row, strict=True)) for row in [bare, *([r[c] for c in content.columns] for r in content.rows)]
    ]
    notes, places = [*content.notes, "the table has no row of column names"], ["1", *content.places]
    return Content(columns, rows, 0, notes, anew=True, places=places)


def _leads(cell: str, listing: Listing) -> bool:
    """Whether a text is a folder of the listing, or the end of one's path."""
    text = cell.replace("\\", "/").strip("/")
    return "/" in text and any(known == text or known.endswith(f"/{text}") for known in listing.known)


def read(path: Path, listing: Listing) -> list[Content]:
    """The table, of an Excel file that of each sheet: from the first row on that can be its header.

    Raises:
        CohortError: none can.
    """
    if path.suffix.lower() == ".json":
        return [coco_labels.of_file(path, listing)]
    contents: list[Content] = []
    fault: CohortError | None = None
    sheets: Sequence[str | None] = sheet_names(path) or [None]
    for number, sheet in enumerate(sheets):
        try:
            content = _sheet(path, sheet)
        except CohortError as error:
            fault = fault or error
            continue
        content.sheet = str(sheet) if number and sheet else ""
        if len(sheets) > 1 and sheet:
            content.notes.append(f"the sheet is {sheet!r}")
        content = with_dates_as_named(_with_header_row(_without_signs(content), listing), listing)
        contents.append(with_marks(with_sides_as_named(content, listing), path, listing))
    if not contents:
        raise fault or CohortError(f"table {path.name}", ["it has no header"])
    return contents


def _without_signs(content: Content) -> Content:
    """Without the sign that stands before each cell of a column: ``'001`` of spreadsheets, ``#001``."""
    cells = {c: {row[c] for row in content.rows} - {""} for c in content.columns}
    signed = [c for c, own in cells.items() if len(own) > 1 and all(re.match(r"['#]\w", one) for one in own)]
    if not signed:
        return content
    rows = [{**row, **{c: row[c][1:] for c in signed}} for row in content.rows]
    note = f"the sign before each cell of {', '.join(map(repr, signed))} is left out"
    return replace(content, rows=rows, anew=True, notes=[*content.notes, note])


def _sheet(path: Path, sheet: str | None) -> Content:
    """The first row from which on the rows fit is the header."""
    fault: CohortError | None = None
    separator = " " if path.suffix.lower() == ".txt" and _blanks(path) else None
    for header in range(1, _HEADERS + 1):
        try:
            table = read_table(path, header=header, repeated=True, sheet=sheet, separator=separator)
        except CohortError as error:
            fault = fault or error
            continue
        if not _title(table) or header == _HEADERS:
            while 1 < header < _HEADERS and not any(row_at(path, header, sheet)):  # an empty row below a title
                header += 1
            content = _content(table, header)
            content.anew = content.anew or separator is not None
            return _with_names_below(_with_names_above(content, path, sheet))
    raise fault or CohortError(f"table {path.name}", ["it has no header"])


def _blanks(path: Path) -> bool:
    """Whether the lines of a list have one number of parts between single blanks and no other separator."""
    with path.open("rb") as file:
        lines = file.read(1 << 14).split(b"\n")[:20]
    counts = {line.strip().count(b" ") for line in lines if line.strip()}
    return (
        len(counts) == 1 and 0 not in counts and not any(mark in line for line in lines for mark in (b",", b";", b"\t"))
    )


def _with_names_above(content: Content, path: Path, sheet: str | None) -> Content:
    """Names from the row above where a heading stands over two rows: ``Patient`` above an empty cell."""
    unnamed = [i for i, c in enumerate(content.columns) if re.fullmatch(r"column \d+", c)]
    if content.header < 2 or not unnamed:
        return content
    above = row_at(path, content.header - 1, sheet)
    names = {content.columns[i]: above[i] for i in unnamed if i < len(above) and above[i]}
    names = {old: new for old, new in names.items() if new not in content.columns}
    if not names:
        return content
    columns = [names.get(c, c) for c in content.columns]
    rows = [{names.get(c, c): cell for c, cell in row.items()} for row in content.rows]
    notes = [note for note in content.notes if not note.startswith("columns without")]
    notes.append(f"the names {', '.join(names.values())} stand in the row above the others")
    return replace(content, columns=columns, rows=rows, notes=notes, anew=True)


def _title(table: Table) -> bool:
    """Whether most columns have no name: a title, or a row of headings above the headings."""
    unnamed = [c for c in table.columns if re.fullmatch(r"column \d+", c)]
    return len(unnamed) * 2 > len(table.columns)


def _with_names_below(content: Content) -> Content:
    """Names from the first row where the header lacks them: ``Age``, ``Sex`` below ``Demographics`` of merged cells."""
    if len(content.rows) < 2:
        return content
    first, *rows = content.rows
    columns = content.columns
    unnamed = [c for c in columns if re.fullmatch(r"column \d+", c)]
    blank = [c for c in columns if not first[c] and any(row[c] for row in rows)]
    named = {c: first[c] for c in columns if first[c]}
    words = all(re.search(r"[^\W\d_]", own) and own not in {row[c] for row in rows} for c, own in named.items())
    if not (unnamed and blank and words and set(unnamed) <= named.keys()):
        return content
    above, names = "", {c: named.get(c, c) for c in columns}
    twice = [name for name, count in Counter(names.values()).items() if count > 1]
    for column in columns:
        above = above if column in unnamed else column
        if column in named and names[column] in twice:
            names[column] = f"{above} {names[column]}"
    if len(set(names.values())) < len(names):
        return content
    rows = [{names[c]: cell for c, cell in row.items()} for row in rows]
    notes = [note for note in content.notes if not note.startswith("columns without")]
    notes.append(f"the names {', '.join(named.values())} stand in the row below the others")
    places = content.places[1:]
    return replace(content, columns=list(names.values()), rows=rows, notes=notes, places=places, anew=True)


def _content(table: Table, header: int) -> Content:
    empty = [c for c in table.columns if re.fullmatch(r"column \d+", c) and not any(r.cells[c] for r in table.rows)]
    columns = [c for c in table.columns if c not in empty]  # separators behind the last name
    unnamed = any(re.fullmatch(r"column \d+", c) for c in columns)
    notes = [note for note in table.notes if note.startswith("columns without") and unnamed]
    if header > 1:
        notes.append(f"the column names stand in row {header}")
    twice = [c for c in table.columns if re.fullmatch(r".* \(\d+\)", c) and c.rpartition(" (")[0] in table.columns]
    if twice:
        notes.append(f"columns of one name are numbered in the table that is written: {', '.join(twice)}")
    rows, places = [{c: row.cells[c] for c in columns} for row in table.rows], [str(row.line) for row in table.rows]
    merged = _fill_merged(table, rows)
    if merged:
        notes.append(f"the value of merged cells is written into each of their rows: {', '.join(merged)}")
    return Content(columns, rows, header, notes, anew=bool(twice or merged), places=places)


def _fill_merged(table: Table, rows: Sequence[dict[str, str]]) -> list[str]:
    """Write the first of cells that are merged into those below it; the columns that have such."""
    at = {row.line: cells for row, cells in zip(table.rows, rows, strict=True)}
    columns: dict[str, None] = {}
    for (line, column), first in table.merged.items():
        if line in at and first in at and at[first].get(column):  # a heading over two rows is in no row
            at[line][column] = at[first][column]
            columns[column] = None
    return list(columns)
