"""Tables of one name in several folders, ``train/_classes.csv`` beside ``valid/_classes.csv``, and their files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scantune.proposal.listing import Listing, stem
from scantune.proposal.matching import by_chance
from scantune.proposal.source import Content


def own_files(listing: Listing, path: Path, contents: Sequence[tuple[Path, Content]], root: Path) -> Listing:
    """The files in a table's folder where another folder has a table of its name; all where that is not so."""
    named = {other.parent for other, _ in contents if other.name.lower() == path.name.lower()}
    folder = path.parent.relative_to(root).as_posix()
    names = tuple(name for name in listing.names if name.startswith(f"{folder}/"))
    return replace(listing, names=names) if len(named) > 1 and names else listing


def with_paths(content: Content, folder: str, listing: Listing) -> Content:
    """The table with the paths of files below a folder in place of their names, with or without ending."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for path in listing.names:
        if path.startswith(f"{folder}/"):
            for key in {path.rpartition("/")[2].lower(), stem(path)}:
                by_name[key].append(path)
    named: dict[str, list[str]] = {}
    for column in content.columns:
        cells = [row[column].replace("\\", "/").rpartition("/")[2].lower() for row in content.rows]
        paths = [by_name[cell][0] if len(by_name.get(cell, ())) == 1 else "" for cell in cells]
        if sum(map(bool, paths)) * 2 > len(paths) and not by_chance(column, content.rows):
            named[column] = paths
    if not named:
        return content
    rows = [
        {**row, **{column: paths[i] or row[column] for column, paths in named.items()}}
        for i, row in enumerate(content.rows)
    ]
    return replace(content, rows=rows, anew=True)
