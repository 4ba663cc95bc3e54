"""Rows of a table or of a folder, and the files they lead to."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

FILE, MASK, SPLIT, REGION, CONTENT = "file", "mask", "split", "field_of_view", "patient_digest"
"""Columns of a table that is written."""


@dataclass
class Content:
    """A table that was read.

    Attributes:
        columns: their names.
        rows: cells by column.
        header: row of the column names; 0 where the table has none.
        notes: what was noticed.
        anew: the table must be written, since a block cannot say how it is read.
        sheet: of an Excel file, where it is not the first.
        places: where each row stands, for messages: its line, of joined tables with the name of the file.
        marked: column of 1 and 0 for run lengths of masks that were in its place, "" for none.
    """

    columns: list[str]
    rows: list[dict[str, str]]
    header: int = 1
    notes: list[str] = field(default_factory=list)
    anew: bool = False
    sheet: str = ""
    places: list[str] = field(default_factory=list)
    marked: str = ""


@dataclass
class Source:
    """Rows with files.

    Attributes:
        name: of the blocks.
        root: folder of the files.
        columns: of the table.
        rows: cells by column of the rows with a file.
        files: path below ``root`` of each row's file.
        template: ``files:`` of the dataset, its first where there are several.
        table: the table; None where it must be written.
        header: row of the column names.
        masks: ``masks:`` of the dataset, "" for none.
        region: ``region:`` of the dataset, "" for none.
        rater_masks: ``rater_masks:`` of the dataset.
        notes: what was noticed, and what could not be known.
        class_folders: the folder is a dataset without a table.
        subject_from: of class folders, "" for none.
        channels: ``files:`` of the dataset beside the first.
        blank: column of file names that is empty in some rows, "" for none.
        origin: name of the table that was read, "" for a folder.
        sheet: of an Excel file, where it is not the first.
        structures: columns of masks, one for each structure.
        overlapping: the structures share pixels.
        ids: columns that the files were found by.
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
    subject_from: str = ""
    channels: list[str] = field(default_factory=list)
    blank: str = ""
    origin: str = ""
    sheet: str = ""
    structures: list[str] = field(default_factory=list)
    overlapping: bool = False
    ids: list[str] = field(default_factory=list)

    def rewritten(self, columns: Mapping[str, Sequence[str]]) -> Source:
        """The same rows in a table to be written, with some columns replaced or added."""
        rows = [{**row, **{c: cells[i] for c, cells in columns.items()}} for i, row in enumerate(self.rows)]
        names = [*columns, *(c for c in self.columns if c not in columns)]
        return replace(self, columns=names, rows=rows, table=None, header=1, blank="")

    def with_files(self) -> Source:
        """The same rows in a table to be written, with a column of files."""
        if self.template in (f"{{{FILE}}}", *self.channels) or self.channels:
            return self if self.table is None else self.rewritten({})
        return replace(self.rewritten({FILE: self.files}), template=f"{{{FILE}}}")

    def add_column(self, column: str, cells: Sequence[str]) -> None:
        """Add or replace a column."""
        if column not in self.columns:
            self.columns.append(column)
        for row, cell in zip(self.rows, cells, strict=True):
            row[column] = cell

    def some(self, places: Sequence[int]) -> Source:
        """Some of the rows."""
        return replace(self, rows=[self.rows[i] for i in places], files=[self.files[i] for i in places])

    def written(self) -> str:
        """The table as CSV."""
        buffer = StringIO()
        writer = csv.DictWriter(buffer, self.columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return buffer.getvalue()
