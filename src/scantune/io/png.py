"""What the chunks of a PNG file tell without decoding it (PNG, 5.3)."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from scantune.records import ReadError

_SIGNATURE = 8
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_WITH_ORIENTATION = (b"Raw profile type exif", b"XML:com.adobe.xmp")


def check_data(path: Path) -> None:
    """Refuse pixels that fail their checksum: Pillow checks that of the other chunks only.

    Raises:
        ReadError: damaged.
    """
    with path.open("rb") as file:
        for kind, length in _chunks(file):
            if kind == b"IDAT":
                data, checksum = file.read(length), file.read(4)
                if zlib.crc32(data, zlib.crc32(kind)) != int.from_bytes(checksum, "big"):
                    raise ReadError("the picture is damaged or cut short: its pixels fail their checksum", str(path))


def orientation_follows_pixels(path: Path) -> bool:
    """Whether EXIF or XMP stands behind the pixels, where a reader meets it after decoding them."""
    pixels = False
    with path.open("rb") as file:
        for kind, _ in _chunks(file):
            if pixels and (kind == b"eXIf" or (kind in _TEXTS and file.read(24).startswith(_WITH_ORIENTATION))):
                return True
            pixels = pixels or kind == b"IDAT"
    return False


def _chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Type and length of each chunk, the file at the start of its data; a file that is cut short ends there."""
    at = _SIGNATURE
    while True:
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        length = int.from_bytes(head[:4], "big")
        yield head[4:], length
        at += 12 + length
