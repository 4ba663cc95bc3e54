"""Atomic writing of files: written beside their target, synced, renamed."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO

from scantune.records import ScantuneError

#: End of the name of a file that is still being written.
STAGED = ".partial"
_OPEN = re.compile(r"/proc/[^/]+/fd$")
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class DiskFullError(ScantuneError):
    """No room for a file; what was there before is untouched."""


class _Watched(io.RawIOBase):
    """A file that remembers the error of a write: PyTorch's writer turns it into words without a number."""

    def __init__(self, inner: BinaryIO) -> None:
        self.inner = inner
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return self.inner.write(data)
        except OSError as error:
            self.error = error
            raise

    def writable(self) -> bool:
        return True

    def flush(self) -> None:
        if self.error is None and not self.inner.closed:
            self.inner.flush()


def write(path: Path, put: Callable[[Any], None], size: int = 0, *, sync_folder: bool = True) -> None:
    """Write a file so that a reader sees the old one or the whole new one, at whatever moment we are killed.

    Args:
        path: the target; its folder is created. Two writers of one path leave one complete file.
        put: writes the content to the open binary file it is given.
        size: approximate number of bytes; if the disk has less, nothing is written.
        sync_folder: survive a power cut right after the call too; doubles the duration.

    A device or a pipe (``/dev/null``) is written to, since a rename would put a file in its place.

    Raises:
        DiskFullError: no room, with the bytes needed and free.
        ScantuneError: the path is that of an open file, such as ``/dev/stdout``.
        OSError: any other failure to write.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if _is_device(path):
        _write_to(path, put)
        return
    if size and shutil.disk_usage(path.parent).free < size:
        raise _full(path, size)
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}{STAGED}")
    try:
        with staged.open("wb", buffering=1 << 20) as file:
            watched = _Watched(file)
            try:
                put(watched)
                file.flush()
                os.fsync(file.fileno())
            except Exception as error:
                raise watched.error or error from error
        os.replace(staged, path)
        if sync_folder:
            _sync(path.parent)
    except OSError as error:
        if error.errno in NO_ROOM:
            staged.unlink(missing_ok=True)
            raise _full(path, size, error.errno) from error
        raise
    finally:
        staged.unlink(missing_ok=True)


def _is_device(path: Path) -> bool:
    """Whether a path is a device, a pipe or a socket, which has no content that another file could replace.

    Raises:
        ScantuneError: it is another name of a file that this process has open, as ``/dev/stdout`` is after ``> file``.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    if stat.S_ISREG(mode) and (path.absolute().parent == Path("/dev") or _OPEN.match(os.path.realpath(path.parent))):
        raise ScantuneError(f"{path}: is an open file here; name the file itself, such as answers.csv")
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _write_to(path: Path, put: Callable[[Any], None]) -> None:
    """Write to a device or a pipe."""
    content = io.BytesIO()  # writers go back in a file, which a pipe does not
    put(content)
    try:
        with path.open("wb") as file:
            file.write(content.getbuffer())
    except OSError as error:
        if error.errno in NO_ROOM:
            raise _full(path, 0, error.errno) from error
        raise


