"""What subjects are stratified by: the classes of their samples, or the bin of their mean number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from scantune.class_names import label
from scantune.cohort import values
from scantune.records import Record

#: A numeric target of more distinct values than this is cut into bins before it is stratified by.
MANY_VALUES = 10
#: (target or group, its class as text or its bin as a number)
Label = tuple[str, str | int]
#: Target to whether a task takes it as a number.
Kinds = Mapping[str, bool]
NO_TASKS: Kinds = MappingProxyType({})
Subjects = Mapping[str, list[Record]]


def by_subject(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Subject to its records, in their order."""
    subjects: dict[str, list[Record]] = {}
    for record in records:
        subjects.setdefault(record.subject_id, []).append(record)
    return subjects


def crossed(
    subjects: Subjects, on: Sequence[str], balance: Sequence[str], bins: int, numbers: Kinds = NO_TASKS
) -> dict[str, frozenset[Label]]:
    """:func:`labels` of ``on``, and each combination of one of them with one of a group in ``balance``."""
    alone = labels(subjects, on, bins, numbers)
    if not balance:
        return alone
    groups = labels(subjects, balance, bins)
    return {
        subject: alone[subject]
        | {
            (f"{name} × {group}", f"{value} × {level}")
            for name, value in alone[subject]
            for group, level in groups[subject]
        }
        for subject in subjects
    }


def labels(subjects: Subjects, on: Sequence[str], bins: int, numbers: Kinds = NO_TASKS) -> dict[str, frozenset[Label]]:
    """Each subject's labels for every name in ``on``: classes of all its samples, or the bin of its mean score.

    A number is cut at its quantiles; equal cuts fall together, so that 30 % zeros are one bin.

    Args:
        subjects: each with its records.
        on: targets and groups.
        bins: of a number.
        numbers: targets that tasks take as a number (True: cut, however few values it has) or as classes (False: never
            cut, however many numbers name them). Any other is a number where it has more than ten distinct ones.
    """
    by_subject: dict[str, set[Label]] = {subject: set() for subject in subjects}
    for name in on:
        texts = {s: [t for r in rs if (t := _text(r, name)) != ""] for s, rs in subjects.items()}
        if numbers.get(name, _is_continuous({t for ts in texts.values() for t in ts})):
            means = {s: sum(map(float, ts)) / len(ts) for s, ts in texts.items() if ts}
            edges = _quantiles(sorted(means.values()), bins)
            for subject, mean in means.items():
                by_subject[subject].add((name, sum(mean > edge for edge in edges)))
        else:
            for subject, classes in texts.items():
                by_subject[subject] |= {(name, text) for text in classes}
    return {subject: frozenset(labels_) for subject, labels_ in by_subject.items()}


def _text(record: Record, name: str) -> str:
    """A target's or group's cell; numbers as they are compared: 1, 1.0 and 01 are one class."""
    return label(record.targets[name] if name in record.targets else record.groups.get(name, ""))


def _is_continuous(texts: set[str]) -> bool:
    if len(texts) <= MANY_VALUES:
        return False
    try:
        [values.number(text) for text in texts]
    except ValueError:
        return False
    return True


def _quantiles(ordered: list[float], bins: int) -> list[float]:
    return sorted({ordered[min(len(ordered) - 1, (len(ordered) * i) // bins)] for i in range(1, bins)})
