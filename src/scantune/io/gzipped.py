"""DICOM files that were gzipped (``.dcm.gz``): alone, and among the files of a folder."""

from __future__ import annotations

import shutil
import tempfile
import weakref
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scantune.io.arrays import Limits
from scantune.io.detect import HEAD, format_of
from scantune.records import ReadError

_GZIP = 31  # zlib's number for a gzip header
_CHUNK = 1 << 20


def is_dicom(path: Path) -> bool:
    """Whether a gzip file holds DICOM, by what its first bytes unpack to."""
    with path.open("rb") as file:
        try:
            head = zlib.decompressobj(_GZIP).decompress(file.read(HEAD), HEAD)
        except zlib.error:
            return False
    return format_of(head) == "dicom"


@contextmanager
def gunzipped(path: Path, limits: Limits, place: Path | None = None) -> Iterator[Path]:
    """The file unpacked, in a folder of its own that only this user may read and that is removed afterwards.

    Args:
        path: the gzip file.
        limits: ``max_bytes`` bounds what it unpacks to.
        place: where it lay before, for readers that keep the path; without it a new folder.

    Raises:
        ReadError: damaged, cut short, larger than the limit.
    """
    if place is None:
        with tempfile.TemporaryDirectory(prefix="scantune-") as folder:
            plain = Path(folder, "image.dcm")
            _unpack(path, plain, limits)
            yield plain
        return
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _unpack(path, place, limits)
        yield place
    finally:
        place.unlink(missing_ok=True)
        place.parent.rmdir()


class Unpacked:
    """Files of a folder unpacked for as long as one of them is in use; then they are removed.

    Attributes:
        folder: where they lie; only this user may read it.
    """

    def __init__(self, limits: Limits) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="scantune-"))
        self._left = limits.max_bytes
        self._count = 0
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)

    def add(self, path: Path) -> Path:
        """A gzip file unpacked.

        Raises:
            ReadError: damaged, cut short; all files together larger than the limit.
        """
        self._count += 1
        plain = self.folder / f"{self._count:06d}.dcm"
        _unpack(path, plain, Limits(max_bytes=self._left))
        self._left -= plain.stat().st_size
        return plain


def _unpack(path: Path, plain: Path, limits: Limits) -> None:
    unpacker, written = zlib.decompressobj(_GZIP), 0
    with path.open("rb") as packed, plain.open("wb") as out:
        try:
            while chunk := packed.read(_CHUNK):
                while chunk and not unpacker.eof:
                    part = unpacker.decompress(chunk, _CHUNK)
                    written += len(part)
                    if written > limits.max_bytes:
                        raise ReadError(f"it unpacks to more than the limit of {limits.max_bytes / 2**20:,.0f} MiB")
                    out.write(part)
                    chunk = unpacker.unconsumed_tail
        except zlib.error as error:
            raise ReadError("the gzip file is damaged", str(path)) from error
    if not unpacker.eof:
        raise ReadError("the gzip file is cut short", str(path))
