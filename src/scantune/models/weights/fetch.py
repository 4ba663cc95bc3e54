"""Download of named weights, where the user allows it: from the Hugging Face hub or a URL."""

from __future__ import annotations

import re
from pathlib import Path

from scantune.downloads import download, verify
from scantune.models.weights.known import PublishedWeights
from scantune.records import ScantuneError

#: At least eight digits of the SHA-256 at the end of the file name, as published by PyTorch and timm.
_DIGEST = re.compile(r"-([0-9a-f]{8,64})\.[a-z]+$")


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
        verify(blob, f"sha256:{blob.name}", weights.hub)
    return path


def _from_address(url: str, target: Path) -> Path:
    digest = _DIGEST.search(target.name)
    return download(url, target, f"sha256:{digest[1]}" if digest else "")
