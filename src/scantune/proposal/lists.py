"""Partitions by lists of names, ``train.txt`` beside ``test.txt``, as detection and segmentation sets have them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from scantune.cohort.folders import SIDES
from scantune.proposal import headings
from scantune.proposal.listing import Listing, stem
from scantune.proposal.source import FILE, SPLIT, Source

_LIST = re.compile(r"lists?|ids?|names|(sub)?groups?|patients?|subjects?|cases|files|images|split|set")
_LARGEST = 20_000_000  # bytes of a list
_READINGS: tuple[Callable[[str], str], ...] = (
    lambda line: stem(line),  # of a file
    lambda line: line.rpartition("/")[2],  # a name without ending, with dots in it
)


def with_lists(source: Source, listing: Listing) -> Source:
    """The source with the partition of each file, where lists name every file, or its subject, once; else itself.

    Args:
        source: of a table or folder that has no partitions of its own.
        listing: the files, texts among its tables.
    """
    if any(headings.is_split(c) and len({row.get(c) for row in source.rows}) > 1 for c in source.columns):
        return source
    files, subject = [stem(file) for file in source.files], headings.subject_of(source.columns, source.rows)
    if len(set(files)) == len(files):
        source, found = _by(source, files, "files", listing)
        if found:
            return source
    people = [row[subject].strip().lower() for row in source.rows] if subject else []
    return _by(source, people, "samples", listing)[0] if all(people) and people else source


def _by(source: Source, keys: Sequence[str], what: str, listing: Listing) -> tuple[Source, bool]:
    """The source with the partitions of lists that name its files, or subjects; whether there are such lists."""
    for lists in _groups(listing):
        lines = {side: _lines(listing.root / path) for side, path in lists.items()}
        sides = max(
            ({side: set(map(read, own)) for side, own in lines.items()} for read in _READINGS),
            key=lambda sides: len(set(keys) & set().union(*sides.values())),
        )
        of = {name: side for side, names in sides.items() for name in names}
        found = sum(key in of for key in keys)
        if found * 2 < len(keys):
            continue
        named = ", ".join(lists.values())
        if found < len(keys) or len(of) < sum(map(len, sides.values())):
            unclear = f"they name {found} of {len(keys)} {what}" if found < len(keys) else "a name is in two of them"
            source.notes.append(f"{named} are not used for the partitions: {unclear}")
            continue
        return _written(source, [of[key] for key in keys], f"{named} name the partitions (column {SPLIT!r})"), True
    return source, False


def _groups(listing: Listing) -> list[Mapping[str, str]]:
    """Of each folder with lists of training and of another partition: side → path."""
    folders: dict[str, dict[str, str]] = defaultdict(dict)
    for path in listing.tables:
        side = _side(Path(path).stem)
        if side and path.lower().endswith((".txt", ".lst")):
            folders[path.rpartition("/")[0]].setdefault(side, path)
    return [lists for _, lists in sorted(folders.items()) if "train" in lists and len(lists) > 1]


def _side(name: str) -> str:
    """The partition of a list by its name: ``test_list``; of training and validation together the former."""
    words = [word for word in re.findall(r"[a-z]+", name.lower()) if not _LIST.fullmatch(word)]
    sides = {SIDES.get(word, "") for word in words}
    return "train" if sides == {"train", "validation"} else sides.pop() if len(sides) == 1 else ""


def _lines(path: Path) -> list[str]:
    """Lines of a list; none of a file that is no text, or too large for one."""
    if path.stat().st_size > _LARGEST:
        return []
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return []
    return [line.strip().replace("\\", "/").lower() for line in lines if line.strip()]


def _written(source: Source, sides: list[str], note: str) -> Source:
    written = replace(source.rewritten({FILE: source.files, SPLIT: sides}), class_folders=False) if (
        source.class_folders) else source.with_files().rewritten({SPLIT: sides})  # fmt: skip
    written = replace(written, template=f"{{{FILE}}}") if source.class_folders else written
    written.notes.append(note)
    return written
