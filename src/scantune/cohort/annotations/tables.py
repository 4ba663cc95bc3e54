"""A table with run lengths, a row for each mask or object → what is marked in each image."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scantune.cohort.annotations.areas import Annotated, Mark
from scantune.cohort.annotations.images import Images
from scantune.cohort.annotations.run_lengths import Cell, Counting, column_of, decoded, is_nothing, numbers_of
from scantune.cohort.column_names import is_reader
from scantune.cohort.faults import CohortError, Fault, nearest
from scantune.cohort.table import Row, Table

_CATEGORY = re.compile(r"class|label|categor|structure|organ|finding|defect|type|name", re.I)
_SURE = re.compile(r"^(class|categor(y|ie)|label|defect|structure|finding)([ _-]?(id|name))?$", re.I)
_SIZE = re.compile(r"^(img|image)?[ _-]*(width|height)$", re.I)
_MOST_CATEGORIES = 60
_SHARE = 0.5  # of the names that must be of an image, before names with a category behind are tried
_SIGNS = "_- ."
_LONGEST = 300  # letters of a cell that can begin with an image's name
_CUT = 32_767  # letters of a cell of Excel, at most
MEGABYTES = 1000.0
"""Of a table of run lengths that is read, at most."""


@dataclass
class Read:
    """What annotations say.

    Attributes:
        annotated: of each image.
        notes: how they were read, and what is left out.
        evident: how run lengths are counted, as far as they leave no doubt; None of outlines.
    """

    annotated: list[Annotated] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    evident: Counting | None = None


def read(table: Table, path: Path, images: Images, counting: Counting, category: str = "") -> Read:
    """The run lengths of a table by image.

    Args:
        table: with a row for each mask or object.
        path: of its file, for messages.
        images: that its rows name.
        counting: what is known of the runs.
        category: column of the categories; without it one is sought.

    Raises:
        CohortError: no column of run lengths, no row that leads to an image, runs that leave their picture or overlap,
            an image with a row of runs and one of none: all by row.
    """
    title = f"table {path.name}"
    runs = column_of(table.columns, [row.cells for row in table.rows])
    if not runs:
        words = (
            "no column has run lengths (starts and lengths, '5 3 15 4', in a column such as 'rle' or 'EncodedPixels'); "
            f"there are {list(table.columns)}"
        )
        raise CohortError(title, [words])
    if category and category not in table.columns:
        raise CohortError(title, [f"no column {category!r} for --category; {nearest(category, table.columns)}"])
    key, apart = _key(table, images, runs, path)
    named = [_named(row.cells[key], images, path, apart) for row in table.rows]
    _one_reader(table, [files for _, files, _ in named], title)
    column = category or ("" if apart else _category(table, [name for name, _, _ in named], {key, runs}))
    result, cells, faults = _gathered(table, named, images, runs, key, column)
    pixels = decoded([cell for _, _, cell in cells], counting)
    faults += [Fault(fault.message, fault.row, runs) for fault in pixels.faults]
    faults += _contradicting(table, named, runs, column)
    if faults:
        raise CohortError(title, faults)
    for (annotated, name, _), area in zip(cells, pixels.runs, strict=True):
        annotated.marks.append(Mark(name, area))
    what = f"categories are in {column!r}" if column else "categories stand behind the names" if apart else ""
    told = [f"{path.name}: run lengths in {runs!r} of the images in {key!r}", what, *pixels.notes]
    lost = [name for name, files, _ in named if not files]
    if lost:
        told.append(f"{len(set(lost))} names are of no image below {images.folder} ({', '.join(lost[:2])})")
    return Read(result, [one for one in told if one], pixels.evident)


def _one_reader(table: Table, files: Sequence[list[str]], title: str) -> None:
    """Raise where an image has rows of several readers, whose masks would become one."""
    for column in (c for c in table.columns if is_reader(c)):
        readers: dict[str, set[str]] = defaultdict(set)
        for row, names in zip(table.rows, files, strict=True):
            readers[names[0] if names else ""].add(row.cells[column])
        several = next((file for file, readings in readers.items() if file and len(readings) > 1), "")
        if several:
            some = sorted(readers[several])
            words = f"{several} has masks of several readers ({', '.join(some[:4])}): convert the rows of one at a time"
            raise CohortError(title, [Fault(f"{words}: --rows {shlex.quote(f'{column}={some[0]}')}", None, column)])


def with_rows(table: Table, chosen: str, path: Path) -> Table:
    """The rows of a table that have a value in a column.

    Args:
        table: all rows.
        chosen: ``column=value``; "" for all.
        path: of its file, for messages.

    Raises:
        CohortError: no such column, or no row has it.
    """
    column, sign, value = chosen.partition("=")
    title = f"table {path.name}"
    if not chosen:
        return table
    if not sign or column not in table.columns:
        raise CohortError(title, [f"--rows {chosen!r} is no COLUMN=VALUE; {nearest(column, table.columns)}"])
    rows = [row for row in table.rows if row.cells[column] == value]
    if not rows:
        values = sorted({row.cells[column] for row in table.rows})[:20]
        raise CohortError(title, [Fault(f"no row has {value!r}; {nearest(value, values)}", None, column)])
    return replace(table, rows=rows)


Named = tuple[str, list[str], str]  # name of the image, its files, category behind the name


def _key(table: Table, images: Images, runs: str, path: Path) -> tuple[str, bool]:
    """The column that names images, and whether a category stands behind the names.

    Raises:
        CohortError: none does.
    """
    best, most = ("", False), 0
    for apart in (False, True):
        for column in table.columns:
            if column == runs:
                continue
            names = {row.cells[column] for row in table.rows} - {""}
            files = {file for name in names for file in _named(name, images, path, apart)[1][:1]}
            if len(files) > most and (not apart or len(files) < len(names)):
                best, most = (column, apart), len(files)
        if best[0] and most >= _SHARE * len({row.cells[best[0]] for row in table.rows}):
            return best
    if not best[0]:
        some = {column: table.rows[0].cells[column][:40] for column in table.columns if column != runs}
        words = (
            f"no column names images below {images.folder} ({len(images.names)} files, {', '.join(images.names[:2])}); "
            f"the first row has {some}: state the folder of the images, --images, or write their names into a column"
        )
        raise CohortError(f"table {path.name}", [words])
    return best


def _named(cell: str, images: Images, path: Path, apart: bool) -> Named:
    """The image that a cell names: as a whole, or its longest beginning before a sign."""
    if not apart:
        return cell, images.find(cell, path) if cell else [], ""
    for at in range(len(cell) - 2 if len(cell) <= _LONGEST else 0, 0, -1):
        files = images.find(cell[:at], path) if cell[at] in _SIGNS else []
        if files:
            return cell[:at], files, cell[at + 1 :]
    return cell, [], ""


def _category(table: Table, names: Sequence[str], taken: set[str]) -> str:
    """The column whose cells differ between the rows of an image, or that is named as categories are."""
    free = [c for c in table.columns if c not in taken and not _SIZE.match(c.strip())]
    for column in free:
        cells = {row.cells[column] for row in table.rows} - {""}
        several: dict[str, set[str]] = defaultdict(set)
        for name, row in zip(names, table.rows, strict=True):
            several[name].add(row.cells[column])
        varied = _CATEGORY.search(column) and any(len(categories) > 1 for categories in several.values())
        if 1 <= len(cells) <= _MOST_CATEGORIES and (varied or _SURE.match(column.strip())):
            return column
    return ""


def _category_of(row: Row, column: str) -> str:
    """The category in a row; a number is whole, which pandas writes as 1.0 where the column has an empty cell."""
    cell = row.cells[column] if column else ""
    return cell.removesuffix(".0") if cell.removesuffix(".0").isdecimal() else cell


def _gathered(
    table: Table, named: Sequence[Named], images: Images, runs: str, key: str, column: str
) -> tuple[list[Annotated], list[tuple[Annotated, str, Cell]], list[Fault]]:
    """Images with their cells, the runs to be decoded, and faults of the rows."""
    result: dict[str, Annotated] = {}
    cells: list[tuple[Annotated, str, Cell]] = []
    faults: list[Fault] = []
    others = [c for c in table.columns if c not in {key, runs, column} and not _SIZE.match(c.strip())]
    for row, (name, files, behind) in zip(table.rows, named, strict=True):
        if len(files) > 1:
            words = f"{name!r} can be {' or '.join(files[:3])}: state the folder of the images, --images"
            faults.append(Fault(words, row.line, key))
        if len(files) != 1:
            continue
        shape = images.size(files[0])
        wrong = shape if isinstance(shape, str) else _size_fault(row, table.columns, shape)
        if wrong or isinstance(shape, str):
            faults.append(Fault(f"{files[0]}: {wrong}", row.line, key))
            continue
        here = {c: row.cells[c] for c in others}
        annotated = result.setdefault(files[0], Annotated(files[0], name, cells=here))
        annotated.cells = {c: cell if cell == here[c] else "" for c, cell in annotated.cells.items()}
        if is_nothing(row.cells[runs]):
            continue
        if len(row.cells[runs]) == _CUT:
            words = (
                f"it has {_CUT:,} letters, at which Excel cuts cells: take the table as it was before Excel saved it"
            )
            faults.append(Fault(words, row.line, runs))
            continue
        numbers = numbers_of(row.cells[runs])
        if numbers is None:
            words = f"{row.cells[runs][:40]!r} is no list of starts and lengths, two numbers a run"
            faults.append(Fault(words, row.line, runs))
            continue
        cells.append((annotated, behind or _category_of(row, column), Cell(row.line, numbers, shape)))
    return list(result.values()), cells, faults


def _size_fault(row: Row, columns: Sequence[str], shape: tuple[int, int]) -> str:
    """What is wrong where a row states another size than the image's."""
    sides = {"height": shape[0], "width": shape[1]}
    for column in columns:
        side = next((s for s in sides if _SIZE.match(column.strip()) and s in column.lower()), "")
        cell = row.cells[column].removesuffix(".0") if side else ""
        if cell.isdecimal() and int(cell) != sides[side]:
            return (
                f"the row states a {side} of {cell}, and the picture's is {sides[side]}: its runs are of another size"
            )
    return ""


def _contradicting(table: Table, named: Sequence[Named], runs: str, column: str) -> list[Fault]:
    """Images, by category, with a row of runs and one that says that nothing is marked."""
    rows: Mapping[tuple[str, str], dict[bool, int]] = defaultdict(dict)
    for row, (_, files, behind) in zip(table.rows, named, strict=True):
        if files:
            which = (files[0], behind or _category_of(row, column))
            rows[which].setdefault(is_nothing(row.cells[runs]), row.line)
    return [
        Fault(
            f"{file} has no mask here and one in row {lines[False]}: remove one, or name the column of the categories, "
            "--category", lines[True], runs,
        )
        for (file, _), lines in rows.items()
        if len(lines) > 1
    ]  # fmt: skip
