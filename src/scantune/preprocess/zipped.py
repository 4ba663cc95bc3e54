"""A ZIP from a stranger, unpacked: nothing of it lies outside its folder, and no more of it than the limits allow."""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

from scantune.io.folders import system_folder
from scantune.records import ReadError

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_CHUNK = 1 << 20
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}  # the others may ask for gigabytes of memory
_ENCRYPTED = 1


def is_zip(path: Path) -> bool:
    """Whether a file begins as a ZIP does."""
    with path.open("rb") as file:
        return file.read(4) in _MAGIC


def unzip(path: Path, folder: Path, take: Callable[[int], None], count: Callable[[int], None]) -> Path:
    """Unpack a ZIP: folders are looked through, as on disk without hidden files and without folders of systems.

    Args:
        path: the ZIP.
        folder: created; files have names by number in it, in the order of their names in the ZIP, with their endings.
        take: called with the bytes of each part that is unpacked, before it is written; raises where they are too many.
        count: called with the number of files; raises where they are too many.

    Returns:
        ``folder``.

    Raises:
        ReadError: damaged, encrypted, compressed otherwise than by deflate; a name that leads out of the ZIP; a link or
            another ZIP in it. The reason names no file.
    """
    folder.mkdir()
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            count(len(members))
            for member in members:
                _refuse(member)
            kept = sorted((m for m in members if not m.is_dir() and not _is_hidden(m)), key=lambda m: m.filename)
            for number, member in enumerate(kept):
                ending = re.search(r"(\.[A-Za-z0-9]{1,8}){0,2}$", member.filename)
                _extract(archive, member, folder / f"{number:06d}{ending[0] if ending else ''}", take)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OverflowError) as error:
        if isinstance(error, ReadError):
            raise
        raise ReadError(f"the ZIP is damaged ({type(error).__name__})", str(path)) from error
    return folder


def _refuse(member: zipfile.ZipInfo) -> None:
    """Refuse an entry that is not plainly a file or a folder in the ZIP."""
    name, kind = member.orig_filename, stat.S_IFMT(member.external_attr >> 16)
    both = (PurePosixPath(name), PureWindowsPath(name))
    if any(path.anchor or ".." in path.parts for path in both) or "\0" in name:
        raise ReadError("a name in the ZIP leads out of it (absolute, or with '..')")
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ReadError("the ZIP holds a link or a device; only files are unpacked")
    if member.flag_bits & _ENCRYPTED:
        raise ReadError("the ZIP is encrypted")
    if member.compress_type not in _METHODS:
        raise ReadError("the ZIP is compressed in another way than by deflate")


def _is_hidden(member: zipfile.ZipInfo) -> bool:
    *folders, name = PurePosixPath(member.filename).parts
    return name.startswith(".") or any(map(system_folder, folders))


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, take: Callable[[int], None]) -> None:
    with archive.open(member) as source, target.open("wb") as file:
        while part := source.read(_CHUNK):
            if not file.tell() and part[:4] in _MAGIC:
                raise ReadError("the ZIP holds another ZIP")
            take(len(part))
            file.write(part)
