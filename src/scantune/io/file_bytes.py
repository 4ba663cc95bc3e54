"""The bytes of a file that may be compressed with gzip, by ISA-L."""

from __future__ import annotations

from pathlib import Path

from isal import isal_zlib

from scantune.io.arrays import Options
from scantune.records import ReadError

_GZIP_ERRORS: tuple[type[Exception], ...] = (isal_zlib.error, EOFError, ValueError)  # type: ignore[assignment]


class FileBytes:
    """The decompressed bytes of a file, read only as far as they are needed."""

    def __init__(self, path: Path, options: Options) -> None:
        self.path = path
        raw = path.read_bytes() if path.stat().st_size <= options.limits.max_bytes else None
        if raw is None:
            raise ReadError("the file is larger than the limit for decoded images", str(path))
        self.packed = raw[:2] == b"\x1f\x8b"
        self._raw = raw

    def first(self, size: int) -> bytes:
        """At most ``size`` bytes from the start."""
        if not self.packed:
            return self._raw[:size]
        try:
            return isal_zlib.decompressobj(wbits=31).decompress(self._raw[: max(65536, size)], max_length=size)
        except _GZIP_ERRORS as error:
            raise ReadError("the gzip stream is damaged", str(error)) from error

    def exactly(self, size: int) -> memoryview:
        """Exactly the first ``size`` bytes, the checksum of the whole stream verified.

        Raises:
            ReadError: cut short, wrong checksum, or far more in the stream than the header speaks of.
        """
        if not self.packed:
            if len(self._raw) < size:
                raise ReadError(f"the file is cut short: {len(self._raw)} of {size} bytes are there", str(self.path))
            return memoryview(self._raw)[:size]
        return self._inflate(size)

    def _inflate(self, size: int) -> memoryview:
        pieces: list[bytes] = []
        rest, have, allowed = self._raw, 0, size + 65536  # what is beyond the image is little, or not an image's
        while rest[:2] == b"\x1f\x8b":
            stream = isal_zlib.decompressobj(wbits=31)
            try:
                piece = stream.decompress(rest, max_length=allowed - have)
            except _GZIP_ERRORS as error:
                raise ReadError("the gzip stream is damaged: wrong data or checksum", str(error)) from error
            pieces.append(piece)
            have += len(piece)
            if not stream.eof:
                if have >= allowed:
                    raise ReadError("the gzip stream holds far more than the image that its header states")
                raise ReadError(f"the gzip stream is cut short: {have} of {size} bytes are there", str(self.path))
            rest = stream.unused_data
        if have < size:
            raise ReadError(f"the image is cut short: {have} of {size} bytes are there", str(self.path))
        return memoryview(pieces[0] if len(pieces) == 1 else b"".join(pieces))[:size]
