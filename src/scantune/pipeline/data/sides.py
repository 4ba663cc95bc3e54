"""Outputs of preprocess and split, as the sides that an experiment trains, validates and tests on."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, overload

from scantune.amounts import number_of
from scantune.class_names import value
from scantune.cohort.manifest import Sample
from scantune.digests import SHORT, text_digest
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.params import Params
    from scantune.tasks.base import TaskSettings
    from scantune.tasks.protocol import Spacing


class Side(Sequence[Sample]):
    """The samples of one side, in the manifest's order."""

    def __init__(self, members: Sequence[Sample], cache: Path) -> None:
        self._members = tuple(members)
        self._cache = cache

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[Sample]:
        return iter(self._members)

    @overload
    def __getitem__(self, index: int) -> Sample: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Sample]: ...

    def __getitem__(self, index: int | slice) -> Sample | Sequence[Sample]:
        return self._members[index]

    def of(self, members: Sequence[Sample]) -> Side:
        """Some of its samples."""
        return Side(members, self._cache)

    @cached_property
    def paths(self) -> list[Path]:
        """The cached tensors."""
        return [self._cache / "samples" / f"{m.sample_id}.safetensors" for m in self._members]

    @property
    def mask_paths(self) -> list[Path] | None:
        """The cached tensors that the target masks are read from; None if each sample has its own mask."""
        if not any(m.mask_from for m in self._members):
            return None
        return [self._cache / "samples" / f"{m.mask_from or m.sample_id}.safetensors" for m in self._members]

    def check_cached(self) -> None:
        """Check every byte of the cached tensors before they are used: DVC does not verify its links again.

        Raises:
            ScantuneError: some differ from what preprocess wrote; with their ids.
        """
        from scantune.preprocess.store import damaged

        names = damaged(self._cache, self._members)
        if names:
            more = " …" if len(names) > 20 else ""
            raise ScantuneError(
                f"{number_of(len(names), 'prepared sample is', 'prepared samples are')} damaged: "
                f"{', '.join(names[:20])}{more}. Run: dvc repro -f preprocess@{self._cache.name}, which prepares "
                "them again"
            )

    @property
    def subjects(self) -> list[str]:
        """Subject of each sample."""
        return [m.subject_id for m in self._members]

    @property
    def digest(self) -> str:
        """Digest of the sample ids and their tensors: equal data, equal digest."""
        text = "\n".join(f"{m.sample_id} {m.tensor_digest}" for m in self._members)
        return text_digest(text, SHORT)

    @property
    def table_digest(self) -> str:
        """Digest of what the table says of the samples: subjects, targets and groups, whatever the images are."""
        return text_digest(repr([(m.sample_id, m.subject_id, [*m.targets.items()], [*m.groups.items()]) for m in self]))

    @property
    def source_digest(self) -> str:
        """Digest of the sample ids and their source files, independent of their preparation."""
        text = "\n".join(sorted(f"{m.sample_id} {m.digest}" for m in self._members))
        return text_digest(text, SHORT)


@dataclass(frozen=True)
class Sides:
    """All usable samples of an input, by side."""

    members: tuple[Sample, ...]
    cache: Path

    def side(self, name: str) -> Side:
        """The samples of train, validation or test."""
        return Side([m for m in self.members if m.split == name], self.cache)

    def fold(self, held_out: int) -> tuple[Side, Side]:
        """The samples that train when fold ``held_out`` is held out, and the held-out samples."""
        folded = [m for m in self.members if m.fold is not None]
        return (
            Side([m for m in folded if m.fold != held_out], self.cache),
            Side([m for m in folded if m.fold == held_out], self.cache),
        )

    @property
    def folds(self) -> list[int]:
        """All folds of the split."""
        return sorted({m.fold for m in self.members if m.fold is not None})

    @property
    def synthetic(self) -> bool:
        """Whether the samples are synthetic, from the column ``synthetic`` of the manifest."""
        return any(m.row.get("synthetic") == "true" for m in self.members)

    def only(self, sample_ids: Container[str]) -> Side:
        """The samples with these ids, on any side."""
        return Side([m for m in self.members if m.sample_id in sample_ids], self.cache)

    @property
    def all_samples(self) -> Side:
        """Every usable sample."""
        return Side(self.members, self.cache)


