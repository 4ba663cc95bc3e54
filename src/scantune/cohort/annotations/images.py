"""The images that annotations name, below a folder, and their sizes."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path, PurePath

from scantune import io
from scantune.cohort.file_names import ENDING, NO_IMAGES, UPLOADED, stem
from scantune.io.folders import system_folder
from scantune.records import ReadError

_EDGE = 1 << 15  # pixels of an edge of a mask, at most


class Images:
    """Files below a folder by their names, but for those of another folder in it.

    Attributes:
        folder: absolute.
        names: paths below it, with ``/``.
    """

    def __init__(self, folder: Path, without: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.names = _listed(self.folder, without)
        self._named: dict[str, list[str]] = defaultdict(list)
        for name in self.names:
            base = _folded(name).rpartition("/")[2]
            for key in dict.fromkeys((base, stem(base))):
                self._named[key].append(name)
        self.size = lru_cache(None)(self._size)

    def find(self, name: str, near: Path | None = None) -> list[str]:
        """The files that a name can mean, one where it is known: with or without folders and ending, any case, umlauts
        as one letter or two.

        Of several, those that are named as masks are none of them, and none is meant where the name has a folder beside
        theirs.

        Args:
            name: of an image, as an annotation has it, also of another machine (``C:\\scans\\a.png``).
            near: file of the annotation; of several images of one name the nearest is taken.
        """
        text = _folded(name.replace("\\", "/")).strip("/ ")
        base = text.rpartition("/")[2]
        plain = UPLOADED.sub("", base)
        keys = dict.fromkeys((base, stem(base), plain, stem(plain)))
        files = next((self._named[key] for key in keys if key in self._named), [])
        base = base if not files or base == plain or stem(base) in self._named else plain
        if ENDING.search(base):  # a.png is not a.jpg where both are there
            files = [one for one in files if _folded(one).endswith(base)] or files
        if len(files) > 1:
            files = [one for one in files if "mask" not in one.lower()] or files
            shared = [_shared(ENDING.sub("", text), ENDING.sub("", _folded(one))) for one in files]
            files = _most(files, shared)
            if len(files) > 1 and 1 < max(shared) < len(text.split("/")):
                return []  # of another folder than any of them
        if len(files) > 1 and near is not None:
            here = near.resolve()
            files = _most(files, [len(PurePath(os.path.commonpath([self.folder / one, here])).parts) for one in files])
        return files

    def _size(self, name: str) -> tuple[int, int] | str:
        try:
            extent = io.read_extent(self.folder / name)
        except ReadError as error:
            return error.reason
        if extent.kind != "image":
            return f"it is a {extent.kind}: outlines and run lengths are of pictures"
        height, width = extent.shape[::-1] if extent.turn > 4 else extent.shape  # as stored: 'mask_grid' turns masks
        if max(height, width) > _EDGE:
            return f"it has {width}×{height} pixels; masks of at most {_EDGE} along an edge are drawn"
        return height, width


def size_fault(stated: tuple[float, float], size: tuple[int, int], image: str) -> str:
    """What is wrong where an annotation was drawn on another size than the image's; "" for nothing.

    Args:
        stated: height and width that the annotation has.
        size: height and width of the image.
        image: its path, for the words.
    """
    if tuple(stated) == size:
        return ""
    why = "is it turned by an EXIF tag? Save it upright" if tuple(stated)[::-1] == size else (
        "is it a copy of another size?"
    )  # fmt: skip
    return f"drawn on {stated[1]:g}×{stated[0]:g} pixels, and {image} has {size[1]}×{size[0]}: {why}"


def _folded(name: str) -> str:
    """A name as names are compared: in lower case, and composed, since macOS writes ä as a and two dots."""
    return unicodedata.normalize("NFC", name).lower()


def _listed(folder: Path, without: Path | None) -> list[str]:
    names: list[str] = []
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(one for one in folders if not system_folder(one) and Path(base, one) != without)
        data = io.only_data(Path(base, file) for file in files)
        names += [
            Path(base, file).relative_to(folder).as_posix()
            for file in sorted(files)
            if not file.startswith(".") and Path(file).suffix.lower() not in NO_IMAGES and Path(base, file) not in data
        ]
    return names


def _shared(text: str, path: str) -> int:
    """Parts that two paths have in common at their end."""
    count = 0
    for one, other in zip(reversed(text.split("/")), reversed(path.split("/")), strict=False):
        if one != other:
            break
        count += 1
    return count


def _most(names: Sequence[str], scores: Sequence[int]) -> list[str]:
    return [name for name, score in zip(names, scores, strict=True) if score == max(scores)]
