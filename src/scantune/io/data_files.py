"""Headers in a file of their own (``.mhd``, ``.nhdr``) and the data files that they name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scantune.io.data_names import MOST_HEADER, beside
from scantune.io.itk import header_of, is_header
from scantune.records import ReadError

_ENDINGS = (".mhd", ".nhdr", ".mhd.gz", ".nhdr.gz")


def with_data_files(path: Path) -> list[Path]:
    """The file, followed by those that its header names where it is a header of its own.

    Names that lead out of the header's folder are passed over here; reading refuses them.
    """
    try:
        if not path.is_file() or path.stat().st_size > MOST_HEADER:
            return [path]
        names = _names_in(path)
        return [path, *(beside(path, names) if names else [])]
    except (ReadError, OSError):
        return [path]


def _names_in(path: Path) -> tuple[str, ...]:
    return header_of(path).files if is_header(path) else ()


def only_data(paths: Iterable[Path]) -> set[Path]:
    """Those of some files that headers among them (``.mhd``, ``.nhdr``) name: they are no images of their own."""
    paths = set(paths)
    headers = [path for path in paths if path.name.lower().endswith(_ENDINGS)]
    return paths & {data for header in headers for data in with_data_files(header)[1:]}
