"""Identical files under different names: in two partitions they would make a test too easy."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path

from scantune.digests import file_digest, text_digest

_HEAD = 1 << 16  # bytes by which most files of one size differ


def repeated(root: Path, files: Sequence[str], subjects: Sequence[str] | None = None) -> dict[int, int]:
    """Index of a file → index of the first one with the same bytes, of another subject.

    Args:
        root: folder of the files.
        files: paths below it; folders are not compared.
        subjects: of each file; without them each file is a subject.
    """
    by_content: dict[tuple[int, str], list[int]] = defaultdict(list)
    for size, places in _by_size(root, files).items():
        for head, alike in _grouped(places, lambda i: _head(root / files[i])).items():
            digests = _grouped(alike, lambda i: file_digest(root / files[i])) if len(alike) > 1 else {head: alike}
            for digest, same in digests.items():
                by_content[size, digest] += same
    copies: dict[int, int] = {}
    for first, *others in by_content.values():
        copies |= {i: first for i in others if subjects is None or subjects[i] != subjects[first]}
    return dict(sorted(copies.items()))


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
    """Sizes that several files have, and those files."""
    sizes: dict[int, list[int]] = defaultdict(list)
    for i, file in enumerate(files):
        path = root / file
        if path.is_file():
            sizes[path.stat().st_size].append(i)
    return {size: places for size, places in sizes.items() if len(places) > 1}


def _grouped(places: Sequence[int], key: Callable[[int], str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for i in places:
        groups[key(i)].append(i)
    return groups


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return text_digest(file.read(_HEAD).hex())
