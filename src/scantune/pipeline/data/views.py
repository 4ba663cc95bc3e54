"""Several samples of one subject or study: targets that differ between them, and what is to be aggregated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scantune.class_names import EMPTY, label
from scantune.cohort.faults import Fault
from scantune.records import Record, ScantuneError
from scantune.tasks.aggregating import units
from scantune.tasks.base import TaskSettings

SHOWN = 10

#: A subject or study, and its samples.
Unit = tuple[str, list[Record]]


def notes(tasks: dict[str, TaskSettings], records: Sequence[Record]) -> list[str]:
    """A line for each class target that differs within subjects, with their ids and rows.

    It may be right (two examinations of one person) or not (two people of one id, a wrong label).

    Args:
        tasks: key of an experiment to its task.
        records: of the dataset.
    """
    targets = [target for task in tasks.values() if not _numbers(task) for target in task.target_names()]
    lines = []
    for target in dict.fromkeys(targets):
        odd = list(_differing(records, target, "subject_id"))
        if odd:
            several = sum(len(samples) > 1 for _, samples in _units(records, "subject_id"))
            usual = len(odd) > max(SHOWN, several / 2)  # a label of each sample, as of cells: one subject shows it
            shown = odd[: 1 if usual else SHOWN]
            listed = "; ".join(_described(unit, target) for unit in shown) + (" …" if len(odd) > len(shown) else "")
            lines.append(
                f"target {target!r} differs between the samples of {len(odd)} of {several} subjects with several: "
                f"{listed}"
            )
    return lines


def aggregation_faults(key: str, task: TaskSettings, records: Sequence[Record]) -> Iterator[Fault]:
    """What an evaluation would refuse to aggregate after the training: class targets that differ within a unit.

    Args:
        key: of the experiment.
        task: its task.
        records: of the dataset.
    """
    rule = getattr(task, "aggregate", None)
    if rule is None or _numbers(task):
        return
    as_predicted = _as_predicted(task, records)
    for target in dict.fromkeys(name for record in as_predicted for name in record.targets):
        telling = [record for record in as_predicted if task.exclusive or record.targets[target]]
        for unit in _differing(telling, target, rule.by):
            yield Fault(
                f"{key}.task.aggregate: target {target!r} differs within one {rule.by}: {_described(unit, target)}; "
                "correct the table, aggregate by a column of finer units, or remove the key",
                unit[1][0].row,
            )


def _as_predicted(task: TaskSettings, records: Sequence[Record]) -> list[Record]:
    """The records with the targets that ``predictions.csv`` would have: findings that are unknown are empty."""
    names = [name for name in task.target_names() if all(name in record.targets for record in records)]
    cells: dict[str, Sequence[str]] = {name: [record.targets[name] for record in records] for name in names}
    try:
        columns = task.target_columns(cells) if records and cells else {}
    except ScantuneError:  # a cell that is no target: told elsewhere
        columns = cells
    named = {c.partition("/")[2] or names[0]: texts for c, texts in columns.items()}
    return [
        replace(record, targets={name: texts[i] for name, texts in named.items()}) for i, record in enumerate(records)
    ]


def _numbers(task: TaskSettings) -> bool:
    """Whether targets are numbers, which may differ: they are aggregated as predictions are."""
    return "numbers" in task.loss_targets


def _differing(records: Sequence[Record], target: str, by: str) -> Iterator[Unit]:
    for name, samples in _units(records, by):
        if len({_value(record, target) for record in samples}) > 1:
            yield name, samples


def _units(records: Sequence[Record], by: str) -> list[Unit]:
    subjects = [record.subject_id for record in records]
    names = subjects if by == "subject_id" else units([record.groups.get(by, "") for record in records], subjects)
    found: dict[str, list[Record]] = {}
    for record, name in zip(records, names, strict=True):
        if by == "subject_id" or name.casefold() not in EMPTY:  # else the sample is joined with none
            found.setdefault(name, []).append(record)
    return list(found.items())


def _value(record: Record, target: str) -> str:
    """The target's text, numbers by their value: ``1`` and ``1.0`` are one class."""
    return label(record.targets.get(target, ""))


def _described(unit: Unit, target: str) -> str:
    """The unit with its samples; of many the first of each value, since those that differ may be far apart."""
    name, samples = unit
    first: dict[str, Record] = {}
    for record in samples:
        first.setdefault(_value(record, target), record)
    listed = (samples if len(samples) <= SHOWN else list(first.values()))[:SHOWN]
    values = ", ".join(f"{_place(record)}: {record.targets.get(target, '') or 'empty'}" for record in listed)
    return f"{name} ({values}{' …' if len(samples) > len(listed) else ''})"


def _place(record: Record) -> str:
    """Id of a sample and its row, where a table has it: ids may be digests, and notes name no files."""
    return record.sample_id if record.row is None else f"{record.sample_id} in row {record.row}"
