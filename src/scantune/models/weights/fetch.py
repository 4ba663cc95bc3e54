"""Named weights from the network, where the user says so: Hugging Face's hub, or a direct address."""

from __future__ import annotations

import hashlib
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from scantune.models.weights.known import Known
from scantune.records import ScantuneError

#: Eight or more digits of the SHA-256 at the end of a published file's name, as PyTorch and timm have it.
_DIGEST = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")
_SECONDS = 30


def fetch(known: Known, folder: Path) -> Path:
    """The file of ``known``: the hub's into Hugging Face's cache, a direct address's into ``folder``.

    What was cut off goes on where it stopped; the file's digest is compared with the published one.

    Raises:
        ScantuneError: it cannot be reached, or is not what was published; a wrong file is deleted.
    """
    try:
        return _from_hub(known) if known.hub else _from_address(known.url, folder / known.url.rsplit("/", 1)[-1])
    except ScantuneError:
        raise
    except Exception as error:  # whatever the clients raise: it is the network that failed
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ScantuneError(
            f"weights {known.name!r} could not be fetched from {known.origin}: {reason}. Without a network, put "
            f"{known.files[0]!r} at {folder / known.files[0]}"
        ) from error


def _from_hub(known: Known) -> Path:
    from huggingface_hub import hf_hub_download

    path = Path(hf_hub_download(known.hub, known.hub_file))
    blob = path.resolve()
    # The cache names a large file by its SHA-256, as the hub states it; the client itself looks at the size alone.
    if re.fullmatch(r"[0-9a-f]{64}", blob.name):
        _check(blob, blob.name, known.hub)
    return path


def _from_address(url: str, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        answer = urllib.request.urlopen(request, timeout=_SECONDS)
    except urllib.error.HTTPError as error:
        if not done or error.code != 416:
            raise
        answer = None  # nothing is left to send: the part is the whole
    if answer is not None:
        _write(answer, part, done if answer.status == 206 else 0)
    digest = _DIGEST.search(target.name)
    if digest:
        _check(part, digest[1], url)
    part.replace(target)
    return target


def _write(answer: Any, part: Path, done: int) -> None:
    """What an answer brings, behind the ``done`` bytes that are there.

    Raises:
        OSError: it ended too early; what came is kept.
    """
    with answer, part.open("ab" if done else "wb") as file:
        while chunk := answer.read(1 << 20):
            file.write(chunk)
    size, length = part.stat().st_size, answer.headers.get("Content-Length")
    if length is not None and size < done + int(length):
        raise OSError(f"the connection ended after {size} of {done + int(length)} bytes; start again to go on")


def _check(path: Path, start: str, source: str) -> None:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(start):
        path.unlink()
        raise ScantuneError(
            f"weights from {source}: SHA-256 of what came is {found}, published is {start}…; the file was deleted. "
            "Try again, or ask whoever runs the mirror that HF_ENDPOINT or the address leads to"
        )
