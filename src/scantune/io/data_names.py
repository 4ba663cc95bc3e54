"""Names of data files in headers: those below the header's own folder alone are followed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from scantune.records import ReadError

MOST_HEADER = 1 << 20
"""Bytes of a header at most; one of a hundred segments has about 64 KiB."""

_MOST_FILES = 20_000
_PATTERN = re.compile(r"[^%]*%0?\d{0,2}[di][^%]*")


def beside(header: Path, names: Sequence[str]) -> list[Path]:
    """The paths of the data files that a header names: below its own folder.

    Raises:
        ReadError: a name leads out of that folder, or is none.
    """
    return [header.parent / _below(name, header) for name in names]


def _below(name: str, header: Path) -> PurePosixPath:
    windows, path = PureWindowsPath(name), PurePosixPath(name)
    if not name or "\0" in name or path.is_absolute() or windows.drive or windows.root:
        raise ReadError("its header names a data file by an absolute path, or by none: name it relative to the header",
                        f"{header}: {name!a}")  # fmt: skip
    if ".." in path.parts or ".." in windows.parts:
        raise ReadError("its header names a data file outside of the header's own folder", f"{header}: {name!a}")
    return path


def numbered(pattern: str, first: int, last: int, step: int) -> tuple[str, ...]:
    """The names of a pattern as C's printf fills it: ``slice%03d.raw`` from 1 to 10.

    Raises:
        ReadError: the pattern has not one number, or the range is none.
    """
    if not _PATTERN.fullmatch(pattern) or step == 0 or abs(last - first) // abs(step) >= _MOST_FILES:
        raise ReadError("its header names data files by a pattern that cannot be followed", repr(pattern))
    end = last + (1 if step > 0 else -1)
    return tuple(pattern % number for number in range(first, end, step))
