"""Reading with the kind of the answer known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scantune import io
from scantune.records import ReadError


def read_image(path: Path, **options: Any) -> io.Image:
    """A still.

    Raises:
        ReadError: it cannot be used, or is none.
    """
    found = io.read(path, kind="image", **options)
    if not isinstance(found, io.Image):
        raise ReadError("it is not a still image")
    return found


def read_volume(path: Path, **options: Any) -> io.Volume:
    """A volume.

    Raises:
        ReadError: it cannot be used, or is none.
    """
    found = io.read(path, kind="volume", **options)
    if not isinstance(found, io.Volume):
        raise ReadError("it is not a volume")
    return found
