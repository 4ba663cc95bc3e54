"""Class folders: ``<class>/…`` or ``train/<class>/…``, ``val/<class>/…``, ``test/<class>/…``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from scantune.class_names import nfc
from scantune.cohort.faults import CohortError
from scantune.cohort.ids import digest_id
from scantune.cohort.template import below
from scantune.io import only_data
from scantune.io.folders import system_folder
from scantune.records import Record

SIDES = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validate": "validation",
    "dev": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
_NOT_IMAGES = {".txt", ".csv", ".tsv", ".json", ".md", ".xlsx", ".yaml", ".yml", ".db", ".ini", ".html", ".pdf", ".dvc"}


def load_folders(
    root: Path, *, target: str = "label", follow_links: bool = False, subject_from: str | None = None
) -> list[Record]:
    """One record a file, its target the name of its class folder, its split the name of the folder above.

    Ids of samples are digests; those of subjects are texts, to be compared (:func:`doubts.one_form`) before they become
    digests.

    Args:
        root: absolute folder.
        target: name that the class gets among the targets.
        follow_links: accept links out of ``root``.
        subject_from: regular expression for the subject's id in a file's name; without it each file is a subject.

    Raises:
        CohortError: no folders, sides and classes side by side, a class that one side has and training has not, file
            names in which ``subject_from`` finds nothing (all of them).
    """
    names = [path.name for path in _folders(root)]
    sides = [name for name in names if name.casefold() in SIDES]
    if sides and len(sides) < len(names):
        raise CohortError(
            f"class folders in {root}", [f"sides {sides} beside other folders {sorted(set(names) - set(sides))}"]
        )
    records: list[Record] = []
    nameless: list[str] = []
    for side in sides or [""]:
        for folder in _folders(root / side):
            for path in _files(folder, root, follow_links):
                name = path.relative_to(root).as_posix()
                subject = _subject(path.name, subject_from) if subject_from else name
                if not subject:
                    nameless.append(name)
                records.append(
                    Record(
                        sample_id=digest_id(name),
                        subject_id=subject,
                        files=(path,),
                        targets={target: nfc(folder.name)},
                        split=SIDES[side.casefold()] if side else None,
                    )
                )
    if nameless:
        raise CohortError(
            f"class folders in {root}",
            [f"{name!r} has no subject's id: nothing matches {subject_from!r}" for name in nameless],
        )
    _check(records, root, target)
    return records


def _subject(name: str, pattern: str) -> str:
    """What the pattern's first group matches in a file's name, all that it matches where it has none, or ""."""
    match = re.search(pattern, name)
    return "" if match is None else (match.group(1 if match.re.groups else 0) or "")


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise CohortError(f"no folder {folder}", ["'root' must be a folder of class folders"])
    return sorted(path for path in folder.iterdir() if path.is_dir() and not system_folder(path.name))


def _files(folder: Path, root: Path, follow_links: bool) -> Iterator[Path]:
    for base, folders, names in os.walk(folder, followlinks=follow_links):
        folders[:] = sorted(name for name in folders if not system_folder(name))
        data = only_data(Path(base, name) for name in names)
        for name in sorted(names):
            if (
                Path(base, name) not in data
                and not name.startswith(".")
                and Path(name).suffix.casefold() not in _NOT_IMAGES
            ):
                try:
                    yield below(root, str(Path(base, name)), follow_links=follow_links)
                except ValueError as error:
                    raise CohortError(f"class folders in {root}", [f"{Path(base, name)} {error}"]) from error


def _check(records: list[Record], root: Path, target: str) -> None:
    classes = {side: {r.targets[target] for r in records if r.split == side} for side in {r.split for r in records}}
    if not records:
        raise CohortError(f"class folders in {root}", ["no files: expected <class>/<file> or train/<class>/<file>"])
    known = classes.get("train", set().union(*classes.values()))
    faults = [
        f"{side} has the class {name!r}, which no training folder has; there are {sorted(known)}"
        for side, names in classes.items()
        for name in sorted(names - known)
    ]
    if faults:
        raise CohortError(f"class folders in {root}", faults)
