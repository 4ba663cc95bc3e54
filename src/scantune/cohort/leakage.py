"""Check of a split: no subject and no image on two sides; similar images are listed; balance of the sides."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from scantune.amounts import number_of
from scantune.class_names import label
from scantune.cohort import values
from scantune.cohort.faults import CohortError
from scantune.cohort.manifest import Sample, read_manifest
from scantune.cohort.near import near_pairs
from scantune.cohort.splits_table import Assignment
from scantune.cohort.strata import MANY_VALUES
from scantune.config.dataset import SplitConfig
from scantune.files import write_json

SHOWN = 200  # pairs that are listed one by one
Z95 = 1.959964


class LeakageError(CohortError):
    """What is tested on was trained on."""


@dataclass(frozen=True)
class Pair:
    """Two similar samples, with the side of each."""

    one: str
    one_side: str
    other: str
    other_side: str
    correlation: float


@dataclass(frozen=True)
class AuditReport:
    """Findings of the audit; a leak raises instead.

    Attributes:
        sides: side to samples, subjects, targets and groups: counts of each value, or n, mean and sd.
        folds: the same of each fold; empty where there are none.
        left_out: samples of ``splits.csv`` that preprocess excluded.
        near_duplicates: the closest pairs on two sides, 200 at most.
        near_duplicates_total: how many there are.
        repeated: identical images within a side, as pairs of sample ids.
        warnings: as text.
        settings: of the split, with what the records decided.
    """

    sides: Mapping[str, Mapping[str, Any]]
    left_out: int
    near_duplicates: tuple[Pair, ...] = ()
    near_duplicates_total: int = 0
    repeated: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = field(default=())
    settings: Mapping[str, Any] = field(default_factory=dict)
    folds: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Flat numbers for a tracker: samples and subjects of each side and fold, near-duplicates, repeated images."""
        parts = {**self.sides, **self.folds}
        numbers = {f"{name}/{part}": parts[part][name] for part in parts for name in ("samples", "subjects")}
        numbers = {name.replace(" ", "_"): value for name, value in numbers.items()}
        return numbers | {"near_duplicates": self.near_duplicates_total, "repeated": len(self.repeated)}

    def write(self, path: Path) -> None:
        """As JSON."""
        write_json(path, asdict(self))


def audit(
    cache: Path,
    assignments: Sequence[Assignment],
    settings: SplitConfig,
    *,
    subjects_known: bool = True,
    doubts: Sequence[str] = (),
) -> AuditReport:
    """Check a split against the outputs of preprocess.

    Args:
        cache: the input's folder: ``manifest.csv`` and ``samples/``.
        assignments: the split, of the whole table.
        settings: thresholds.
        subjects_known: whether there are subject ids; without them shared subjects cannot be detected.
        doubts: warnings from reading the table; they come first.

    Raises:
        LeakageError: a subject on two sides, or the same image on two; all pairs named.
        CohortError: no sample of a side is left.
    """
    manifest = {sample.sample_id: sample for sample in read_manifest(cache / "manifest.csv")}
    placed = {a.sample_id: a for a in assignments}
    part_of = {name: _part(placed[name]) for name in manifest if name in placed}
    samples = [manifest[name] for name in part_of]
    _check_subjects(assignments)
    crossing, repeated = _identical(samples, part_of)
    if crossing:
        remedy = (
            "leave one of each pair out (datasets.<name>.where: {<column>: {exclude: [<value>]}}), or give both one "
            "subject where they are of one person; `scantune find <dataset> <id>` names the files"
        )
        raise LeakageError("the same image in two partitions", [*crossing, remedy])
    near = _near(samples, part_of, cache, settings)
    side_of = {name: placed[name].split for name in part_of}
    fold_of = {name: f"fold {placed[name].fold}" for name in part_of if placed[name].fold is not None}
    sides, folds = ({part: _balanced(samples, of, part) for part in _order(of)} for of in (side_of, fold_of))
    expected = {a.split for a in assignments} | {f"fold {a.fold}" for a in assignments if a.fold is not None}
    empty = sorted(expected - {*sides, *folds})
    if empty:
        raise CohortError("split", [f"no sample of {part} remains after preprocess" for part in empty])
    return AuditReport(
        sides=sides,
        left_out=len(placed) - len(samples),
        near_duplicates=tuple(near[:SHOWN]),
        near_duplicates_total=len(near),
        repeated=tuple(repeated),
        warnings=(
            *doubts,
            *_warnings(sides, near, repeated, settings, subjects_known),
            *_contradicting(samples, repeated),
        ),
        settings=settings.model_dump(mode="json", exclude_none=True),
        folds=folds,
    )


def _part(assignment: Assignment) -> str:
    """Side and fold: samples that differ in either are apart in some experiment."""
    return assignment.split if assignment.fold is None else f"{assignment.split}, fold {assignment.fold}"


def _balanced(samples: Sequence[Sample], part_of: Mapping[str, str], part: str) -> dict[str, Any]:
    return _balance([sample for sample in samples if part_of.get(sample.sample_id) == part])


def _order(part_of: Mapping[str, str]) -> list[str]:
    known = ["train", "validation", "test"]
    return sorted(set(part_of.values()), key=lambda part: (known.index(part) if part in known else -1, part))


