"""Files from an address: resumed where the connection was cut, compared with their published digest."""

from __future__ import annotations

import hashlib
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scantune.records import ScantuneError

_SECONDS = 30
_CHUNK = 1 << 20

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there and the bytes that there will be (None: unknown)."""


def download(url: str, target: Path, digest: str = "", progress: Progress | None = None) -> Path:
    """Save what lies at an address; what an earlier call received in ``<target>.part`` is not requested again.

    It is resumed where the server states that its file is still the same one (``ETag`` or ``Last-Modified``, RFC 9110,
    13.1.5), or where a digest tells; else it is requested anew.

    Args:
        url: http or https.
        target: the file; it appears only when it is complete.
        digest: ``md5:…`` or ``sha256:…``, or the first digits of it; "" where none is published.
        progress: called with each part that arrives.

    Raises:
        ScantuneError: the digest is another one; the file is deleted.
        OSError: no connection, an answer that is an error, or one that ended early; the partial file is kept.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    version = part.with_name(f"{part.name}.version")
    response, received = _opened(url, part, version, bool(digest))
    if response is not None:
        if not received:
            part.unlink(missing_ok=True)  # before its version: a kill in between leaves no old part with a new one
        version.write_text(_version_of(response), encoding="utf-8")
        _write(response, part, received, progress)
    version.unlink(missing_ok=True)
    verify(part, digest, url)
    part.replace(target)
    return target


def _opened(url: str, part: Path, version: Path, resumable: bool) -> tuple[Any, int]:
    """The response, and how many bytes of the partial file it continues; None where that one is complete."""
    received = part.stat().st_size if part.exists() else 0
    known = version.read_text(encoding="utf-8") if version.exists() else ""
    if received and (known or resumable):
        asked = {"Range": f"bytes={received}-"} | ({"If-Range": known} if known else {})
        try:
            response = urllib.request.urlopen(urllib.request.Request(url, headers=asked), timeout=_SECONDS)
        except urllib.error.HTTPError as error:
            if error.code != 416:
                raise
            if _size_beyond(error.headers.get("Content-Range", "")) == received:
                return None, received
        else:
            if response.status != 206:
                return response, 0
            start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            if start and int(start[1]) == received and known in ("", _version_of(response)):
                return response, received
            response.close()
    return urllib.request.urlopen(url, timeout=_SECONDS), 0


def _version_of(response: Any) -> str:
    """By what the server tells one version of a file from another; "" where it does not."""
    tag = response.headers.get("ETag", "")
    return (tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")) or ""


def _size_beyond(content_range: str) -> int | None:
    """The size of the file in the answer to a range beyond its end, ``bytes */<size>``."""
    match = re.fullmatch(r"bytes \*/(\d+)", content_range)
    return int(match[1]) if match else None


def _write(response: Any, part: Path, received: int, progress: Progress | None) -> None:
    """Append a response to the ``received`` bytes of a partial file.

    Raises:
        OSError: the response ended too early; the partial file is kept.
    """
    length = response.headers.get("Content-Length")
    total = received + int(length) if length is not None else None
    with response, part.open("ab" if received else "wb") as file:
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            if progress:
                progress(file.tell(), total)
    size = part.stat().st_size
    if total is not None and size < total:
        raise OSError(f"the connection ended after {size} of {total} bytes; start again to resume")


def verify(path: Path, digest: str, source: str, *, keep: bool = False) -> None:
    """Compare a file with its published digest; without one nothing is compared.

    Args:
        path: the file.
        digest: as of :func:`download`.
        source: where it came from, for the message.
        keep: whether another file stays: one that a person saved.

    Raises:
        ScantuneError: it is another file; it is deleted unless ``keep``.
    """
    if not digest:
        return
    algorithm, _, expected = digest.partition(":")
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, algorithm).hexdigest()
    if actual.startswith(expected):
        return
    remedy = "remove it to download the published one"
    if not keep:
        path.unlink()
        remedy = "the file was deleted. Try again, or contact the operator of the server"
    name, what = algorithm.upper().replace("SHA", "SHA-"), "file" if keep else "download"
    raise ScantuneError(f"{source}: the {name} of the {what} is {actual}, the published one is {expected}; {remedy}")
