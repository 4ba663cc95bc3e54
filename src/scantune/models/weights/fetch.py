"""Download of named weights, where the user allows it: from the Hugging Face hub or a URL."""

from __future__ import annotations

import hashlib
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from scantune.models.weights.known import PublishedWeights
from scantune.records import ScantuneError

#: At least eight digits of the SHA-256 at the end of the file name, as published by PyTorch and timm.
_DIGEST = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")
_SECONDS = 30


def fetch(weights: PublishedWeights, folder: Path) -> Path:
    """Download the file of ``weights``: from the hub into the Hugging Face cache, from a URL into ``folder``.

    An interrupted download is resumed; the digest of the file is compared with the published one.

    Raises:
        ScantuneError: the server cannot be reached, or the file is not the published one; such a file is deleted.
    """
    try:
        return (
            _from_hub(weights) if weights.hub else _from_address(weights.url, folder / weights.url.rsplit("/", 1)[-1])
        )
    except ScantuneError:
        raise
    except Exception as error:  # any error of the clients is an error of the network
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ScantuneError(
            f"weights {weights.name!r} could not be downloaded from {weights.origin}: {reason}. Without network "
            f"access, save {weights.files[0]!r} as {folder / weights.files[0]}"
        ) from error


def _from_hub(weights: PublishedWeights) -> Path:
    from huggingface_hub import hf_hub_download

    path = Path(hf_hub_download(weights.hub, weights.hub_file))
    blob = path.resolve()
    # The cache names a large file by its published SHA-256; the client itself only checks the size.
    if re.fullmatch(r"[0-9a-f]{64}", blob.name):
        _verify(blob, blob.name, weights.hub)
    return path


def _from_address(url: str, target: Path) -> Path:
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
        _write(response, part, received if response.status == 206 else 0)
    digest = _DIGEST.search(target.name)
    if digest:
        _verify(part, digest[1], url)
    part.replace(target)
    return target


def _write(response: Any, part: Path, received: int) -> None:
    """Append a response to the ``received`` bytes of a partial file.

    Raises:
        OSError: the response ended too early; the partial file is kept.
    """
    with response, part.open("ab" if received else "wb") as file:
        while chunk := response.read(1 << 20):
            file.write(chunk)
    size, length = part.stat().st_size, response.headers.get("Content-Length")
    if length is not None and size < received + int(length):
        raise OSError(f"the connection ended after {size} of {received + int(length)} bytes; start again to resume")


def _verify(path: Path, expected: str, source: str) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(expected):
        path.unlink()
        raise ScantuneError(
            f"weights from {source}: the SHA-256 of the download is {digest}, the published one is {expected}…; the "
            "file was deleted. Try again, or contact the operator of the mirror (HF_ENDPOINT or URL)"
        )
