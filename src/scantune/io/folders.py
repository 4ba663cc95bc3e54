"""The files of a folder that is one sample: the same ones for reading, for digests and for what is served."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from scantune.records import ReadError


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder but hidden ones (``.name``) and those in a :func:`system_folder`; links to folders are
    not followed.

    Raises:
        ReadError: a folder cannot be listed: slices in it would be missing without a word.
    """
    for base, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not system_folder(name))
        yield from (Path(base, name) for name in sorted(names) if not name.startswith("."))


def system_folder(name: str) -> bool:
    """Whether a folder is hidden, or one that archives and servers add: ``__MACOSX``, ``@eaDir``, ``$RECYCLE.BIN``."""
    return name.startswith((".", "__MACOSX", "@eaDir", "$RECYCLE"))


def _refuse(error: OSError) -> None:
    raise ReadError(f"a folder cannot be listed ({type(error).__name__})", str(error.filename)) from error
