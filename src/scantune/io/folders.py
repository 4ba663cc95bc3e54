"""The files of a folder that is one sample: the same ones for reading, for digests and for what is served."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from scantune.records import ReadError


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder, hidden ones (``.name``) and hidden folders aside; links to folders are not followed.

    Raises:
        ReadError: a folder cannot be listed: slices in it would be missing without a word.
    """
    for base, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(base, name) for name in sorted(names) if not name.startswith("."))


def _refuse(error: OSError) -> None:
    raise ReadError(f"a folder cannot be listed ({type(error).__name__})", str(error.filename)) from error