@contextlib.contextmanager
def private() -> Iterator[None]:
    """What is written inside is readable by this user alone: files that hold names of files."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def words_of(error: BaseException) -> str | None:
    """What a person reads where the system refuses to write; None for other errors.

    Args:
        error: any exception.
    """
    if isinstance(error, FileNotFoundError) and "No usable temporary directory" in str(error):  # Python tries to write
        return "no temporary folder can be written, as where the disk is full: free space, or set TMPDIR to a folder"
    if not isinstance(error, OSError) or error.errno not in _REMEDIES:
        return None
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{(error.strerror or 'refused').lower()}. {_REMEDIES[error.errno]}"


_WRITABLE = "Make it writable for this user, or copy the project to a folder of your own"
_PATH = "Name another place: a file and a folder cannot have one path"
_ROOM = "Free space, and run again: what was whole stays whole"
_LOCKS = (
    "This file system has no file locks, by which processes wait for each other: mount it with them (NFS: its lock "
    "service, without nolock), or copy the project to a local disk"
)
_REMEDIES = {
    **dict.fromkeys((errno.ENOLCK, errno.EOPNOTSUPP), _LOCKS),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _WRITABLE),
    **dict.fromkeys(NO_ROOM, _ROOM),
    **dict.fromkeys((errno.EISDIR, errno.ENOTDIR, errno.EEXIST), _PATH),
}


def refuse_unwritable(path: Path) -> None:
    """Refuse a file that cannot be written, before the work of which it is the result; its folder is created.

    Raises:
        ScantuneError: it is a folder, or another name of an open file.
        OSError: its folder cannot be created or written.
    """
    if path.is_dir():
        raise ScantuneError(f"{path}: is a folder; name a file, such as {path / 'answers.csv'}")
    path.parent.mkdir(parents=True, exist_ok=True)
    place = path if _is_device(path) else path.parent
    if not os.access(place, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(place))


def append(path: Path, text: str) -> None:
    """Append complete lines to a file, durably; without room the file is unchanged.

    Raises:
        DiskFullError: no room.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode()
    with path.open("ab", buffering=0) as file:
        before = file.tell()
        try:
            view = memoryview(content)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            file.truncate(before)
            raise _full(path, len(content), error.errno) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file; see :func:`write`."""
    write(path, lambda file: file.write(content), len(content))


def write_text(path: Path, text: str, errors: str = "strict") -> None:
    """Write a text file in UTF-8 (``errors`` as of :meth:`str.encode`), its line ends unchanged; see :func:`write`."""
    write_bytes(path, text.encode(errors=errors))


def shown(path: Path) -> str:
    """A path as UTF-8 can write it: of a name in another encoding (``Müller`` of an old share) the odd bytes are
    ``\\xfc``."""
    return str(path).encode(errors="surrogateescape").decode(errors="backslashreplace")


def absolute(path: Path) -> Path:
    """The absolute path; ``..`` is resolved as the system does, since a link before it leads elsewhere.

    Links are kept where there is no ``..``.
    """
    whole = path.absolute()
    return Path(os.path.realpath(whole)) if ".." in whole.parts else whole


def table_path(root: Path, table: str, base: Path) -> Path:
    """Where a dataset's table lies: below its root, or where there is none, below the project's folder ``base``."""
    below, beside = root / table, base / table
    return beside if not below.exists() and beside.exists() else below


def remove_half(folder: Path) -> None:
    """Remove what processes that were killed while they wrote left in a folder and below it."""
    for staged in folder.rglob(f".*{STAGED}"):
        staged.unlink(missing_ok=True)


def write_json(path: Path, value: Any, *, sort_keys: bool = False) -> None:
    """Write JSON; see :func:`write`.

    Raises:
        ValueError: a NaN or an infinity, which JSON has no numbers for: what is undefined is null.
    """
    write_text(path, json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False, sort_keys=sort_keys) + "\n")


def finite(value: Any) -> Any:
    """``value`` with null for every float that JSON cannot represent."""
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if isinstance(value, Mapping):
        return {str(k): finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(v) for v in value]
    return value


def copy(source: Path, target: Path) -> None:
    """Copy a file; see :func:`write`."""
    with source.open("rb") as content:
        write(target, lambda file: shutil.copyfileobj(content, file, 1 << 20), source.stat().st_size)


_LIMITS = {errno.EDQUOT: "a quota is used up", errno.EFBIG: "a limit on the size of files is reached (ulimit -f)"}


def _full(path: Path, size: int, number: int = errno.ENOSPC) -> DiskFullError:
    why = f"the disk is full, or {_LIMITS[number]}" if number in _LIMITS else "the disk is full"
    free = shutil.disk_usage(path.parent).free
    needed = f"{_amount(size)} needed, " if size else ""
    return DiskFullError(
        f"{why}: {path.name} was not written ({needed}{_amount(free)} free in {path.parent}). "
        "Nothing written before is damaged; free space and start again: the run resumes from what was saved last"
    )


def _amount(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.1f} kB"


def _sync(folder: Path) -> None:
    """Make the rename itself durable; Windows has no such call and needs none, some shares refuse it for a folder."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF}:
            raise
    finally:
        os.close(handle)


def without_paths(value: Any) -> Any:
    """Settings without private paths: only the last part of absolute paths and addresses remains."""
    if isinstance(value, Mapping):
        return {key: without_paths(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(item) for item in value]
    if isinstance(value, str) and _leads_outside(value):
        return "…/" + value.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1]
    return value


def _leads_outside(text: str) -> bool:
    absolute = PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
    return absolute or text.startswith(("~", "..", "\\\\")) or "://" in text
