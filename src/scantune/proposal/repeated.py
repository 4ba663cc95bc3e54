"""Identical images under different names: in two partitions they would make a test too easy."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from scantune import io
from scantune.digests import file_digest, text_digest
from scantune.records import ReadError

_PICTURES = {"png", "jpeg", "bmp", "gif", "webp", "tiff"}
_MOST = 5000  # pictures whose pixels are compared
_LARGEST = 2 << 30  # bytes of these
_THREADS = 4
_HEAD = 1 << 16  # bytes by which most files of one size differ


def repeated(root: Path, files: Sequence[str], subjects: Sequence[str] | None = None) -> dict[int, int]:
    """Index of a file → index of the first one with the same bytes or pixels, of another subject.

    Args:
        root: folder of the files.
        files: paths below it; folders are not compared. Pixels are compared of pictures such as PNG and JPEG, where
            these are few enough to be read: files that were saved anew differ in their bytes alone.
        subjects: of each file; without them each file is a subject.
    """
    by_content: dict[tuple[int, str], list[int]] = defaultdict(list)
    for size, places in _by_size(root, files).items():
        for head, alike in _grouped(places, lambda i: _head(root / files[i])).items():
            digests = _grouped(alike, lambda i: file_digest(root / files[i])) if len(alike) > 1 else {head: alike}
            for digest, same in digests.items():
                by_content[size, digest] += same
    copies: dict[int, int] = {}
    again = {i for _, *others in by_content.values() for i in others}
    groups = list(by_content.values())
    for places in _of_same_pixels(root, files, [i for i in range(len(files)) if i not in again]):
        own = [same for same in groups if same[0] in places]
        groups = [same for same in groups if same not in own] + [sorted({*places, *(i for same in own for i in same)})]
    for first, *others in groups:
        copies |= {i: first for i in others if subjects is None or subjects[i] != subjects[first]}
    return dict(sorted(copies.items()))


def _of_same_pixels(root: Path, files: Sequence[str], places: Sequence[int]) -> list[list[int]]:
    """Groups of pictures with the same pixels; none where there are too many to be read."""
    pictures = [i for i in places if (root / files[i]).is_file() and io.kind_of(root / files[i]) in _PICTURES]
    if len(pictures) > _MOST or sum((root / files[i]).stat().st_size for i in pictures) > _LARGEST:
        return []
    with ThreadPoolExecutor(_THREADS) as pool:
        sizes = dict(zip(pictures, pool.map(lambda i: _size(root / files[i]), pictures), strict=True))
        counts = Counter(sizes.values())
        some = [i for i in pictures if sizes[i] and counts[sizes[i]] > 1]
        contents = dict(zip(some, pool.map(lambda i: _pixels(root / files[i]), some), strict=True))
    groups = _grouped([i for i in some if contents[i]], contents.__getitem__)
    return [same for same in groups.values() if len(same) > 1]


def _size(path: Path) -> tuple[int, ...]:
    """Rows and columns by the file's header; () where it cannot be read."""
    try:
        return tuple(io.read_extent(path).shape)
    except ReadError:
        return ()


def _pixels(path: Path) -> str:
    """A digest of the pixels; "" where they cannot be read, or are all the same."""
    try:
        content = io.read(path)
    except ReadError:
        return ""
    if not isinstance(content, io.Image):
        return ""
    array = np.ascontiguousarray(content.array)
    return hashlib.sha256(f"{array.shape}{array.dtype}".encode() + array.tobytes()).hexdigest()


def contradicted(copies: Mapping[int, int], answers: Sequence[Hashable]) -> set[int]:
    """Files, among copies and what they are copies of, whose answers are not the same for all of them.

    Args:
        copies: as :func:`repeated` returns them.
        answers: what is to be learned of each file.
    """
    every: dict[int, set[int]] = defaultdict(set)
    for i, first in copies.items():
        every[first] |= {i, first}
    return {i for same in every.values() if len({answers[i] for i in same}) > 1 for i in same}


def _by_size(root: Path, files: Sequence[str]) -> dict[int, list[int]]:
    """Sizes that several files have, and those files; empty ones have no content to be a copy of."""
    sizes: dict[int, list[int]] = defaultdict(list)
    for i, file in enumerate(files):
        path = root / file
        if path.is_file() and (size := path.stat().st_size):
            sizes[size].append(i)
    return {size: places for size, places in sizes.items() if len(places) > 1}


def _grouped(places: Sequence[int], key: Callable[[int], str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i in places:
        groups[key(i)].append(i)
    return groups


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return text_digest(file.read(_HEAD).hex())
