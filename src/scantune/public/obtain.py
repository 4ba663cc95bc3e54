"""The files of a public data set: downloaded, compared with their digests, unpacked."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path, PurePosixPath

from scantune.downloads import Progress, download, verify
from scantune.files import words_of
from scantune.public.entry import PublicData, RemoteFile
from scantune.records import ScantuneError

_CHUNK = 1 << 20
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def obtain(data: PublicData, archives: Path, target: Path, progress_of: Callable[[RemoteFile], Progress]) -> Path:
    """Download what is not there and unpack it.

    Args:
        data: the data set.
        archives: folder of the downloads; a file that is there is not downloaded again.
        target: folder for what they contain.
        progress_of: returns the function that reports the progress of a file.

    Returns:
        ``target``, or ``archives`` where no file is an archive.

    Raises:
        ScantuneError: the makers ask for an account, no connection, another digest, or a damaged archive.
    """
    if not data.files:
        raise ScantuneError(
            f"{data.name}: its makers ask for an account or a form, so nothing is downloaded. Get the files from "
            f"{data.page}, unpack them, and run: scantune get {data.name} --from FOLDER"
        )
    unpacked = False
    for file in data.files:
        path = archives / file.name
        if path.exists():
            verify(path, file.digest, str(path), keep=True)
        else:
            _download(data, file, path, progress_of(file))
        if file.name.endswith(_ARCHIVES):
            _unpack(path, target)
            unpacked = True
        elif len(data.files) > 1:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target / file.name)
    return target if unpacked else archives


def _download(data: PublicData, file: RemoteFile, path: Path, progress: Progress) -> None:
    try:
        download(file.url, path, file.digest, progress)
    except (OSError, HTTPException) as error:
        raise ScantuneError(
            f"{data.name}: {file.url} could not be downloaded: {error}. What arrived is kept, and the same command "
            f"resumes it. Without network access, save the file as {path}, or unpack it and use --from FOLDER "
            f"(page: {data.page})"
        ) from error


def _unpack(path: Path, target: Path) -> None:
    """Unpack an archive; nothing is written outside of the folder.

    Raises:
        ScantuneError: it is damaged, or leads out of the folder.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        if path.suffix == ".zip":
            _unzip(path, target)
        else:
            with tarfile.open(path) as archive:
                archive.extractall(target, filter="data")
                while archive.fileobj is not None and archive.fileobj.read(_CHUNK):
                    pass  # to the end, where gzip's checksum is compared
    except OSError as error:
        if words_of(error):  # a full disk, a folder that cannot be written: not the archive's fault
            raise
        raise _not_unpacked(path, error) from error
    except (EOFError, tarfile.TarError, zipfile.BadZipFile, zlib.error) as error:
        raise _not_unpacked(path, error) from error
    except RuntimeError as error:  # zipfile's words for a password and for other compression
        raise ScantuneError(
            f"{path}: cannot be unpacked here ({error}); unpack it by another program, and use --from FOLDER"
        ) from error


def _unzip(path: Path, target: Path) -> None:
    """Every file of a zip archive; ``shutil`` leaves out, without a word, each name that has two dots in it.

    Links are left out: what they lead to has a name of its own.

    Raises:
        BadZipFile: a name leads out of the folder.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        for entry in entries:
            place = PurePosixPath(entry.filename)
            if place.is_absolute() or ".." in place.parts:
                raise zipfile.BadZipFile(f"its entry {entry.filename!r} leads out of the folder")
        archive.extractall(target, [entry for entry in entries if not stat.S_ISLNK(entry.external_attr >> 16)])


def _not_unpacked(path: Path, error: Exception) -> ScantuneError:
    return ScantuneError(f"{path}: cannot be unpacked ({error}); remove it to download it again")
