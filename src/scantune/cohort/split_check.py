"""Whether partitions can be scored: their subjects, and their classes of each target."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from scantune.amounts import number_of
from scantune.cohort.faults import CohortError
from scantune.cohort.splits_table import Assignment
from scantune.cohort.strata import NO_TASKS, Kinds, Subjects, by_subject, labels
from scantune.config.dataset import SplitConfig
from scantune.records import Record

Parts = Mapping[str, set[str]]


def rare(
    records: Sequence[Record],
    assignments: Sequence[Assignment],
    settings: SplitConfig,
    numbers: Kinds = NO_TASKS,
) -> list[str]:
    """A warning for each class of ``on`` that a side or fold lacks, with the subjects that have it by side or fold.

    Args:
        records: those that were assigned.
        assignments: of :func:`split`.
        settings: as there.
        numbers: as there.
    """
    subjects = by_subject(records)
    warnings = []
    for parts in _partitions(assignments):
        for (name, value), counts in _class_counts(parts, subjects, settings, numbers).items():
            lacking = [part for part, count in counts.items() if not count]
            if lacking:
                warnings.append(
                    f"{name} {value!r} is rare: "
                    f"{number_of(sum(counts.values()), 'subject has', 'subjects have')} it, {counts}; metrics of "
                    f"{', '.join(lacking)} are of the other classes"
                )
    return warnings


def _partitions(assignments: Sequence[Assignment]) -> list[Parts]:
    """Side to its subjects; and where there are folds, fold to its subjects."""
    sides: dict[str, set[str]] = defaultdict(set)
    folds: dict[str, set[str]] = defaultdict(set)
    for a in assignments:
        sides[a.split].add(a.subject_id)
        if a.fold is not None:
            folds[f"fold {a.fold}"].add(a.subject_id)
    return [dict(sorted(parts.items())) for parts in (sides, folds) if parts]


def _class_counts(
    parts: Parts, subjects: Subjects, settings: SplitConfig, numbers: Kinds
) -> dict[tuple[str, str], dict[str, int]]:
    """(name in ``on``, class) to the subjects that have it, by partition; bins of numbers are no classes."""
    members: dict[tuple[str, str], set[str]] = defaultdict(set)
    placed = set().union(*parts.values())
    for subject, names in labels(subjects, settings.on, settings.bins, numbers).items():
        for name, value in names:
            if isinstance(value, str) and subject in placed:
                members[name, value].add(subject)
    return {label: {part: len(having & ids) for part, ids in parts.items()} for label, having in members.items()}


def check(assignments: list[Assignment], subjects: Subjects, settings: SplitConfig, numbers: Kinds) -> None:
    """Every side has subjects, and every side and fold two classes of a target in ``on`` where there are two."""
    partitions = _partitions(assignments)
    count = {part: len(members) for parts in partitions for part, members in parts.items()}
    required = _required_partitions(settings)
    faults = [
        f"no subject in the partition {side!r}: {count} of {len(subjects)} subjects" for side in required - set(count)
    ]
    if faults:
        raise CohortError("split", [*faults, f"it needs at least {len(required)} subjects, or other 'fractions'"])
    targets = {name for records in subjects.values() for record in records for name in record.targets}
    for parts in partitions:
        classes = _class_counts(parts, subjects, settings, numbers)
        classes = {label: counts for label, counts in classes.items() if label[0] in targets}
        several = {name for name, _ in classes if sum(label[0] == name for label in classes) > 1}
        for part in parts if several else ():
            there = {name: [v for (n, v), c in classes.items() if n == name and c[part]] for name in several}
            if all(len(values_) < 2 for values_ in there.values()):
                faults.append(_of_one_class(part, classes, several))
    if faults:
        raise CohortError("split", faults)


def _of_one_class(part: str, classes: Mapping[tuple[str, str], Mapping[str, int]], names: Collection[str]) -> str:
    """That a partition cannot be scored, with what each class has elsewhere."""
    missing = [(label, counts) for label, counts in classes.items() if label[0] in names and not counts[part]]
    told = "; ".join(
        f"{name} {value!r} is missing there: {dict(counts)} subjects have it (there are {sum(counts.values())})"
        for (name, value), counts in missing
    )
    return (
        f"{part} has one class alone and cannot be scored: {told}. It takes more subjects of the class, fewer folds, "
        "method 'stratified', or 'where' to leave the class out"
    )


def _required_partitions(settings: SplitConfig) -> set[str]:
    """Sides that must not be empty."""
    if settings.method == "predefined":
        return {"train"} if not settings.folds else set()
    if settings.method == "group_out" and settings.folds:
        return {"test"} if settings.test else set()
    return {side for side, share in settings.shares.items() if share > 0} | ({"test"} if settings.test else set())
