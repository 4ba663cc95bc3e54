"""Files below a folder: their names, and which of them seem to be images, masks or tables."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from scantune.cohort.file_names import ENDING as ENDING
from scantune.cohort.file_names import NO_IMAGES, TABLES
from scantune.cohort.file_names import stem as stem
from scantune.cohort.folders import system_folder
from scantune.io import kind_of, only_data

MOST = 200_000
"""Files that are listed at most."""
_DRAWN = re.compile(r"(label|manual|annot|ground.?truth|(?<![a-z])gt(?![a-z])|segment|(?<![a-z])seg(?![a-z]))", re.I)
_MASK = re.compile(r"mask", re.I)


@dataclass(frozen=True)
class Listing:
    """The files below a folder that may be images.

    Attributes:
        root: the folder.
        names: relative paths with ``/``, sorted; hidden files, texts and the data files of headers are omitted.
        tables: relative paths of the tables.
        complete: whether all files were listed.
        documents: relative paths of the JSON and XML files.
        links: relative paths of folders that are symbolic links, whose files are not listed.
    """

    root: Path
    names: tuple[str, ...]
    tables: tuple[str, ...] = ()
    complete: bool = True
    documents: tuple[str, ...] = ()
    links: tuple[str, ...] = ()

    def notes(self) -> list[str]:
        """What was not looked into."""
        notes = [] if self.complete else [f"only {len(self.names)} files below {self.root} were listed"]
        if self.links:
            notes.append(
                f"folders that are links are not looked into ({', '.join(self.links[:5])}): put the files there, or "
                "name the folder above those that they lead to"
            )
        return notes

    @cached_property
    def known(self) -> frozenset[str]:
        """Files and the folders that contain them."""
        folders = {parent.as_posix() for name in self.names for parent in Path(name).parents}
        return frozenset(self.names) | (folders - {"."})


def list_files(root: Path) -> Listing:
    """The files below a folder, at most :data:`MOST`."""
    names: list[str] = []
    tables: list[str] = []
    documents: list[str] = []
    links: list[str] = []
    for base, folders, files in os.walk(root):
        folders[:] = sorted(folder for folder in folders if not system_folder(folder))
        links += [Path(base, f).relative_to(root).as_posix() for f in folders if Path(base, f).is_symlink()]
        data = only_data(Path(base, file) for file in files)
        for file in (file for file in files if Path(base, file) not in data):
            name = Path(base, file).relative_to(root).as_posix()
            ending = Path(file).suffix.lower()
            if ending in TABLES and not file.startswith("."):
                tables.append(name)
            if ending in (".json", ".xml") and not file.startswith("."):
                documents.append(name)
            if not file.startswith(".") and ending not in NO_IMAGES and file.upper() not in ("LICENSE", "DICOMDIR"):
                names.append(name)
        if len(names) >= MOST:
            break
    whole = len(names) < MOST
    return Listing(root, tuple(sorted(names)), tuple(sorted(tables)), whole, tuple(sorted(documents)), tuple(links))


def linked_out(root: Path, files: Sequence[str]) -> bool:
    """Whether a file is a link to a place outside of the folder."""
    home = root.resolve()
    return any(not (root / file).resolve().is_relative_to(home) for file in files)


def mask_rank(name: str) -> int:
    """2 for names of drawn structures, 1 for "mask" alone (also of fields of view), 0 for others."""
    return 2 if _DRAWN.search(name) else 1 if _MASK.search(name) else 0


def first_file(path: Path) -> Path:
    """The file, or the first one in a folder."""
    return next((p for p in sorted(path.iterdir()) if p.is_file()), path) if path.is_dir() else path


def are_dicom(root: Path, files: Sequence[str]) -> bool:
    """Whether files, or those in folders, are DICOM: five are looked at, evenly spread."""
    return all(kind_of(first_file(root / file)).startswith("dicom") for file in spread(files, 5))


def spread(items: Sequence[str], most: int) -> list[str]:
    """At most ``most`` items, evenly spread over all."""
    step = max(1, -(-len(items) // most))
    return list(items[::step])
