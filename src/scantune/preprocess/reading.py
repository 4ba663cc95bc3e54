"""Typed reading of files; a file that is needed twice for one sample is read once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scantune import io
from scantune.records import ReadError

_thread_cache = threading.local()


@contextmanager
def reading_once() -> Iterator[None]:
    """Inside the context, this thread caches what it reads."""
    _thread_cache.results = {}
    try:
        yield
    finally:
        del _thread_cache.results


def _read(path: Path, **options: Any) -> Any:
    cached: dict[Any, Any] | None = getattr(_thread_cache, "results", None)
    if cached is None:
        return io.read(path, **options)
    key = path, repr(sorted(options.items()))
    if key not in cached:
        cached[key] = io.read(path, **options)
    return cached[key]


def read_image(path: Path, **options: Any) -> io.Image:
    """A still.

    Raises:
        ReadError: it cannot be used, or is none.
    """
    image = _read(path, kind="image", **options)
    if not isinstance(image, io.Image):
        raise ReadError("it is not a still image")
    return image


def read_volume(path: Path, **options: Any) -> io.Volume:
    """A volume.

    Raises:
        ReadError: it cannot be used, or is none.
    """
    volume = _read(path, kind="volume", **options)
    if not isinstance(volume, io.Volume):
        raise ReadError("it is not a volume")
    return volume
