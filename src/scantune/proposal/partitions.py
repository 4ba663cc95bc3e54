"""Columns that name partitions: one of names, or one of yes and no for the test side."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scantune.cohort.folders import SIDES
from scantune.proposal import headings
from scantune.proposal.sides import of_path
from scantune.proposal.source import SPLIT, Source

Rows = Sequence[Mapping[str, str]]
_ONE_SIDE = re.compile(r"^(is|in)?[ _-]?(train|training|val|valid|validation|test|testing)([ _-]?set)?$", re.I)
_YES, _NO = {"1", "true", "yes", "y"}, {"0", "false", "no", "n", ""}


@dataclass
class Partitions:
    """What a table says of partitions.

    Attributes:
        columns: those that are about partitions; no target and no group.
        block: for ``datasets.<name>.split``; empty where partitions must be drawn.
        reason: what the block follows from.
        notes: what is not used, and why.
    """

    columns: list[str] = field(default_factory=list)
    block: dict[str, object] = field(default_factory=dict)
    reason: str = ""
    notes: list[str] = field(default_factory=list)


def with_folders(source: Source) -> Source:
    """The source with a column of partitions where its files lie in folders of them and no column says which."""
    sides = [of_path(file) for file in source.files]
    stated = SPLIT in source.columns or any(_sides(column, source.rows)[0] for column in source.columns)
    if source.class_folders or stated or not all(sides) or "train" not in sides or len(set(sides)) < 2:
        return source
    result = source.with_files().rewritten({SPLIT: sides})
    result.notes.append(f"the column {SPLIT!r} has the partition that the folder of each file says")
    return result


def of_columns(columns: Sequence[str], rows: Rows, subjects: Sequence[str] | None) -> Partitions:
    """The first column whose cells all name a partition, or that is 1 for one; never one that parts a subject.

    Args:
        columns: of the table.
        rows: cells by column.
        subjects: of each row; None where each row is a subject.
    """
    found = Partitions()
    for column in columns:
        sides, block = _sides(column, rows)
        if sides is None:
            if headings.is_split(column):
                found.columns.append(column)
                some = ", ".join(sorted({row[column] for row in rows})[:5])
                found.notes.append(
                    f"column {column!r} ({some}) seems to name partitions or folds and is not used: partitions are "
                    "drawn by subject (key `split`)"
                )
            continue
        found.columns.append(column)
        if found.block:
            continue
        parted = _parted(sides, subjects)
        if parted:
            found.notes.append(
                f"column {column!r} has {len(parted)} subjects in several partitions and is not used: partitions are "
                "drawn by subject"
            )
            continue
        found.block = block
        missing = {"train", "validation", "test"} - set(sides)
        filled = f"; {' and '.join(sorted(missing))} is a share of the training subjects" if missing else ""
        found.reason = f"column {column!r} names the partitions{filled}"
    return found


def _sides(column: str, rows: Rows) -> tuple[list[str] | None, dict[str, object]]:
    """The side of each row and the split's block, None where the column names none."""
    cells = [row[column].strip().lower() for row in rows]
    if len(set(cells)) > 1 and set(cells) <= set(SIDES) and "train" in {SIDES[c] for c in cells}:
        return [SIDES[c] for c in cells], {"method": "predefined", "columns": column}
    match = _ONE_SIDE.match(column)
    if match and set(cells) <= _YES | _NO and len({c in _YES for c in cells}) == 2:
        side = SIDES[match[2].lower()]
        rest = "test" if side == "train" else "train"
        block: dict[str, object] = {"method": "predefined", "columns": {side: column}, "rest": rest}
        return [side if c in _YES else rest for c in cells], block
    return None, {}


def _parted(sides: Sequence[str], subjects: Sequence[str] | None) -> list[str]:
    """Subjects that are in several partitions."""
    by_subject: dict[str, set[str]] = defaultdict(set)
    for side, subject in zip(sides, subjects or (), strict=False):
        by_subject[subject].add(side)
    return [subject for subject, own in by_subject.items() if subject and len(own) > 1]
