"""What the columns of a table are: subject, target, groups, readers, split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from scantune.amounts import number_of
from scantune.cohort.doubts import form_free
from scantune.cohort.values import is_empty
from scantune.proposal import goals, headings, partitions
from scantune.proposal.cleaning import Cleaned, are_dates, cleaned
from scantune.proposal.goals import Goal
from scantune.proposal.naming import lettered, subject_pattern
from scantune.proposal.signs import with_signs
from scantune.proposal.source import CONTENT, FILE, MASK, REGION, SPLIT
from scantune.tasks.catalogue import settings_of

Rows = Sequence[Mapping[str, str]]
_LEVELS = 6  # of a column that becomes a group for its values alone
_GROUPS = 6  # groups that are proposed at most
_LESSER = 0.1  # share of the rows of its second most frequent value
_CLASS = 6  # subjects without which a class is excluded: two for each partition; of few rows one for each
_LEAST = 3


@dataclass
class Roles:
    """Keys of a dataset for its columns.

    Attributes:
        dataset: keys for ``datasets.<name>``.
        task: the task's block.
        model: the network where the task requires a certain one.
        stratify: the target that the split is stratified on; "" for none.
        guessed: nothing but its values makes the target's column one.
        reasons: key → what it follows from.
        notes: what could not be known.
        subject: column of the subject's id, None where there is none.
        blank_subjects: rows whose subject is unknown.
        anew: column → cells that a dataset block cannot express: the table must be written.
    """

    dataset: dict[str, object]
    task: dict[str, object] = field(default_factory=dict)
    model: dict[str, object] = field(default_factory=dict)
    stratify: str = ""
    guessed: bool = False
    reasons: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    subject: str | None = None
    blank_subjects: list[int] = field(default_factory=list)
    anew: dict[str, list[str]] = field(default_factory=dict)

    def target_columns(self) -> list[str]:
        """The columns of the targets."""
        targets = self.dataset.get("targets")
        rules = targets.values() if isinstance(targets, Mapping) else []
        named = (rule.get("column") if isinstance(rule, Mapping) else rule for rule in rules)
        return [column for column in named if isinstance(column, str)]


def roles(columns: Sequence[str], rows: Rows, used: set[str], masks: str, target: str, named: str = "") -> Roles:
    """Find out what columns are for.

    Args:
        columns: of the table.
        rows: cells by column.
        used: columns of file names.
        masks: template of masks, "" for none.
        target: the column to predict, where the user named it.
        named: the column of file names that may say the subject, "" for none.

    Raises:
        ScantuneError: the column named does not exist, or none can be a target.
    """
    plain = {c for c in columns if c in used or c in (FILE, MASK, SPLIT, CONTENT) or headings.is_id(c)}
    rows, signs = with_signs(columns, rows, plain)
    table = cleaned(columns, rows, plain)
    table.anew |= signs
    found = Roles({})
    if signs:
        listed = ", ".join(list(signs)[:6])
        found.notes.append(f"words and marks for yes and no in {listed} are 1 and 0 in the table that is written")
    found.subject = _subject(columns, rows, found, named)
    subjects = [form_free(row[found.subject]) for row in rows] if found.subject else _parts(found, rows)
    split = partitions.of_columns(columns, rows, subjects)
    readers = [c for c in columns if headings.READER.match(c)]
    taken = {*used, FILE, MASK, CONTENT, *readers, *split.columns, *([found.subject] if found.subject else [])}
    goal = goals.choose(columns, table.rows, taken, readers, masks, target)
    found.notes += [*split.notes, *goal.notes]
    found.task, found.model, found.stratify = dict(goal.task), dict(goal.model), goal.stratify
    found.guessed = goal.guessed
    _targets(goal, table, subjects, found)
    targets = goal.columns
    naming = {c for c in used if not headings.group_of(c)}  # the view in a file's name is a group all the same
    free = [
        c
        for c in columns
        if c not in {*naming, FILE, MASK, REGION, SPLIT, CONTENT, found.subject, *split.columns, *readers}
    ]
    groups = _groups([c for c in free if c not in (*targets, *goal.findings)], table.rows, goal.answers(table.rows))
    if groups:
        found.dataset["groups"] = list(groups) if list(groups) == list(groups.values()) else groups
        found.reasons["groups"] = "columns of few values, and those known by their names; metrics are computed by each"
    found.notes += [note for column in free if (note := _modalities(column, table.rows))]
    raters = [c for c in readers if c not in targets]
    if raters and goal.stratify:
        found.dataset["raters"] = raters
    found.dataset["split"] = split.block or _drawn(goal.stratify)
    if split.reason:
        found.reasons["split"] = split.reason
    _cells(table, [*targets, *groups.values(), *raters], goal, found)
    found.blank_subjects = [i for i, row in enumerate(rows) if found.subject and is_empty(row[found.subject])]
    return found


def _modalities(column: str, rows: Rows) -> str:
    """A note where a column names several kinds of images; "" otherwise."""
    counts = Counter(row[column] for row in rows if row[column])
    if not headings.is_modality(column) or not 2 <= len(counts) <= _LEVELS:
        return ""
    listed = ", ".join(f"{value} {n}" for value, n in counts.most_common())
    first = counts.most_common(1)[0][0]
    return (
        f"column {column!r} names several kinds of images ({listed}), which one network would learn from: "
        f"`where: {{{column}: {first}}}` keeps one"
    )


def _drawn(stratify: str) -> dict[str, object]:
    on = {"method": "stratified", "on": stratify} if stratify else {"method": "random"}
    return {**on, "fractions": [0.7, 0.15, 0.15], "seed": 42}


def _subject(columns: Sequence[str], rows: Rows, found: Roles, named: str) -> str | None:
    """The column of the subject; else of what several samples share; else the part of a file's name that says it."""
    subject = headings.subject_of(columns, rows)
    letter = lettered([row[subject].strip() for row in rows]) if subject else None
    if letter:
        found.dataset["subject"] = {"column": subject, "match": letter.pattern}
        found.reasons["subject"] = f"{letter.reason}, are one subject's"
        found.notes.append(
            f"{letter.reason}, are taken for one subject's: set `subject: {subject}` if they are of different ones"
        )
        return None
    if subject:
        ids = {row[subject] for row in rows if not is_empty(row[subject])}
        people = len(set(map(form_free, ids)))
        found.dataset["subject"] = subject
        if people < len(ids):
            found.dataset["join_ids"] = True
            found.reasons["join_ids"] = f"{len(ids) - people} ids differ from others only in case, blanks or zeros"
            found.notes.append(
                f"ids in {subject!r} such as 7, 007 and 7.0, or P7 and p7, are one subject's, {len(ids) - people} of "
                f"{len(ids)}: set `join_ids: false` if they are of different ones"
            )
        found.reasons["subject"] = f"{len(rows)} samples of {people} subjects: a subject is in one partition only"
        return subject
    if CONTENT in columns:
        people = len({row[CONTENT] for row in rows})
        found.dataset["subject"] = CONTENT
        found.reasons["subject"] = f"digests of the patients' ids in the DICOM files: {people} of {len(rows)} samples"
        return CONTENT
    shared = {c: len({row[c] for row in rows if row[c]}) for c in headings.unit_of(columns)}
    several = {c: n for c, n in shared.items() if 2 <= n < len(rows)}
    if several:
        unit = min(several, key=lambda c: several[c])
        found.dataset["subject"] = unit
        found.reasons["subject"] = f"{several[unit]} of {len(rows)} samples: what shares it is in one partition only"
        found.notes.append(f"no column names the subject: {unit!r} is taken for it, the nearest that is there")
        return unit
    match = subject_pattern([row[named] for row in rows]) if named else None
    if match:
        found.dataset["subject"] = {"column": named, "match": match.pattern}
        found.reasons["subject"] = match.reason
        found.notes.append(f"no column names the subject: {match.reason} (key `subject`)")
        return None
    found.notes.append("no column names the subject: each sample counts as a subject of its own (key `subject`)")
    return None


