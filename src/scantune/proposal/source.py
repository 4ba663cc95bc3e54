"""A table or folder as it comes: its rows, the file of each, and what of it a dataset block cannot express."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

from scantune.cohort.faults import CohortError
from scantune.cohort.table import Table, read_table
from scantune.proposal.listing import Listing, list_files
from scantune.proposal.matching import by_stem, by_template
from scantune.records import ScantuneError

_HEADERS = 10  # rows in which the column names are searched
_MOST = 0.95  # share of the rows with a file from which a template is kept
_FEWEST = 4  # samples without which nothing is proposed
FILE, MASK, SPLIT, REGION = "file", "mask", "split", "field_of_view"
"""Columns of a table that is written."""


@dataclass
class Source:
    """Rows with files.

    Attributes:
        name: of the blocks.
        root: folder of the files.
        columns: of the table.
        rows: cells by column; those without a file are omitted where the table is written anew.
        files: path below ``root`` of each row's file.
        template: ``files:`` of the dataset.
        table: the table; None where it must be written.
        header: row of the column names.
        masks: ``masks:`` of the dataset, "" for none.
        region: ``region:`` of the dataset, "" for none.
        rater_masks: ``rater_masks:`` of the dataset.
        notes: what was noticed, and what could not be known.
        class_folders: the folder is a dataset without a table.
    """

    name: str
    root: Path
    columns: list[str]
    rows: list[dict[str, str]]
    files: list[str]
    template: str
    table: Path | None = None
    header: int = 1
    masks: str = ""
    region: str = ""
    rater_masks: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    class_folders: bool = False

    def rewritten(self, columns: Mapping[str, Sequence[str]]) -> Source:
        """The same rows in a table to be written, with some columns replaced or added."""
        rows = [{**row, **{c: cells[i] for c, cells in columns.items()}} for i, row in enumerate(self.rows)]
        names = [*columns, *(c for c in self.columns if c not in columns)]
        return replace(self, columns=names, rows=rows, table=None, header=1)

    def written(self) -> str:
        """The table as CSV."""
        buffer = StringIO()
        writer = csv.DictWriter(buffer, self.columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return buffer.getvalue()


def of_table(path: Path, root: Path, name: str, listing: Listing | None = None) -> Source:
    """The rows of a table and their files below ``root``.

    Raises:
        CohortError: the table cannot be read.
        ScantuneError: fewer than four rows, or a minority of less than a tenth, lead to files.
    """
    table, header = _read(path)
    rows = [dict(row.cells) for row in table.rows]
    columns = list(table.columns)
    listing = listing or list_files(root)
    template, files = by_template(columns, rows, listing, path.stem)
    notes = [note for note in table.notes if note.startswith("columns without")]
    if header > 1:
        notes.append(f"the column names stand in row {header}")
    present = len({f for f in files if f})
    if present >= _MOST * len(rows):
        source = Source(name, root, columns, rows, files, template, path, header, notes=notes)
        return _with_reported_gaps(source)
    column, by_name = by_stem(columns, rows, listing)
    how = f"by the names in column {column!r}, whatever their folder and ending"
    if len({f for f in by_name if f}) <= present:
        by_name, how = files, f"by {template!r}"
    return _joined(Source(name, root, columns, rows, by_name, f"{{{FILE}}}", path, header, notes=notes), how)


def _with_reported_gaps(source: Source) -> Source:
    missing = [i for i, file in enumerate(source.files) if not file]
    if missing:
        source.notes.append(f"{len(missing)} rows have no file and will be excluded")
    source.files = [f for f in source.files if f]
    return source


def _joined(source: Source, how: str) -> Source:
    """A table to be written with a column of files: rows with a file, one for each file."""
    first: dict[str, int] = {}
    for i, file in enumerate(source.files):
        if file:
            first.setdefault(file, i)
    present = sorted(first.values())
    if len(present) < max(_FEWEST if len(source.rows) >= _FEWEST else 1, 0.1 * len(source.rows)):
        raise ScantuneError(
            f"no column of the table matches files below {source.root}: {len(present)} of {len(source.rows)} rows lead "
            "to one; set --root to the folder of the files, or write `files:` by hand: '{subject}_{session}.nii.gz'"
        )
    again = sum(bool(f) for f in source.files) - len(present)
    none = len(source.rows) - len(present) - again
    source.notes.append(
        f"files were found {how}: {len(present)} rows are in the table that is written"
        + (f"; {none} rows without a file are not" if none else "")
        + (f"; {again} rows for a file that another row has are not" if again else "")
    )
    files = [source.files[i] for i in present]
    fewer = replace(source, rows=[source.rows[i] for i in present], files=files)
    return fewer.rewritten({FILE: files})


def _read(path: Path) -> tuple[Table, int]:
    """The table, and the row of its header: the first from which the rows fit."""
    fault: CohortError | None = None
    for header in range(1, _HEADERS + 1):
        try:
            table = read_table(path, header=header)
        except CohortError as error:
            fault = fault or error
            continue
        if len(table.columns) > 1 or header == 1:
            return table, header
    raise fault or CohortError(f"table {path.name}", ["it has no header"])
