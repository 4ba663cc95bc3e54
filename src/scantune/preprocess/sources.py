"""Digests of source files. A file that has not changed since it was last read is not read again for that."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from scantune.digests import file_digest, text_digest
from scantune.io.absent import missing
from scantune.io.data_files import with_data_files
from scantune.io.folders import files_below
from scantune.records import ReadError


@dataclass(frozen=True)
class State:
    """State of a file in the file system: it changes when the file does.

    Attributes:
        size: bytes.
        modified: time of the last change of its content, ns.
        changed: time of the last change of its inode, ns: it can't be set back by ``touch``.
    """

    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> State:
        """Of a file that is there."""
        status = os.stat(path)
        return cls(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


Known = dict[str, tuple[State, str]]


def parts(path: Path) -> list[Path]:
    """The files of a path: itself and the data files that its header names, or those below a folder.

    Raises:
        ReadError: a folder that cannot be listed.
    """
    return list(files_below(path)) if path.is_dir() else with_data_files(path)


def digest_of(path: Path, known: Mapping[str, tuple[State, str]]) -> tuple[str, Known]:
    """SHA-256 of a file's bytes, or over the digests of several files: of a folder sorted, so that names don't matter;
    of a header (``.mhd``, ``.nhdr``) and its data files as the header names them.

    Args:
        path: file or folder.
        known: path to state and digest, from :func:`remembered`.

    Returns:
        The digest in hexadecimal, and the files that had to be read.

    Raises:
        ReadError: not found, unreadable, or an empty folder.
    """
    files = parts(path)
    if not files:
        raise ReadError("the folder is empty", str(path))
    learned: Known = {}
    digests = []
    for file in files:
        try:
            state = State.of(file)
            before = known.get(str(file))
            if before is None or before[0] != state:
                learned[str(file)] = before = (state, file_digest(file))
        except FileNotFoundError as error:
            raise missing(file) from error
        except OSError as error:
            raise ReadError(f"the file cannot be read ({type(error).__name__})", str(file)) from error
        digests.append(before[1])
    if len(files) == 1 and not path.is_dir():
        return digests[0], learned
    return text_digest("\n".join(sorted(digests) if path.is_dir() else digests)), learned


def unchanged(paths: Iterable[Path], known: Mapping[str, tuple[State, str]]) -> bool:
    """Whether the files are still as they were when their digests were taken."""
    for path in paths:
        try:
            if any(known[str(file)][0] != State.of(file) for file in parts(path)):
                return False
        except (KeyError, OSError, ReadError):
            return False
    return True


def remembered(database: Path, paths: Iterable[Path]) -> Known:
    """Stored states and digests of these files and folders (all files below them). An unreadable database is
    ignored."""
    if not database.is_file():
        return {}
    known: Known = {}
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as connection:
            for file in (file for path in paths for file in with_data_files(path)):
                rows = connection.execute(
                    "SELECT path, size, modified, changed, digest FROM files"
                    " WHERE path = ? OR (path >= ? AND path < ?)",
                    (str(file), f"{file}/", f"{file}0"),
                )
                known |= {row[0]: (State(*row[1:4]), row[4]) for row in rows}
    except sqlite3.Error:
        return {}
    return known


def remember(database: Path, learned: Known) -> None:
    """Store digests for the next run. Losing them costs time only, so an error of the file is ignored."""
    if not learned:
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    rows = [(path, state.size, state.modified, state.changed, digest) for path, (state, digest) in learned.items()]
    try:
        with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS files"
                " (path TEXT PRIMARY KEY, size INTEGER, modified INTEGER, changed INTEGER, digest TEXT) WITHOUT ROWID"
            )
            connection.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?)", rows)
    except sqlite3.DatabaseError:
        return
