"""SHA-256 of texts and files, in hexadecimal: they link a result to its sources."""

from __future__ import annotations

import hashlib
from pathlib import Path

#: Digits of a digest that people and other files are shown.
SHORT = 16
_CHUNK = 1 << 20  # bytes read at a time


def text_digest(text: str, digits: int = 64) -> str:
    """The first digits of a text's digest; of a name of a file that is not in UTF-8, of the bytes that it has."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:digits]


def file_digest(path: Path, digits: int = 64) -> str:
    """The first digits of a file's digest."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()[:digits]
