"""What preprocess and split left on disk, as the sides that an experiment trains, validates and tests on."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from scantune.records import ScantuneError


@dataclass(frozen=True)
class Member:
    """One usable sample of an input.

    Attributes:
        sample_id: names its cached tensor.
        subject_id: the person.
        split: train, validation or test.
        fold: the fold in which it is held out, or None.
        targets: target name to text.
        groups: grouping column to text.
        raters: reader to text.
        facts: the other columns of ``manifest.csv``.
    """

    sample_id: str
    subject_id: str
    split: str
    fold: int | None
    targets: Mapping[str, str]
    groups: Mapping[str, str]
    raters: Mapping[str, str]
    facts: Mapping[str, str]


class Side(Sequence[Member]):
    """The samples of one side, in the manifest's order."""

    def __init__(self, members: Sequence[Member], cache: Path) -> None:
        self._members = tuple(members)
        self._cache = cache

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members)

    def __getitem__(self, index: Any) -> Any:
        return self._members[index]

    @cached_property
    def paths(self) -> list[Path]:
        """The cached tensors."""
        return [self._cache / "samples" / f"{m.sample_id}.safetensors" for m in self._members]

    @property
    def subjects(self) -> list[str]:
        """Subject of each sample."""
        return [m.subject_id for m in self._members]

    @property
    def digest(self) -> str:
        """A digest of which samples these are and of their tensors: the same data, the same digest."""
        text = "\n".join(f"{m.sample_id} {m.facts.get('tensor_digest', '')}" for m in self._members)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Sides:
    """All usable samples of an input, by side."""

    members: tuple[Member, ...]
    cache: Path

    def side(self, name: str) -> Side:
        """The samples of train, validation or test."""
        return Side([m for m in self.members if m.split == name], self.cache)

    def fold(self, held_out: int) -> tuple[Side, Side]:
        """Those that train where ``held_out`` is held out, and those that are."""
        folded = [m for m in self.members if m.fold is not None]
        return (
            Side([m for m in folded if m.fold != held_out], self.cache),
            Side([m for m in folded if m.fold == held_out], self.cache),
        )

    @property
    def folds(self) -> list[int]:
        """The folds there are."""
        return sorted({m.fold for m in self.members if m.fold is not None})

    @property
    def whole(self) -> Side:
        """Every usable sample."""
        return Side(self.members, self.cache)


def read_sides(cache: Path, splits: Path | None) -> Sides:
    """Join ``manifest.csv`` of an input with ``splits.csv`` of its dataset.

    Args:
        cache: ``data/cache/<input>``.
        splits: the file; None puts every sample on the test side (an external cohort).

    Raises:
        ScantuneError: a file is missing, with the command that makes it.
    """
    manifest = cache / "manifest.csv"
    for path, stage in ((manifest, f"preprocess@{cache.name}"), (splits, f"split@{splits.parent.name}" if splits else "")):
        if path is not None and not path.exists():
            raise ScantuneError(f"{path}: not here yet; run: dvc repro {stage}")
    assigned: dict[str, dict[str, str]] = {}
    if splits is not None:
        assigned = {row["sample_id"]: row for row in _rows(splits)}
    members = []
    for row in _rows(manifest):
        given = assigned.get(row["sample_id"]) if splits is not None else {"split": "test"}
        if given is not None:
            members.append(_member(row, given))
    return Sides(tuple(members), cache)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _member(row: Mapping[str, str], given: Mapping[str, str]) -> Member:
    def below(prefix: str) -> dict[str, str]:
        return {name.removeprefix(prefix): text for name, text in row.items() if name.startswith(prefix)}

    fold = given.get("fold") or ""
    return Member(
        sample_id=row["sample_id"],
        subject_id=row["subject_id"],
        split=given["split"],
        fold=int(fold) if fold else None,
        targets=below("target/"),
        groups=below("group/"),
        raters=below("rater/"),
        facts={name: text for name, text in row.items() if "/" not in name},
    )
