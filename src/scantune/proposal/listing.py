"""Files below a folder: their names, and which of them seem to be images, masks or tables."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from scantune.amounts import number_of
from scantune.cohort.file_names import ENDING as ENDING
from scantune.cohort.file_names import IMAGES, NO_IMAGES, TABLES
from scantune.cohort.file_names import stem as stem
from scantune.io import kind_of, only_data
from scantune.io.detect import file_head, format_of
from scantune.io.folders import system_folder
from scantune.records import ReadError

MOST = 200_000
"""Files that are listed at most."""
_DRAWN = re.compile(
    r"(label(?!l?ed)|manual|annot|ground.?truth|(?<![a-z])gt(?![a-z])|segment|(?<![a-z])(d|prob)?seg(?![a-z])|"
    r"(?<![a-z])msk(?![a-z])|[ _-]lesion(?=\.[^/]*$|$))",
    re.I,
)
_LOOKED = 400  # files whose first bytes are read to tell why they are no images
_SHORTEST = 26  # bytes of the smallest picture, a GIF
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
        texts: relative paths of other texts that may have keys and values (``Info.cfg``).
    """

    root: Path
    names: tuple[str, ...]
    tables: tuple[str, ...] = ()
    complete: bool = True
    documents: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

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
    texts: list[str] = []
    for base, folders, files in os.walk(root):
        folders[:] = sorted(folder for folder in folders if not system_folder(folder))
        links += [Path(base, f).relative_to(root).as_posix() for f in folders if Path(base, f).is_symlink()]
        data = only_data(Path(base, file) for file in files)
        for file in (file for file in files if Path(base, file) not in data):
            name = Path(base, file).relative_to(root).as_posix()
            ending = Path(file).suffix.lower()
            inner = Path(file.lower().removesuffix(".gz")).suffix  # a table or text that is packed is no image either
            if inner in TABLES and not file.startswith("."):
                tables.append(name)
            if ending in (".json", ".xml") and not file.startswith("."):
                documents.append(name)
            own = file.startswith(".") or file.lower() == "desktop.ini"  # of the system, in any folder
            if ending in (".cfg", ".ini", ".txt", ".info") and not own:
                texts.append(name)
            no_image = inner in NO_IMAGES or file.upper() in ("LICENSE", "DICOMDIR")
            if not file.startswith(".") and not no_image:
                names.append(name)
        if len(names) >= MOST:
            break
    whole = len(names) < MOST
    documents, texts = sorted(documents), sorted(texts)
    return Listing(
        root, tuple(sorted(names)), tuple(sorted(tables)), whole, tuple(documents), tuple(links), tuple(texts)
    )


def without_content(listing: Listing, images: Sequence[str]) -> str:
    """A note of files that have an image's ending and no image inside, with the commonest reason; "" for none.

    Data sets of git-annex and Git LFS, and examples of a layout, have such files in the place of images.

    Args:
        listing: the files.
        images: those of them, or folders of them, that are images.
    """
    used = set(images)
    others = [n for n in listing.names if n not in used and n.rpartition("/")[0] not in used]
    named = [name for name in others if name.lower().endswith(IMAGES)]
    reasons = Counter(_no_image(listing.root / name) for name in spread(named, _LOOKED))
    del reasons[""]
    if not reasons:
        return ""
    some = ", ".join(named[:2])
    files = number_of(len(named), "file has", "files have")
    return f"{files} an image's ending but no image in it ({some}): {reasons.most_common(1)[0][0]}"


def _no_image(path: Path) -> str:
    """Why a file is no image; "" for an image."""
    try:
        head = file_head(path)
    except ReadError as error:
        return error.reason
    if len(head) < _SHORTEST:
        return "they are shorter than the header of any image, as in examples of a layout, or after a broken copy"
    return "" if format_of(head) != "unknown" else "by its first bytes it is of no known format"


def linked_out(root: Path, files: Sequence[str]) -> bool:
    """Whether a file is a link to a place outside of the folder."""
    home = root.resolve()
    return any(not (root / file).resolve().is_relative_to(home) for file in files)


def mask_rank(name: str) -> int:
    """2 for names of drawn structures, 1 for "mask" alone (also of fields of view), 0 for others."""
    return 2 if _DRAWN.search(name) else 1 if _MASK.search(name) else 0


def named_as_masks(files: Sequence[str]) -> str:
    """A note where the name of every sample is one of a mask; "" otherwise."""
    if not files or not all(mask_rank(stem(file)) for file in files):
        return ""
    some = ", ".join(files[:2])
    return (
        f"all files are named as masks ({some}) and are taken for images: if they are masks, their images are not there"
    )


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
