"""Files that a stranger names, read only below some folders: each is opened, then looked up, and that file is read.

A check by name alone would not do: a link can be exchanged between the check and the reading.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scantune.io.data_files import with_data_files
from scantune.io.folders import system_folder
from scantune.preprocess.one_sample import refuse_others
from scantune.preprocess.prepare import prepare
from scantune.preprocess.prepared import Prepared
from scantune.preprocess.zipped import is_zip, unzip
from scantune.records import ReadError, Source

_PROC = Path("/proc/self/fd")


@dataclass(frozen=True)
class Within:
    """What may be read.

    Attributes:
        folders: folders below which files may lie, links followed; none: nothing may be read.
        max_bytes: of one sample.
        max_files: of one sample.
        home: a private folder for the names under which files are opened; "" for one of the process that reads.
        unzip: a ZIP stands for a folder of what is in it, which is unpacked beside it; else it is a file.
    """

    folders: tuple[str, ...]
    max_bytes: int = 2 * 2**30
    max_files: int = 10_000
    home: str = ""
    unzip: bool = False

    def holds(self, path: str) -> bool:
        """Whether a path without links lies below one of the folders."""
        return any(Path(path).is_relative_to(os.path.realpath(folder)) for folder in self.folders)


@contextlib.contextmanager
def opened(files: Sequence[Path], within: Within) -> Iterator[list[Path]]:
    """The files of a sample under names that no other process can exchange, for the duration of the context.

    Args:
        files: files or folders, as a client named them.
        within: what may be read.

    Yields:
        A path in a private folder for each: a link to the open file, or a folder of such links. Where the system has no
        ``/proc``, or allows fewer open files than a series has, they are copies.

    Raises:
        ReadError: outside of the folders, be it by a link; no such file; neither a file nor a folder; too
            many files or bytes. Its reason names no path.
    """
    with contextlib.ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scantune-", dir=within.home or None)))
        left = _Left(within)
        yield [_sample(_unzipped(path, within), home / f"{number}", left, stack) for number, path in enumerate(files)]


def prepare_within(source: Source, settings: Mapping[str, Any], within: Within | None) -> Prepared:
    """As :func:`scantune.preprocess.prepare`, without masks; where ``within`` is not None, by its limits.

    Raises:
        ReadError: also for a folder of several images that would not all be answered.
    """
    with contextlib.nullcontext(source.files) if within is None else opened(source.files, within) as paths:
        if not source.leaves_out:
            for path in paths:
                refuse_others(path, settings["modality"])
        return prepare(paths, (), settings, source.series, source.volume)


class _Left:
    """What of the limits is left."""

    def __init__(self, within: Within) -> None:
        self.within, self.bytes, self.files = within, within.max_bytes, within.max_files

    def take(self, size: int) -> None:
        self.bytes -= size
        refuse_larger(self.within.max_bytes - self.bytes, self.within)

    def count(self, number: int) -> None:
        if number > self.files:
            limit = self.within.max_files
            raise ReadError(f"the folder has more than {limit:,} files, the most that is read (SCANTUNE_SERVED_FILES)")


def refuse_larger(size: int, within: Within) -> None:
    """Refuse a sample of more bytes than may be read."""
    if size > within.max_bytes:
        limit = within.max_bytes
        raise ReadError(f"the sample is larger than {limit:,} bytes, the most that is read (SCANTUNE_SERVED_BYTES)")


def _unzipped(path: Path, within: Within) -> Path:
    """The folder with what is in a ZIP, where it is to be unpacked; else the path."""
    if not within.unzip or not is_zip(path):
        return path
    left = _Left(within)
    return unzip(path, path.with_name(f"{path.name}.d"), left.take, left.count)


def _sample(path: Path, place: Path, left: _Left, stack: contextlib.ExitStack) -> Path:
    real = _real(path, left.within)
    if not os.path.isdir(real):
        return _with_data(path, _link(path, _suffixed(place, path), left, stack), left, stack)
    place.mkdir()
    for number, file in enumerate(_below(real, left)):
        _link(file, _suffixed(place / f"{number:06d}", file), left, stack)
    return place


def _with_data(path: Path, header: Path, left: _Left, stack: contextlib.ExitStack) -> Path:
    """An opened file; where it is a header that names its data files, these are opened too, under their names.

    Args:
        path: as the client named it.
        header: the same file, opened: what it names is read from here.
    """
    names = [data.relative_to(header.parent) for data in with_data_files(header)[1:]]
    if not names:
        return header
    left.count(len(names))
    folder = header.with_name(f"{header.name}.d")
    folder.mkdir()
    header = header.rename(folder / f"header{suffix(path)}")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        _link(path.parent / name, folder / name, left, stack)
    return header


def _suffixed(place: Path, path: Path) -> Path:
    return place.with_name(place.name + suffix(path))


def _below(folder: str, left: _Left) -> list[Path]:
    """The files of a folder, by name: those of :func:`scantune.io.folders.files_below`, counted as they are met."""
    paths: list[str] = []
    folders = [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                is_folder = entry.is_dir()
                if entry.name.startswith(".") or (is_folder and (entry.is_symlink() or system_folder(entry.name))):
                    continue
                (folders if is_folder else paths).append(entry.path)
                left.count(len(paths) + len(folders))
    return sorted(map(Path, paths))


def _real(path: Path, within: Within) -> str:
    """The path without links, below the folders."""
    try:
        real = os.path.realpath(path, strict=True)
    except FileNotFoundError:
        if within.holds(os.path.realpath(path)):
            raise ReadError("no such file below the served folders") from None
        real = ""
    except (OSError, ValueError) as error:  # a looping link, a null byte, a name that is too long
        raise ReadError(f"the path cannot be looked up ({type(error).__name__})") from None
    if not real or not within.holds(real):
        raise ReadError("the path is outside the served folders (SCANTUNE_SERVED_FOLDERS)")
    return real


def _link(path: Path, place: Path, left: _Left, stack: contextlib.ExitStack) -> Path:
    """Open a file, see that what is open lies below the folders, and give it a name that stays."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ReadError("a named pipe or a device, where a file is needed")
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        opening = stack.enter_context(contextlib.ExitStack())
        opening.callback(os.close, number)
        state = os.fstat(number)
        same = os.path.samestat(state, os.stat(_real(path, left.within)))
    except OSError as error:
        raise ReadError(f"the file cannot be opened ({type(error).__name__})") from None
    if not same or not stat.S_ISREG(state.st_mode):
        raise ReadError("the file changed while it was opened")
    left.take(state.st_size)
    if _PROC.is_dir() and number < _most_open() // 2:
        place.symlink_to(f"/proc/{os.getpid()}/fd/{number}")
    else:
        with open(number, "rb", closefd=False) as source, place.open("wb") as copy:
            shutil.copyfileobj(source, copy)
        opening.close()
    return place


def _most_open() -> int:
    """Files that this process may have open at once: 1,024 on many systems, fewer than a series may have slices."""
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return sys.maxsize if soft == resource.RLIM_INFINITY else soft


def suffix(path: Path) -> str:
    """The last two parts of a file's name, by which some kinds of file are known: ``.nii.gz``."""
    match = re.search(r"(\.[A-Za-z0-9]{1,8}){1,2}$", path.name)
    return match.group() if match else ""