def split_subjects(side: Side, share: float, seed: int) -> tuple[Side, Side]:
    """Split a side by subjects: the rest, and a share of the subjects.

    Subjects are selected at even distances in the order of their targets, so that both parts resemble the side.

    Args:
        side: to be divided.
        share: fraction of the subjects; at least one subject and never all.
        seed: decides the order of subjects with equal targets.

    Raises:
        ScantuneError: fewer than two subjects.
    """
    first: dict[str, Sample] = {}
    for member in side:
        first.setdefault(member.subject_id, member)
    if len(first) < 2:
        raise ScantuneError(
            f"{number_of(len(first), 'subject')} cannot be split in two parts; at least two subjects are required"
        )

    def place(subject: str) -> tuple[list[tuple[float, str]], str]:
        targets = [_rank(text) for text in first[subject].targets.values()]
        return targets, text_digest(f"{seed} {subject}")

    order = sorted(first, key=place)
    count = min(len(order) - 1, max(1, round(share * len(order))))
    selected = {order[int((i + 0.5) * len(order) / count)] for i in range(count)}
    rest, part = ([m for m in side if (m.subject_id in selected) is is_selected] for is_selected in (False, True))
    return side.of(rest), side.of(part)


def _rank(text: str) -> tuple[float, str]:
    number = value(text)
    return (math.inf, number) if isinstance(number, str) else (number, "")


def read_sides(cache: Path, splits: Path | None, *, folds: bool = False) -> Sides:
    """Join ``manifest.csv`` of an input with ``splits.csv`` of its dataset.

    Args:
        cache: ``data/cache/<input>``.
        splits: the file; None puts every sample on the test side (an external cohort).
        folds: for an experiment with ``train.folds``; else the folds in the file are left out of account.

    Raises:
        ScantuneError: a file is missing, with the command that makes it.
    """
    from scantune.cohort import in_folds, read_splits, without_folds
    from scantune.preprocess import read_manifest

    for path, target in ((cache / "manifest.csv", f"preprocess@{cache.name}"), (splits, "")):
        if path is not None and not path.exists():
            raise ScantuneError(f"{path}: not found; run: dvc repro {target or f'split@{path.parent.name}'}")
    view = in_folds if folds else without_folds
    assigned = (
        None if splits is None else {assignment.sample_id: assignment for assignment in view(read_splits(splits))}
    )
    members = []
    for sample in read_manifest(cache / "manifest.csv"):
        assignment = None if assigned is None else assigned.get(sample.sample_id)
        if assigned is not None and assignment is None:
            continue  # excluded by the predefined split
        split, fold = (assignment.split, assignment.fold) if assignment else ("test", None)
        members.append(replace(sample, split=split, fold=fold))
    return Sides(tuple(members), cache)


def sides_of(params: Params, name: str, dataset: str | None, *, folds: bool = False) -> Sides:
    """The sides of an input, after a check that its cached tensors match its block; see :func:`read_sides`.

    Args:
        params: all settings.
        name: of the input.
        dataset: of the split; None puts every sample on the test side.
        folds: for an experiment with ``train.folds``.

    Raises:
        ScantuneError: also if the tensors were prepared with other settings; with the key and both values.
    """
    from scantune.preprocess.agreement import check_cache

    cache = Path("data/cache") / name
    splits = None if dataset is None else Path("data/splits") / dataset / "splits.csv"
    sides = read_sides(cache, splits, folds=folds)
    check_cache(name, params.inputs[name], cache, [member.shape for member in sides.members])
    return sides


def refuse_masks(key: str, schema: TaskSettings, sides: Sides) -> None:
    """Refuse masks with labels that are not classes of the task.

    Args:
        key: the experiment's name.
        schema: settings of its task.
        sides: the samples.

    Raises:
        ScantuneError: with the samples and their labels.
    """
    from scantune.preprocess.mask_labels import refuse_wrong_labels

    classes = schema.mask_classes
    texts = [(member.sample_id, str(member.row.get("mask_labels", ""))) for member in sides.members]
    where = f"{sides.cache / 'manifest.csv'}, column mask_labels"
    refuse_wrong_labels(texts, {key: classes} if classes else {}, rest=where)


def spacing_of(row: Mapping[str, str]) -> Spacing:
    """Spacing in mm along the spatial axes, from ``manifest.csv``; None if unknown."""
    text = row.get("spacing", "")
    return tuple(float(part) for part in text.split("x")) if text else None
