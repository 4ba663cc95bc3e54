"""``multipart/related`` (RFC 2387, RFC 2046 5.1), read as a stream: no part is in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from email.message import Message

from scantune.dicomweb.connection import Interrupted, media_type
from scantune.records import ReadError

_MOST_HEADERS = 1 << 16


def parts(chunks: Iterable[bytes], content_type: str) -> Iterator[Iterator[bytes]]:
    """The bytes of each part, without its headers; one of another media type than DICOM is refused.

    Args:
        chunks: the body; one of the type ``application/dicom`` is one part.
        content_type: the header of the answer.

    Yields:
        An iterator a part, to be used up before the next.

    Raises:
        Interrupted: the body ends before its last boundary.
        ReadError: it is neither multipart nor DICOM.
    """
    kind = media_type(content_type)
    if kind == "application/dicom":
        yield iter(chunks)
        return
    header = Message()
    header["Content-Type"] = content_type
    boundary = header.get_boundary()
    if kind != "multipart/related" or not boundary:
        raise ReadError(f"the server does not answer as DICOMweb (it sent {kind})")
    stream = _Stream(chunks)
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    for _preamble in stream.until(delimiter):
        pass
    while stream.start(2) != b"--":
        _refuse_others(b"".join(stream.until(b"\r\n\r\n", _MOST_HEADERS)))
        body = stream.until(delimiter)
        yield body
        for _rest in body:
            pass


def _refuse_others(headers: bytes) -> None:
    for line in headers.decode("latin-1").splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-type" and media_type(value) != "application/dicom":
            raise ReadError(f"the server sent {media_type(value)} in place of DICOM")


class _Stream:
    """Bytes, of which the ends of two chunks are looked at together."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = iter(chunks)
        self.bytes = b"\r\n"  # the first boundary may be the beginning

    def until(self, mark: bytes, most: int | None = None) -> Iterator[bytes]:
        """What comes before a mark, which is left out."""
        seen = 0
        while (at := self.bytes.find(mark)) < 0:
            ready = len(self.bytes) - len(mark) + 1
            if ready > 0:
                seen += ready
                if most is not None and seen > most:
                    raise ReadError("the server does not answer as DICOMweb (a header without end)")
                yield self.bytes[:ready]
                self.bytes = self.bytes[ready:]
            self._more()
        before, self.bytes = self.bytes[:at], self.bytes[at + len(mark) :]
        yield before

    def start(self, size: int) -> bytes:
        """The next bytes, which stay."""
        while len(self.bytes) < size:
            self._more()
        return self.bytes[:size]

    def _more(self) -> None:
        chunk = next(self.chunks, None)
        if chunk is None:
            raise Interrupted("the connection was cut")
        self.bytes += chunk
