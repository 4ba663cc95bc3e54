"""Reading with the kind of the answer known; a file that is needed twice for one sample is read once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scantune import io
from scantune.records import ReadError

_kept = threading.local()


@contextmanager
def reading_once() -> Iterator[None]:
    """Meanwhile this thread keeps what it reads, and gives it again where the same is asked for."""
    _kept.found = {}
    try:
        yield
    finally:
        del _kept.found


def _read(path: Path, **options: Any) -> Any:
    found: dict[Any, Any] | None = getattr(_kept, "found", None)
    if found is None:
        return io.read(path, **options)
    key = path, repr(sorted(options.items()))
    if key not in found:
        found[key] = io.read(path, **options)
    return found[key]


def read_image(path: Path, **options: Any) -> io.Image:
    """A still.

    Raises:
        ReadError: it cannot be used, or is none.
    """
    found = _read(path, kind="image", **options)
    if not isinstance(found, io.Image):
        raise ReadError("it is not a still image")
    return found


def read_volume(path: Path, **options: Any) -> io.Volume:
    """A volume.

    Raises:
        ReadError: it cannot be used, or is none.
    """
    found = _read(path, kind="volume", **options)
    if not isinstance(found, io.Volume):
        raise ReadError("it is not a volume")
    return found
