"""The bytes of a file that may be compressed: with gzip or zlib by ISA-L, with bzip2 by Python."""

from __future__ import annotations

import bz2
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from isal import isal_zlib

from scantune.io.arrays import Options
from scantune.records import ReadError

Packing = Literal["gzip", "zlib", "bzip2"]
_ERRORS: tuple[type[Exception], ...] = (isal_zlib.error, EOFError, ValueError, OSError)  # type: ignore[assignment]
_UNPACKERS: dict[Packing, Callable[[], Any]] = {
    "gzip": lambda: isal_zlib.decompressobj(wbits=31),
    "zlib": lambda: isal_zlib.decompressobj(wbits=15),
    "bzip2": bz2.BZ2Decompressor,
}
_STARTS: dict[Packing, bytes] = {"gzip": b"\x1f\x8b", "zlib": b"", "bzip2": b"BZh"}
_GZIP = _STARTS["gzip"]
_DAMAGED = "the {} stream is damaged: wrong data or checksum"
_FAR_MORE = "the {} stream holds far more than the image that its header states"


class FileBytes:
    """The decompressed bytes of a file, read only as far as they are needed."""

    def __init__(self, path: Path, options: Options) -> None:
        self.path = path
        self._raw = whole(path, options)
        self.packed = self._raw[:2] == _GZIP

    def first(self, size: int) -> bytes:
        """At most ``size`` bytes from the start."""
        if not self.packed:
            return self._raw[:size]
        try:
            return isal_zlib.decompressobj(wbits=31).decompress(self._raw[: max(65536, size)], max_length=size)
        except _ERRORS as error:
            raise ReadError(_DAMAGED.format("gzip"), str(error)) from error

    def exactly(self, size: int) -> memoryview:
        """Exactly the first ``size`` bytes, the checksum of the whole stream verified.

        Raises:
            ReadError: cut short, wrong checksum, or far more in the stream than the header speaks of.
        """
        return exactly(self._raw, size, "gzip" if self.packed else None, self.path)


def whole(path: Path, options: Options) -> bytes:
    """The bytes of a file as they are stored.

    Raises:
        ReadError: the file is larger than the limit.
    """
    if path.stat().st_size > options.limits.max_bytes:
        raise ReadError("the file is larger than the limit for decoded images", str(path))
    return path.read_bytes()


def first_unpacked(path: Path, size: int) -> bytes:
    """At most ``size`` bytes from the start of a file; of a gzip file of what it holds.

    Raises:
        ReadError: the gzip stream is damaged.
    """
    with path.open("rb") as file:
        raw = file.read(size)
    if raw[:2] != _GZIP:
        return raw
    try:
        return isal_zlib.decompressobj(wbits=31).decompress(raw, max_length=size)
    except _ERRORS as error:
        raise ReadError(_DAMAGED.format("gzip"), f"{path}: {error}") from error


def whole_unpacked(path: Path, options: Options) -> bytes | memoryview:
    """The bytes of a file; of a gzip file of what it holds, the checksum verified.

    Raises:
        ReadError: larger than the limit, cut short, or damaged.
    """
    raw = whole(path, options)
    if raw[:2] != _GZIP:
        return raw
    most = options.limits.max_bytes
    return _inflated(raw, 0, "gzip", path, most, f"it unpacks to more than the limit of {most / 2**20:,.0f} MiB")


def exactly(raw: bytes | memoryview, size: int, packing: Packing | None, path: Path, last: bool = False) -> memoryview:
    """Exactly the first ``size`` bytes of what is stored or packed, the checksum of the whole stream verified.

    Args:
        raw: as stored.
        size: bytes.
        packing: how ``raw`` is compressed; None where it is not.
        path: named in messages for the terminal.
        last: the last bytes instead of the first.

    Raises:
        ReadError: cut short, wrong checksum, or far more in the stream than the header speaks of.
    """
    if packing is None:
        if len(raw) < size:
            raise ReadError(f"the file is cut short: {len(raw)} of {size} bytes are there", str(path))
        data = memoryview(raw)
    else:
        beyond = size + 65536  # what is beyond the image is little, or not an image's
        data = _inflated(raw, size, packing, path, beyond, _FAR_MORE.format(packing))
    return data[len(data) - size :] if last else data[:size]


def _inflated(
    rest: bytes | memoryview, size: int, packing: Packing, path: Path, allowed: int, too_many: str
) -> memoryview:
    """At least ``size`` bytes, and fewer than ``allowed``."""
    pieces: list[bytes] = []
    have = 0
    while rest and not (pieces and packing == "zlib") and bytes(rest[:3]).startswith(_STARTS[packing]):
        stream = _UNPACKERS[packing]()
        try:
            piece = stream.decompress(rest, max_length=allowed - have)
        except _ERRORS as error:
            raise ReadError(_DAMAGED.format(packing), f"{path}: {error}") from error
        pieces.append(piece)
        have += len(piece)
        if have >= allowed:  # also where a stream ends there: to unpack 0 bytes more means no limit
            raise ReadError(too_many, str(path))
        if not stream.eof:
            whole = f"of {size} bytes" if size else "bytes, and not the end,"
            raise ReadError(f"the {packing} stream is cut short: {have} {whole} are there", str(path))
        rest = stream.unused_data
    if have < size:
        raise ReadError(f"the image is cut short: {have} of {size} bytes are there", str(path))
    return memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))
