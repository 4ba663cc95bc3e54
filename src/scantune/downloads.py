"""Files from an address: resumed where the connection was cut, compared with their published digest."""

from __future__ import annotations

import hashlib
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
    received = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={received}-"} if received else {})
    try:
        response = urllib.request.urlopen(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        if not received or error.code != 416:
            raise
        response = None  # the partial file is already complete
    if response is not None:
        _write(response, part, received if response.status == 206 else 0, progress)
    verify(part, digest, url)
    part.replace(target)
    return target


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


def verify(path: Path, digest: str, source: str) -> None:
    """Compare a file with its published digest; without one nothing is compared.

    Raises:
        ScantuneError: it is another file; it is deleted.
    """
    if not digest:
        return
    algorithm, _, expected = digest.partition(":")
    with path.open("rb") as file:
        actual = hashlib.file_digest(file, algorithm).hexdigest()
    if not actual.startswith(expected):
        path.unlink()
        raise ScantuneError(
            f"{source}: the {algorithm.upper().replace('SHA', 'SHA-')} of the download is {actual}, the published one "
            f"is {expected}; the file was deleted. Try again, or contact the operator of the server"
        )