def _parts(found: Roles, rows: Rows) -> list[str] | None:
    """The subject of each row where a pattern says it; None where each row is one."""
    import re

    part = found.dataset.get("subject")
    if not isinstance(part, dict):
        return None
    matches = [re.search(part["match"], row[part["column"]]) for row in rows]
    return [(m.group(1 if m.re.groups else 0) or "") if m else "" for m in matches]


def _targets(goal: Goal, table: Cleaned, subjects: Sequence[str] | None, found: Roles) -> None:
    """Targets with their gaps excluded, and a filter for classes of too few subjects."""
    block = dict(goal.dataset)
    targets, task = goal.dataset.get("targets"), settings_of(goal.task)
    if isinstance(targets, Mapping) and len(targets) == 1 and not task.takes_empty_targets:
        ((name, column),) = targets.items()
        empty = sum(not row[column] for row in table.rows)
        rule: dict[str, object] = {"column": column}
        if column in table.words:
            rule["values"] = table.words[column]
        if empty:
            rule["missing"] = "exclude"
            found.reasons["targets"] = f"{number_of(empty, 'row')} without {column!r}: excluded"
        if len(rule) > 1:
            block["targets"] = {name: rule}
        if "classes" in task.loss_targets:
            _rare(column, table.rows, subjects, block, found)
    elif isinstance(targets, Mapping):
        gaps = {c: sum(not row[c] for row in table.rows) for c in targets.values()}
        if any(gaps.values()) and not task.takes_empty_targets:
            block["targets"] = {n: {"column": c, "missing": "exclude"} if gaps[c] else c for n, c in targets.items()}
    found.dataset |= {key: value for key, value in block.items() if key != "recode"}


