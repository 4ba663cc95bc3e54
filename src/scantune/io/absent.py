"""A missing file, or a pointer in its place: which one was probably meant, and how its content is fetched."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from scantune.records import ReadError

NOT_THERE = "there is no such file"
_LFS = b"version https://git-lfs.github.com/spec/"
_ANNEX = "/annex/objects/"
_FETCH_LFS = "it is a pointer of Git LFS in the place of the file: fetch the content (git lfs pull)"
_FETCH_ANNEX = "its content is in git-annex and not here: fetch it (datalad get, or git annex get)"


def missing(path: Path) -> ReadError:
    """The error for a path that does not exist: its reason says in what a file that is there differs, its detail names
    that file."""
    if path.is_symlink():
        target = os.readlink(path)
        annexed = _ANNEX in target.replace("\\", "/")
        reason = _FETCH_ANNEX if annexed else "it is a link to a file that is not there"
        return ReadError(reason, f"{path} leads to {target}")
    near = _near(path)
    if near is None:
        return ReadError(NOT_THERE, str(path))
    how, other = near
    return ReadError(f"{NOT_THERE}; {how}", f"{path}; there is {str(other)!a}")


def pointer(head: bytes) -> str:
    """How the content is fetched of a file that starts with these bytes and only stands for it; "" for other files.

    Git LFS: github.com/git-lfs/git-lfs, docs/spec.md; git-annex: git-annex.branchable.com/internals/pointer_file.
    """
    if head.startswith(_LFS):
        return _FETCH_LFS
    return _FETCH_ANNEX if head.startswith(_ANNEX.encode()) else ""


def _near(path: Path) -> tuple[str, Path] | None:
    if "\\" in str(path):
        slashed = Path(str(path).replace("\\", "/"))
        if slashed.exists():
            return "the name has backslashes, and with forward slashes one is there", slashed
    for how, form in _FORMS:
        similar = _walk(path, form)
        if similar is not None:
            return f"one is there whose name differs in {how}", similar
    return None


def _unicode(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _case(name: str) -> str:
    return _unicode(name).casefold()


def _stem(name: str) -> str:
    return _case(name).split(".")[0]


_FORMS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("its Unicode form only (macOS writes é as two characters): rename the file or the cell", _unicode),
    ("case only: write it as the file does", _case),
    ("what follows the first point only (its extension)", _stem),
)


def _walk(path: Path, form: Callable[[str], str]) -> Path | None:
    """The path with each part that does not exist replaced by the one name in its folder of the same form."""
    here = Path(path.anchor)
    for part in path.parts[1:] if path.anchor else path.parts:
        if (here / part).exists():
            here /= part
            continue
        alike = [name for name in _names(str(here)) if form(name) == form(part)]
        if len(alike) != 1:
            return None
        here /= alike[0]
    return here


@lru_cache(maxsize=64)
def _names(folder: str) -> tuple[str, ...]:
    """Names in a folder; cached, since a cohort with wrong paths looks for every file in the same folder."""
    try:
        return tuple(entry.name for entry in Path(folder).iterdir())
    except OSError:
        return ()