def _check_subjects(assignments: Sequence[Assignment]) -> None:
    parts: dict[str, set[str]] = defaultdict(set)
    for assignment in assignments:
        parts[assignment.subject_id].add(_part(assignment))
    shared = [f"subject {subject!r} is in {sorted(sides)}" for subject, sides in parts.items() if len(sides) > 1]
    if shared:
        raise LeakageError("subjects in two partitions", shared)


def _identical(samples: Sequence[Sample], part_of: Mapping[str, str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Leaks as text, and pairs within a side, of samples with the same source bytes or the same tensor."""
    crossing: list[str] = []
    repeated: list[tuple[str, str]] = []
    for what, key in (("the same file", "digest"), ("the same pixels", "tensor_digest")):
        alike: dict[str, list[Sample]] = defaultdict(list)
        for sample in samples:
            alike[getattr(sample, key)].append(sample)
        for copies in alike.values():
            first, *others = copies
            for other in others:
                pair = (first.sample_id, other.sample_id)
                sides = (part_of[first.sample_id], part_of[other.sample_id])
                if sides[0] == sides[1]:
                    repeated.append(pair)
                else:
                    crossing.append(f"{pair[0]} ({sides[0]}) and {pair[1]} ({sides[1]}): {what}")
    named = {line.rsplit(":", 1)[0]: line for line in reversed(crossing)}
    return sorted(named.values()), sorted(set(repeated))


def _contradicting(samples: Sequence[Sample], repeated: Sequence[tuple[str, str]]) -> list[str]:
    """A warning where samples of the same pixels have different targets; two volumes of one file may."""
    known = {sample.sample_id: sample for sample in samples}
    odd = []
    for one, other in ((known[a], known[b]) for a, b in repeated):
        names = [n for n in one.targets if label(one.targets[n]) != label(other.targets[n])]
        if names and one.tensor_digest == other.tensor_digest:
            odd.append(f"{one.sample_id} and {other.sample_id} in {', '.join(names)}")
    return (
        [
            f"{number_of(len(odd), 'pair')} of one image "
            f"{'differs in its' if len(odd) == 1 else 'differ in their'} targets, first {odd[0]}: correct the table"
        ]
        if odd
        else []
    )


def _near(samples: Sequence[Sample], part_of: Mapping[str, str], cache: Path, settings: SplitConfig) -> list[Pair]:
    from safetensors.numpy import load_file

    def tensor(index: int) -> np.ndarray:
        return load_file(cache / "samples" / f"{samples[index].sample_id}.safetensors")["input"].astype(np.float32)

    pairs = near_pairs(
        [sample.perceptual_hash for sample in samples],
        [part_of[sample.sample_id] for sample in samples],
        tensor,
        bits=settings.near_duplicate_bits,
        correlation=settings.near_duplicate_correlation,
    )
    names = [sample.sample_id for sample in samples]
    return [
        Pair(names[p.one], part_of[names[p.one]], names[p.other], part_of[names[p.other]], p.correlation) for p in pairs
    ]


def _balance(samples: Sequence[Sample]) -> dict[str, Any]:
    """Samples, subjects, and each target and group: how often each value, or mean and spread of many numbers."""
    return {
        "samples": len(samples),
        "subjects": len({sample.subject_id for sample in samples}),
        "targets": {name: _spread([s.targets[name] for s in samples]) for name in samples[0].targets},
        "groups": {name: _spread([s.groups[name] for s in samples]) for name in samples[0].groups},
    }


def _spread(texts: Sequence[str]) -> dict[str, Any]:
    counts = Counter(texts)
    try:
        numbers = [values.number(text) for text in texts if text]
    except ValueError:
        numbers = []
    if len(counts) > MANY_VALUES and numbers:
        return {
            "n": len(numbers),
            "missing": len(texts) - len(numbers),
            "mean": round(float(np.mean(numbers)), 4),
            "sd": round(float(np.std(numbers, ddof=1)), 4) if len(numbers) > 1 else None,
            "min": min(numbers),
            "max": max(numbers),
        }
    return dict(sorted(counts.items()))


def _warnings(
    sides: Mapping[str, Mapping[str, Any]],
    near: Sequence[Pair],
    repeated: Sequence[tuple[str, str]],
    settings: SplitConfig,
    subjects_known: bool,
) -> list[str]:
    warnings = []
    if not subjects_known:
        warnings.append("no subject identifiers: each sample is treated as a separate subject; samples of one "
                     "person may be in two partitions, and intervals may be too narrow")  # fmt: skip
    needed = math.ceil((Z95 / settings.interval_half_width) ** 2 / 4)
    for side in ("validation", "test"):
        subjects = sides[side]["subjects"] if side in sides else needed
        if subjects < needed:
            warnings.append(
                f"{side} has {number_of(subjects, 'subject')}: the 95 % interval of a proportion can be "
                f"±{min(0.5, Z95 / 2 / math.sqrt(subjects)):.2f}; "
                f"for ±{settings.interval_half_width:g} it takes {needed}"
            )
    if near:
        first = near[0]
        warnings.append(
            f"{number_of(len(near), 'pair')} in two partitions {'is' if len(near) == 1 else 'are'} similar "
            f"(correlation {settings.near_duplicate_correlation:g} or more), "
            f"first {first.one} ({first.one_side}) and {first.other} ({first.other_side})"
        )
    if repeated:
        warnings.append(
            f"{number_of(len(repeated), 'image occurs', 'images occur')} twice in one partition, first "
            f"{repeated[0][0]} and {repeated[0][1]}"
        )
    return warnings
