"""Tables of one name in several folders, ``train/_classes.csv`` beside ``valid/_classes.csv``, and their files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scantune.proposal import headings
from scantune.proposal.listing import Listing, stem
from scantune.proposal.matching import by_chance
from scantune.proposal.sides import of_path
from scantune.proposal.source import Content


def own_files(listing: Listing, path: Path, contents: Sequence[tuple[Path, Content]], root: Path) -> Listing:
    """The files in a table's folder where another folder has a table of its name; all where that is not so."""
    named = {other.parent for other, _ in contents if other.name.lower() == path.name.lower()}
    folder = path.parent.relative_to(root).as_posix()
    names = tuple(name for name in listing.names if name.startswith(f"{folder}/"))
    return replace(listing, names=names) if len(named) > 1 and names else listing


def of_partition(listing: Listing, side: str) -> list[str]:
    """The files in folders of a partition, where folders of another one have files of their names; else none."""
    names: dict[str, set[str]] = defaultdict(set)
    for path in listing.names:
        names[of_path(path)].add(stem(path))
    others = set().union(*(own for other, own in names.items() if other not in ("", side)))
    return [path for path in listing.names if of_path(path) == side] if names[side] & others else []


def with_paths(content: Content, files: Sequence[str], numbers: bool = False) -> Content:
    """The table with the paths of some files in place of their names, with or without ending.

    Args:
        content: the table.
        files: of the files.
        numbers: where no column has names, one of short numbers that name a file in each row will do.
    """
    by_name: dict[str, list[str]] = defaultdict(list)
    for path in files:
        for key in {path.rpartition("/")[2].lower(), stem(path), *([stem(path).lstrip("0")] if numbers else [])}:
            by_name[key].append(path)
    named: dict[str, list[str]] = {}
    counted: dict[str, list[str]] = {}
    for column in content.columns:
        cells = [row[column].replace("\\", "/").rpartition("/")[2].lower() for row in content.rows]
        paths = [by_name[cell][0] if len(by_name.get(cell, ())) == 1 else "" for cell in cells]
        if sum(map(bool, paths)) * 2 > len(paths) and not by_chance(column, content.rows):
            named[column] = paths
        elif all(paths) and len(set(paths)) == len(paths) and numbers and not headings.group_of(column):
            counted[column] = paths
    named = named or dict(list(counted.items())[:1])
    if not named:
        return content
    rows = [
        {**row, **{column: paths[i] or row[column] for column, paths in named.items()}}
        for i, row in enumerate(content.rows)
    ]
    return replace(content, rows=rows, anew=True)
