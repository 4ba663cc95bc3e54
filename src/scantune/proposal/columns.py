"""What the columns of a table are: subject, target, groups, readers, split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scantune.cohort.folders import SIDES
from scantune.proposal.source import FILE, MASK, SPLIT
from scantune.records import ScantuneError
from scantune.tasks.catalogue import names, part, settings_of
from scantune.tasks.suggestion import FEW, LabelTable, Suggestion

_SUBJECT = re.compile(r"(subject|patient|participant|case|person)([ _-]?(id|no|number|name))?\b|^(mrn|pid)$", re.I)
_NOT_SUBJECT = re.compile(r"\b(age|sex|gender|comment|history|weight|height|position)", re.I)
_GROUP = re.compile(
    r"(?<![a-z])(sex|gender|age|site|centre|center|hospital|clinic|scanner|vendor|manufacturer|view|device|probe|machine|"
    r"laterality|ethnicity|race)(?![a-z])", re.I
)  # fmt: skip
_SHORT = {"gender": "sex", "centre": "site", "center": "site", "hospital": "site", "clinic": "site"}
_READER = re.compile(r"^(reader|rater|observer|annotator)[ _-]?\w+$", re.I)
_TARGET = re.compile(r"(score|label|target|class|grade|quality|diagnosis|outcome|severity|finding|pathology)", re.I)
_NO_GROUP = re.compile(r"licen[cs]e|link|url|comment|note|remark|date|doi\b|version|change|path|file", re.I)
_LEVELS = 6  # of a column that becomes a group for its values alone
_GROUPS = 6  # groups that are proposed at most
_LESSER = 0.1  # share of the rows of its second most frequent value
_CLASS = 6  # subjects without which a class is excluded: two for each partition


@dataclass(frozen=True)
class Roles:
    """Keys of a dataset for its columns.

    Attributes:
        dataset: keys for ``datasets.<name>``.
        task: the task's block.
        model: the network where the task requires a certain one.
        stratify: the target that the split is stratified on; "" for none.
        reasons: key → what it follows from.
        notes: what could not be known.
        blank_subjects: rows whose subject is unknown.
    """

    dataset: dict[str, object]
    task: dict[str, object]
    model: dict[str, object]
    stratify: str
    reasons: dict[str, str]
    notes: list[str]
    subject: str | None
    blank_subjects: list[int]


def roles(columns: Sequence[str], rows: Sequence[Mapping[str, str]], used: set[str], masks: str, target: str) -> Roles:
    """Find out what columns are for.

    Args:
        columns: of the table.
        rows: cells by column.
        used: columns of file names.
        masks: template of masks, "" for none.
        target: the column to predict, where the user named it.

    Raises:
        ScantuneError: the column named does not exist, or none can be a target.
    """
    reasons: dict[str, str] = {}
    notes: list[str] = []
    subject = next((c for c in columns if _SUBJECT.search(c) and not _NOT_SUBJECT.search(c)), None)
    split = _split_column(columns, rows)
    readers = [c for c in columns if _READER.match(c)]
    named = [c for c in columns if _GROUP.search(c)]
    taken = {*used, FILE, MASK, *readers, *named, *([subject] if subject else []), *([split] if split else [])}
    goal = _goal(columns, rows, taken, masks, target)
    dataset: dict[str, object] = {}
    if subject:
        people = len({row[subject] for row in rows if row[subject]})
        dataset["subject"] = subject
        reasons["subject"] = f"{len(rows)} samples of {people} subjects: a subject is in one partition only"
    else:
        notes.append("no column names the subject: each sample counts as a subject of its own (key `subject`)")
    dataset |= _targets(goal, rows, subject, reasons)
    targets = _columns_of(goal)
    free = [c for c in columns if c not in {*used, FILE, MASK, SPLIT, subject, split, *readers, *targets}]
    answers = _answers(goal, rows)
    groups = _groups(free, named, rows, answers)
    if groups:
        dataset["groups"] = list(groups) if list(groups) == list(groups.values()) else groups
        reasons["groups"] = "columns of few values, and those known by their names; metrics are computed by each"
    if readers and goal.stratify:
        dataset["raters"] = readers
    if split:
        dataset["split"] = {"method": "predefined", "columns": split}
        missing = {"train", "validation", "test"} - {SIDES.get(row[split].lower(), "") for row in rows}
        filled = f"; {' and '.join(sorted(missing))} is a share of the training subjects" if missing else ""
        reasons["split"] = f"column {split!r} names the partitions{filled}"
    else:
        on = {"method": "stratified", "on": goal.stratify} if goal.stratify else {"method": "random"}
        dataset["split"] = {**on, "fractions": [0.7, 0.15, 0.15], "seed": 42}
    blank = [i for i, row in enumerate(rows) if subject and not row[subject]]
    return Roles(dataset, dict(goal.task), dict(goal.model), goal.stratify, reasons, notes, subject, blank)


def _goal(
    columns: Sequence[str], rows: Sequence[Mapping[str, str]], taken: set[str], masks: str, target: str
) -> Suggestion:
    if target and target not in columns:
        raise ScantuneError(f"--target {target!r}: no such column; there are {', '.join(columns)}")
    cells = {c: [row[c] for row in rows] for c in columns}
    table = LabelTable(cells, target or _target(columns, rows, taken), bool(target), masks)
    suggestions = [s for name in names() if (s := part(name, "settings").Settings.suggest(table)) is not None]
    if suggestions:
        return max(suggestions, key=lambda suggestion: suggestion.strength)
    if not table.target:
        raise ScantuneError(f"no column looks like a target: name it by --target; there are {', '.join(columns)}")
    raise ScantuneError(f"column {table.target!r} has {len(table.values(table.target))} values; a target needs two")


def _target(columns: Sequence[str], rows: Sequence[Mapping[str, str]], taken: set[str]) -> str:
    """The column that looks most like a target; "" where none does."""
    free = [c for c in columns if c not in taken and len({row[c] for row in rows} - {""}) > 1]
    named = [c for c in free if _TARGET.search(c)]
    rest = [c for c in free if len({row[c] for row in rows}) <= max(FEW, len(rows) // 2)]
    return next(iter(named or rest), "")


def _columns_of(goal: Suggestion) -> list[str]:
    targets = goal.dataset.get("targets") or {}
    return list(targets.values()) if isinstance(targets, Mapping) else list(targets)


def _targets(
    goal: Suggestion, rows: Sequence[Mapping[str, str]], subject: str | None, reasons: dict[str, str]
) -> dict[str, object]:
    """Targets with their gaps excluded, and a filter for classes of too few subjects."""
    block = dict(goal.dataset)
    targets, task = goal.dataset.get("targets"), settings_of(goal.task)
    if not isinstance(targets, Mapping) or len(targets) != 1 or task.takes_empty_targets:
        return block
    ((name, column),) = targets.items()
    empty = sum(not row[column] for row in rows)
    if empty:
        block["targets"] = {name: {"column": column, "missing": "exclude"}}
        reasons["targets"] = f"{empty} rows have no {column!r} and are excluded"
    if "classes" in task.loss_targets:
        people = {(row[column], row[subject] if subject and row[subject] else str(i)) for i, row in enumerate(rows)}
        counts = Counter(value for value, _ in people if value)
        rare = sorted(value for value, n in counts.items() if n < _CLASS)
        listed = ", ".join(f"{value} {n}" for value, n in counts.most_common(12))
        reasons.setdefault("targets", f"subjects by class: {listed}")
        if rare and len(counts) - len(rare) >= 2 and len(rows) >= 10 * _CLASS:
            block["where"] = {column: {"exclude": rare}}
            reasons["where"] = f"fewer than {_CLASS} subjects: too few for three partitions"
    return block


def _groups(
    free: Sequence[str],
    named: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    answers: Mapping[str, Sequence[str]],
) -> dict[str, str]:
    """Name of a group to its column: those known by name, then those of few values; never the answer itself."""
    several = [c for c in named if c in free and len({row[c] for row in rows}) > 1]
    few = [
        c
        for c in free
        if c not in named and "/" not in c and not _NO_GROUP.search(c) and not _TARGET.search(c) and _few(c, rows)
    ]
    chosen = [c for c in (*several, *few) if not _is_answer([row[c] for row in rows], answers)][
        : max(_GROUPS, len(several))
    ]
    groups: dict[str, str] = {}
    for column in chosen:
        match = _GROUP.search(column)
        short = _SHORT.get(match[1].lower(), match[1].lower()) if match else column
        plain = column.lower() in (short, match and match[1].lower()) or short in groups or short in chosen
        groups[column if plain else short] = column
    return groups


def _few(column: str, rows: Sequence[Mapping[str, str]]) -> bool:
    counts = Counter(row[column] for row in rows)
    empty = counts.pop("", 0)
    common = counts.most_common(2)
    return 2 <= len(counts) <= _LEVELS and empty <= 0.2 * len(rows) and common[1][1] >= max(2, _LESSER * len(rows))


def _answers(goal: Suggestion, rows: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """Target to its cells; of a target that lists findings each finding as 1 or 0."""
    cells = {column: [row[column] for row in rows] for column in _columns_of(goal)}
    return settings_of(goal.task).answer_cells(cells, goal.task)


def _is_answer(cells: Sequence[str], answers: Mapping[str, Sequence[str]]) -> bool:
    """Whether a column is, or determines, a target."""
    from scantune.tasks import baselining
    from scantune.tasks.predictions import PredictionTable

    table = PredictionTable.make({f"target/{name}": list(values) for name, values in answers.items()})
    return bool(baselining.answers(table, {"column": np.array(cells, dtype=object)}))


def _split_column(columns: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str | None:
    """A column whose cells all name a partition, training among them."""
    for column in columns:
        cells = {row[column].lower() for row in rows}
        if len(cells) > 1 and cells <= set(SIDES) and "train" in {SIDES[c] for c in cells}:
            return column
    return None
