"""What is known about a public data set: address, licence, layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scantune.records import ScantuneError

_DEPTH = 3  # folders that an archive may wrap around the layout


@dataclass(frozen=True)
class RemoteFile:
    """A file of a data set.

    Attributes:
        url: where its makers publish it.
        name: under which it is saved.
        digest: ``md5:…`` or ``sha256:…`` as published; "" where none is.
    """

    url: str
    name: str
    digest: str = ""


@dataclass(frozen=True)
class PublicCohort:
    """One dataset of a public data set: what its blocks state beyond what follows from the files.

    Attributes:
        name: of its blocks.
        dataset: keys of ``datasets.<name>`` without ``root``, ``watch`` and ``table``.
        task: the task's block.
        table: the makers' own table below the root; "" where ``rows`` are written as a table.
        rows: cells by column.
        input: keys of ``inputs.<name>`` that replace what is proposed for the files.
        train: keys of the experiment's ``train`` that replace what is proposed.
        notes: files that are in no row, for the terminal.
        external_of: the cohort whose model is validated on this one; "" where it has a model of its own.
    """

    name: str
    dataset: Mapping[str, Any]
    task: Mapping[str, Any]
    table: str = ""
    rows: Sequence[Mapping[str, object]] = ()
    input: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    notes: Sequence[str] = ()
    external_of: str = ""


Prepare = Callable[[Path, Path], tuple[Path, list[PublicCohort]]]
"""(folder of the files, folder that may be written to) → (root of the datasets, the datasets)."""


@dataclass(frozen=True)
class PublicData:
    """A public data set.

    Attributes:
        name: as in ``scantune get <name>``.
        title: what it shows, with its size.
        page: where its makers describe it.
        licence: as they state it.
        prepare: recognises the layout and returns its datasets.
        files: what is downloaded; empty where the makers ask for an account or a form.
        published: a metric from the literature with its source; "" where none was found.
    """

    name: str
    title: str
    page: str
    licence: str
    prepare: Prepare
    files: tuple[RemoteFile, ...] = ()
    published: str = ""


def layout(folder: Path, needed: Sequence[str]) -> Path:
    """The folder, or the nearest one below it, that has files or folders of all these patterns.

    Raises:
        ScantuneError: there is none; with the patterns.
    """
    level = [folder]
    for _ in range(_DEPTH + 1):
        for place in level:
            if all(any(place.glob(pattern)) for pattern in needed):
                return place
        level = sorted(child for place in level for child in place.iterdir() if child.is_dir())[:100]
    raise ScantuneError(f"{folder}: no folder here has {', '.join(needed)}, as the data set's makers lay it out")


def one(folder: Path, *patterns: str) -> Path:
    """The first path of the first pattern that has any.

    Raises:
        ScantuneError: there is none.
    """
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            return path
    raise ScantuneError(f"{folder}: no {' or '.join(patterns)}")


def unused(files: Sequence[Path], among: int, why: str) -> list[str]:
    """A note of files that are in no row, none where there are no such files.

    Args:
        files: these.
        among: how many there are.
        why: what they lack.
    """
    names = ", ".join(file.name for file in files[:3]) + (" …" if len(files) > 3 else "")
    return [f"{len(files)} of {among} files are not in the table: {why} ({names})"] if files else []


#: Keys of a dataset whose table is written here.
WRITTEN: dict[str, Any] = {"files": "{file}", "sample": "{sample_id}"}