def fewest(rows: int) -> int:
    """Subjects without which a class is excluded."""
    return _CLASS if rows >= 10 * _CLASS else _LEAST


def _rare(column: str, rows: Rows, subjects: Sequence[str] | None, block: dict[str, object], found: Roles) -> None:
    people = {(row[column], subjects[i] if subjects and subjects[i] else str(i)) for i, row in enumerate(rows)}
    counts = Counter(value for value, _ in people if value)
    least = fewest(len(rows))
    if sum(n >= least for n in counts.values()) < 2:
        least = _LEAST  # the usual number would leave no second class
    rare = sorted(value for value, n in counts.items() if n < least)
    listed = ", ".join(f"{value} {n}" for value, n in counts.most_common(12))
    found.reasons.setdefault("targets", f"subjects by class: {listed}")
    if rare and len(counts) - len(rare) >= 2:
        block["where"] = {column: {"exclude": rare}}
        found.reasons["where"] = f"fewer than {least} subjects: too few for three partitions"
        out = sum(row[column] in rare for row in rows)
        found.notes.append(
            f"{out} of {len(rows)} rows are excluded: classes of {column!r} with fewer than {least} subjects "
            f"({', '.join(f'{value} {counts[value]}' for value in rare[:6])})"
        )
    elif rare:
        found.notes.append(
            f"classes of {column!r} have fewer than {least} subjects "
            f"({', '.join(f'{value} {counts[value]}' for value in rare[:6])}): too few for three partitions; collect "
            "more, or join them by `recode`"
        )


def _cells(table: Cleaned, named: Sequence[str], goal: Goal, found: Roles) -> None:
    """Keys and notes for the cells of the columns that are used."""
    columns = list(dict.fromkeys(named))
    own = goal.dataset.get("recode") or {}
    recode = {c: {**table.recode.get(c, {}), **own.get(c, {})} for c in columns}
    recode = {c: rule for c, rule in recode.items() if rule}
    if recode:
        found.dataset["recode"] = recode
        found.reasons["recode"] = "spellings and cells that stand for a missing value; the notes say which"
    if table.decimal == ",":
        found.dataset["decimal"] = ","
        found.reasons["decimal"] = "numbers of the table have commas"
    for column in columns:
        if column in goal.made:
            found.anew[column] = goal.made[column]
        elif column in table.anew:
            comma = table.decimal == ","
            found.anew[column] = [c.replace(".", ",") if comma else c for c in table.anew[column]]
        if column in table.notes and column not in goal.findings:
            found.notes.append(f"column {column!r}: {table.notes[column]}")


def _groups(free: Sequence[str], rows: Rows, answers: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Name of a group to its column: those known by name, then those of few values; never the answer itself."""
    known = [c for c in free if headings.group_of(c) and len({row[c] for row in rows}) > 1]
    few = [
        c for c in free
        if c not in known and "/" not in c and not headings.TARGET.search(c) and not headings.is_id(c)
        and not headings.is_technical(c) and _few(c, rows)
    ]  # fmt: skip
    chosen = [c for c in (*known, *few) if not _is_answer([row[c] for row in rows], answers)]
    return headings.short_names(chosen[: max(_GROUPS, len(known))], {})


def _few(column: str, rows: Rows) -> bool:
    counts = Counter(row[column] for row in rows)
    empty = counts.pop("", 0)
    if are_dates(counts):
        return False
    common = counts.most_common(2)
    return 2 <= len(counts) <= _LEVELS and empty <= 0.2 * len(rows) and common[1][1] >= max(2, _LESSER * len(rows))


def _is_answer(cells: Sequence[str], answers: Mapping[str, Sequence[str]]) -> bool:
    """Whether a column is, or determines, a target."""
    from scantune.tasks import baselining
    from scantune.tasks.predictions import PredictionTable

    table = PredictionTable.make({f"target/{name}": list(values) for name, values in answers.items()})
    return bool(baselining.answers(table, {"column": np.array(cells, dtype=object)}))
