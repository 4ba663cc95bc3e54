"""An index of a root: path, size, time and digest of every file, so that a million files need not be hashed each time.

It lists paths, so it stays on this machine (git ignores it), and is what a stage depends on in place of the files.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from scantune.cohort.faults import CohortError, Fault
from scantune.digests import SHORT, file_digest, text_digest
from scantune.files import absolute, shown
from scantune.progress import with_progress
from scantune.tables import unguarded, write_csv
from scantune.tracking import own_folder

COLUMNS = ("path", "size", "modified_ns", "sha256")
_BYTES = "surrogateescape"  # a name that is not in UTF-8 stays as it is
THREADS = 4  # a network share serves several requests at once; a disk is not slowed down


@dataclass(frozen=True)
class Indexed:
    """What changed since the last index.

    Attributes:
        files: how many there are.
        hashed: how many had to be read.
        removed: number of files of the last index that no longer exist.
        unreadable: relative paths that could not be read, with the reason; they are not in the index.
    """

    files: int
    hashed: int
    removed: int
    unreadable: tuple[str, ...]


def write_index(root: Path, path: Path) -> Indexed:
    """Index all files below ``root`` but hidden ones; files whose size and time are as before are not read again.

    Raises:
        CohortError: there is no such folder.
    """
    root = absolute(root)
    if not root.is_dir():
        raise CohortError("index", [f"no folder {root}"])
    before = read_index(path, root) if path.is_file() else {}
    entries: dict[str, tuple[int, int, str]] = {}
    unreadable: list[str] = []
    hashed = 0
    with ThreadPoolExecutor(THREADS) as pool:
        files = list(_walk(root))
        found = pool.map(lambda file: _entry(file, before), files)
        with closing(with_progress(found, len(files), "index")) as counted:
            for name, entry, was_read in counted:
                hashed += was_read
                if isinstance(entry, str):
                    unreadable.append(f"{shown(Path(name).relative_to(root))} ({entry})")
                else:
                    entries[name] = entry
    rows = [[Path(name).relative_to(root).as_posix(), *map(str, entry)] for name, entry in sorted(entries.items())]
    write_csv(path, COLUMNS, rows, errors=_BYTES)
    return Indexed(len(entries), hashed, len(set(before) - set(entries)), tuple(unreadable))


def read_index(path: Path, root: Path) -> dict[str, tuple[int, int, str]]:
    """Absolute path to (size, modified in ns, SHA-256).

    Raises:
        CohortError: not found, or not an index.
    """
    if not path.is_file():
        raise CohortError("index", [f"no index {path}: write one by 'scantune index'"])
    root = absolute(root)
    with path.open(newline="", encoding="utf-8", errors=_BYTES) as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise CohortError("index", [f"{path} has not the columns {', '.join(COLUMNS)}: write it again"])
        return {
            str(root / unguarded(row["path"])): (int(row["size"]), int(row["modified_ns"]), row["sha256"])
            for row in reader
        }


def index_of(path: Path, timed: Path) -> dict[str, tuple[int, int, str]]:
    """Index of a folder, or of a single file, kept with its times in ``timed``; see :func:`write_index`.

    Raises:
        CohortError: there is no such file or folder, or the file cannot be read.
    """
    timed.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        raise CohortError("index", [f"no file or folder {path}"])
    if path.is_dir():
        write_index(path, timed)
        return read_index(timed, path)
    name, entry, _ = _entry(path, {})
    if isinstance(entry, str):
        raise CohortError("index", [f"{path} cannot be read ({entry})"])
    return {name: entry}


def write_digests(entries: Mapping[str, tuple[int, int, str]], root: Path, path: Path) -> None:
    """Write size and digest of each file, without times and without names.

    A digest replaces a file's path: names may identify a person, and outputs are shared.

    Args:
        entries: from :func:`index_of`.
        root: what their paths begin with.
        path: gets them.
    """
    rows = []
    for name, (size, _, digest) in sorted(entries.items()):
        place = f"{Path(name).relative_to(root).as_posix()}\n{digest}"  # the content keeps it from being guessed
        rows.append([text_digest(place, SHORT), str(size), digest])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(path, ["place", "size", "sha256"], rows)


def check_links(root: Path, name: str, watched: Sequence[str]) -> None:
    """That every folder that a link below ``root`` leads to is watched: DVC and the index do not look into such links.

    Args:
        root: absolute folder.
        name: of the dataset.
        watched: paths of its blocks in ``watched``.

    Raises:
        CohortError: one is not, with the block to add.
    """
    home, known = Path(os.path.realpath(root)), [Path(os.path.realpath(path)) for path in watched]
    faults: list[Fault | str] = []
    for base, folders, _ in os.walk(root):
        for folder in sorted(folders):
            goal = Path(os.path.realpath(Path(base, folder)))
            inside = not Path(base, folder).is_symlink() or goal.is_relative_to(home)
            if not inside and not any(goal.is_relative_to(path) for path in known):
                block = f"watched: {{{name}_{len(faults) + 1}: {{dataset: {name}, path: {goal}}}}}"
                faults.append(f"{Path(base, folder)} is a link to a folder, which DVC does not follow. Add {block}")
    if faults:
        raise CohortError(f"links in {root}", faults)


def timed_index(index: str | None, name: str) -> Path:
    """Path of a dataset's index with times: ``index`` if the user has one, else in the project's folder."""
    return Path(index) if index else own_folder() / "index" / f"{name}.csv"


def known_files(root: Path, index: str | None, name: str) -> dict[str, tuple[int, int, str]]:
    """Digests of files that are unchanged since a dataset's index; empty without an index."""
    timed = timed_index(index, name)
    return read_index(timed, absolute(root)) if timed.is_file() else {}


def _walk(root: Path) -> Iterator[Path]:
    for base, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(base, name) for name in sorted(names) if not name.startswith("."))


def _entry(file: Path, before: dict[str, tuple[int, int, str]]) -> tuple[str, tuple[int, int, str] | str, bool]:
    """(path, entry or the reason for none, whether it was read). A file that changes during reading is read again."""
    try:
        for _attempt in range(3):
            status = os.stat(file)
            known = before.get(str(file))
            if known is not None and known[:2] == (status.st_size, status.st_mtime_ns):
                return str(file), known, False
            digest = file_digest(file)
            after = os.stat(file)
            if (after.st_size, after.st_mtime_ns) == (status.st_size, status.st_mtime_ns):
                return str(file), (status.st_size, status.st_mtime_ns, digest), True
    except OSError as error:
        return str(file), type(error).__name__, True
    return str(file), "it changed while being read", True
