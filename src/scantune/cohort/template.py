"""File names from a template of columns, and the guard that keeps them below the root."""

from __future__ import annotations

import bisect
import itertools
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

_FIELD = re.compile(r"\{([^{}]+?)(?::0([1-9])d)?\}")


def fields(template: str) -> list[str]:
    """Column names in a template, in order."""
    return [match.group(1).strip() for match in _FIELD.finditer(template)]


def fill(template: str, cells: Mapping[str, str]) -> str:
    """The template with each ``{column}`` replaced by that column's text, and ``{column:03d}`` by its whole number.

    A text that is no whole number stands as it is; nothing else is interpreted.
    """

    def text(match: re.Match[str]) -> str:
        cell = cells[match.group(1).strip()]
        digits = cell.removesuffix(".0")
        return digits.zfill(int(match.group(2))) if match.group(2) and digits.isdecimal() else cell

    return _FIELD.sub(text, template)


def matching(template: str, cells: Mapping[str, str], listed: dict[str, list[str]], root: Path) -> list[str]:
    """Files below ``root`` that a template with ``*`` leads to, sorted; the filled template itself where none does.

    Args:
        template: ``*`` in the name of a file stands for anything.
        cells: column to text, in which ``*`` is a letter as others.
        listed: folder to its sorted names, which this fills.
        root: absolute folder.

    Raises:
        ValueError: the folder is not below ``root``.
    """
    first, *rest = (fill(part, cells) for part in template.split("*"))
    folder, slash, start = first.rpartition("/")
    below(root, f"{folder}{slash}x")
    if folder not in listed:
        place = root / folder
        listed[folder] = sorted(entry.name for entry in os.scandir(place)) if place.is_dir() else []
    names = listed[folder]
    pattern = re.compile(".*".join(map(re.escape, (start, *rest))))
    begin = bisect.bisect_left(names, start)
    found = [n for n in itertools.takewhile(lambda name: name.startswith(start), names[begin:]) if pattern.fullmatch(n)]
    visible = [f"{folder}{slash}{name}" for name in found if not name.startswith(".")]
    return visible or [f"{first}*{'*'.join(rest)}"]


def below(root: Path, name: str, *, follow_links: bool = False) -> Path:
    """The absolute path of ``name`` below ``root``; it need not exist.

    Args:
        root: absolute folder that nothing may leave.
        name: relative path, or an absolute one that lies below ``root``.
        follow_links: accept symbolic links that lead out of ``root``.

    Raises:
        ValueError: the path leaves ``root`` by ``..``, by being absolute, or by a link; or holds a null character.
    """
    if "\0" in name:
        raise ValueError("has a null character")
    path = Path(os.path.normpath(root / name))
    if path == root or not path.is_relative_to(root):
        raise ValueError("leaves the data folder ('root'): files below it only")
    if follow_links:
        return path
    home = Path(_real(str(root)))
    if not Path(_real(str(path.parent))).is_relative_to(home):
        raise ValueError("leaves the data folder ('root') by a link: allow it by 'follow_links: true'")
    if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(home):
        raise ValueError("is a link out of the data folder ('root'): allow it by 'follow_links: true'")
    return path


@lru_cache(maxsize=65536)
def _real(folder: str) -> str:
    """Resolved once a folder: on a share each look costs a round trip."""
    return os.path.realpath(folder)
