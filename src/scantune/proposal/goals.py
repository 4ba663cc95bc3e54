"""What a table is to be learned for: the target, and the task that fits it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from scantune.amounts import number_of
from scantune.proposal import headings
from scantune.proposal.cleaning import are_dates
from scantune.records import ScantuneError
from scantune.tasks.catalogue import names, part, settings_of
from scantune.tasks.suggestion import FEW, NONE, LabelTable

Rows = Sequence[dict[str, str]]
_GRADES = ("none", "normal", "absent", "minimal", "trace", "mild", "slight", "moderate", "marked", "severe", "extreme")
_GRADED = re.compile(
    r"grad(e|ing)|level|stage|severity|score|schweregrad|bi-?rads|^kl$|kellgren|likert|rankin|nyha|fazekas|gleason|isup|"
    "density",
    re.I,
)
_PATH = re.compile(r"[\\/].*[\\/]|[^.]\.(png|jpe?g|tiff?|bmp|gif|dcm|dicom|nii|gz|avi|mp4|mov)$", re.I)
_CLASSES = re.compile(r"label|class|klasse|categor|kategorie|target|clase", re.I)
_COUNT = re.compile(r"(?<![a-z])(counts?|anzahl)(?![a-z])", re.I)
_ABBREVIATED = re.compile(r"dr$", re.I)  # a target, and one of several findings beside others
_FINDINGS = {"1", "0", "-1", "1.0", "0.0", "-1.0", ""}
_UNNAMED = 2  # rank of a column that is not named like a target
_BESIDE = 2  # strength of a suggestion of masks, beyond which the names of columns are known
_LEAST_LIKELY = 4  # rank of age and of measures of the body
_RECURRING = (3, 2)  # rows with a value that counts as a class, and of a table of few rows
_ROWS = 12  # of a table that is not of few
_FILLED = 0.2  # share of the rows that a column named like a target fills, below which a fuller one goes before
_SEVERAL = 3  # columns of 0 and 1 beside each other from which on they are findings
MASKS = "masks"
"""What ``--target`` names for a segmentation where the table has a target too."""
LABEL = "label"
"""Column that is written where a column for each class says it."""


@dataclass
class Goal:
    """A task for a table.

    Attributes:
        dataset: keys of the dataset: targets or masks, and ``recode``.
        task: the task's block.
        model: the network where the task requires a certain one.
        stratify: the target that the split is stratified on; "" for none.
        made: columns that are written anew → cells.
        notes: what else could be learned.
        findings: columns of 1 and 0 that the target, or the targets, are made of.
        guessed: nothing but its values makes the target's column one.
    """

    dataset: Mapping[str, Any]
    task: Mapping[str, Any]
    model: Mapping[str, Any]
    stratify: str
    made: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    guessed: bool = False

    @property
    def columns(self) -> list[str]:
        """Columns of the targets."""
        targets = self.dataset.get("targets") or {}
        return list(targets.values()) if isinstance(targets, Mapping) else list(targets)

    def answers(self, rows: Rows) -> dict[str, list[str]]:
        """Target to its cells; of a target that lists findings each finding as 1 or 0."""
        cells = {c: self.made[c] if c in self.made else [row[c] for row in rows] for c in self.columns}
        return settings_of(self.task).answer_cells(cells, self.task)


def choose(
    columns: Sequence[str], rows: Rows, taken: set[str], readers: Sequence[str], masks: str, target: str
) -> Goal:
    """The task and its target.

    Args:
        columns: of the table.
        rows: cells by column, as :mod:`cleaning` reads them.
        taken: columns that are something else.
        readers: columns of readers.
        masks: template of masks, "" for none.
        target: the column to predict, where the user named it.

    Raises:
        ScantuneError: the column named does not exist, or none can be a target.
    """
    drawn = bool(masks) and target == MASKS and MASKS not in columns
    if target and target not in columns and not drawn:
        raise ScantuneError(f"--target {target!r}: no such column; there are {', '.join(columns)}")
    cells = {c: [row[c] for row in rows] for c in columns}
    ranked, findings = _ranked(columns, cells, taken, readers), _findings(columns, cells, taken)
    notes: list[str] = []
    made: dict[str, list[str]] = {}
    whole = list(findings)
    short = 2 * sum(c.isupper() for c in findings) > len(findings)  # DR among ARMD, MH is one of them
    named = [c for rank, c in ranked if rank < _UNNAMED and not (c in findings and short and _ABBREVIATED.match(c))]
    if target or named or not findings:
        findings, whole = [], []
    elif _exclusive(findings, cells):
        name = LABEL if LABEL not in columns else "class"
        made[name] = cells[name] = [next((c for c in findings if _one(cells[c][i])), "") for i in range(len(rows))]
        for row, cell in zip(rows, made[name], strict=True):
            row[name] = cell
        notes.append(f"columns {findings[0]!r} to {findings[-1]!r} are one class each: joined in the column {name!r}")
        ranked, findings = [(0, name)], []
    best = "" if drawn else target or ("" if findings else next((c for _, c in ranked), ""))
    if not (target or masks or findings) and ranked and ranked[0][0] >= _LEAST_LIKELY:
        _refuse_lost([c for c in columns if c not in taken], cells, ranked[0][1])
    table = LabelTable({} if drawn else cells, best, bool(target) and not drawn, masks, findings)
    suggestions = [s for name in names() if (s := part(name, "settings").Settings.suggest(table)) is not None]
    if not suggestions:
        raise ScantuneError(_none(table, columns))
    chosen = max(suggestions, key=lambda suggestion: suggestion.strength)
    goal = Goal(chosen.dataset, chosen.task, chosen.model, chosen.stratify, made, notes, whole)
    known = bool(target or masks or whole) or chosen.strength > _BESIDE
    goal.guessed = not known and min((n for n, c in ranked if c == best), default=0) >= _UNNAMED
    if not (target or masks):
        goal.notes += _others(goal, ranked, findings, best, readers, cells)
    return _graded(goal, cells)


def _refuse_lost(columns: Sequence[str], cells: Mapping[str, Sequence[str]], best: str) -> None:
    """Refuse age, or a measure of the body, where a column that is named like a target is lost.

    Raises:
        ScantuneError: such a column has no cells, or as many values as a text.
    """
    named = [
        c
        for c in columns
        if headings.TARGET.search(c) and not (headings.is_id(c) or headings.group_of(c) or headings.is_technical(c))
    ]
    for column in (c for c in named if not are_dates(cells[c])):
        values = len({*cells[column]} - {""})
        if values != 1:
            why = f"{values} values" if values else "no cells, or rows of one file differ in it"
            raise ScantuneError(
                f"column {column!r} is named like a target and has {why}: correct the table, or name a column by "
                f"--target, such as {best}"
            )


def _none(table: LabelTable, columns: Sequence[str]) -> str:
    if table.findings:
        return f"of the findings {', '.join(table.findings[:5])} none has enough samples with and without it"
    if not table.target:
        alone = next((c for c in columns if headings.TARGET.search(c) and len(table.values(c)) == 1), "")
        if alone:
            (value,) = table.values(alone)
            rows = number_of(len(table.cells[alone]), "row")
            return f"no column looks like a target: {alone!r} has the one value {value!r} in {rows}, and a target two"
        return f"no column looks like a target: name it by --target; there are {', '.join(columns)}"
    return f"column {table.target!r} has {len(table.values(table.target))} values; a target needs two"


def _ranked(
    columns: Sequence[str], cells: Mapping[str, Sequence[str]], taken: set[str], readers: Sequence[str]
) -> list[tuple[int, str]]:
    """Columns that can be a target, with how little they look like one: by name, by measure, by values, the rest."""
    table = LabelTable(cells)
    ranked: list[tuple[int, str]] = []
    for column in (c for c in columns if c not in taken):
        values, total = table.values(column), len(cells[column])
        if headings.is_id(column) and not (len(values) == 2 and headings.is_status(column)):
            continue
        few, measured = len(values) <= max(FEW, total // 2), table.measured(column)
        if (
            len(values) < 2
            or not (few or measured)
            or _counts(cells[column])
            or _PATH.search(next(iter(values)))
            or are_dates(values)
        ):
            continue
        group = headings.group_of(column) and not headings.is_measured(column)
        if headings.TARGET.search(column) and not group:
            ranked.append((0 if headings.is_label(column) else 1, column))
        elif headings.is_measured(column):
            ranked.append((1, column))
        elif not group and headings.is_body(column):
            ranked.append((5, column))
        elif group or headings.is_technical(column) or headings.is_occasion(column):
            if headings.group_of(column) == "age" and measured:
                ranked.append((_LEAST_LIKELY, column))
        elif measured or _recurs(cells[column]):
            ranked.append((_UNNAMED, column))
    ranked += [(3, reader) for reader in readers[:1] if len(table.values(reader)) >= 2]
    sparse = {c: sum(map(bool, cells[c])) < _FILLED * len(cells[c]) for _, c in ranked}
    return sorted(ranked, key=lambda pair: (sparse[pair[1]], *pair[:1]) if pair[0] < _UNNAMED else pair[:1])


def _recurs(cells: Sequence[str]) -> bool:
    """Whether most of the cells are of two or more values that recur, as classes do."""
    counts = Counter(cell for cell in cells if cell)
    usual = [n for n in counts.values() if n >= _RECURRING[len(cells) < _ROWS]]
    return len(usual) > 1 and 2 * sum(usual) >= counts.total()


def _counts(cells: Sequence[str]) -> bool:
    """Whether a column numbers the rows."""
    if not all(cell.isdecimal() for cell in cells) or len(set(cells)) < len(cells):
        return False
    numbers = sorted(map(int, cells))
    return len(numbers) > FEW and numbers[0] <= 1 and numbers[-1] - numbers[0] == len(numbers) - 1


def _findings(columns: Sequence[str], cells: Mapping[str, Sequence[str]], taken: set[str]) -> list[str]:
    """The longest run of columns of 0, 1, −1 and empty cells, beside each other; none that counts, by its name."""
    best: list[str] = []
    run: list[str] = []
    for column in (c for c in columns if not _COUNT.search(c)):
        values = set(cells[column])
        technical = len(column) > 1 and headings.is_technical(column)  # H of ODIR's labels is no height
        other = column in taken or headings.group_of(column) or technical
        if values <= _FINDINGS and values - {""} and not other:
            run.append(column)
            best = run if len(run) > len(best) else best
        else:
            run = []
    return list(best) if len(best) >= _SEVERAL and any(_one(c) for f in best for c in cells[f]) else []


def _one(cell: str) -> bool:
    return cell in ("1", "1.0")


def _exclusive(findings: Sequence[str], cells: Mapping[str, Sequence[str]]) -> bool:
    """Whether each sample has exactly one of them, but for one in twenty that has none."""
    sums = Counter(sum(_one(cells[c][i]) for c in findings) for i in range(len(cells[findings[0]])))
    return max(sums) == 1 and sums[0] * 20 <= sums[1]


def _others(
    goal: Goal, ranked: Sequence[tuple[int, str]], findings: Sequence[str], best: str, readers: Sequence[str],
    cells: Mapping[str, Sequence[str]],
) -> list[str]:  # fmt: skip
    """Notes of what was a choice."""
    notes = []
    level = next((n for n, c in ranked if c == best), 0)
    others = [c for n, c in ranked if n <= max(level, 1) and c not in goal.columns]
    if best in readers:
        notes.append(f"no column has a consensus of the readers: {best!r} is the target (--target names another)")
    elif len(goal.columns) == 1:
        such = f", such as {', '.join(others[:4])}" if others else ""
        if level >= 2:
            notes.append(f"no column is named like a target: {best!r} is taken (--target names another{such})")
        elif others:
            notes.append(f"the target is {best!r}; --target names another{such}")
    number = "numbers" in settings_of(goal.task).loss_targets
    if number and _CLASSES.search(best) and all(cell.isdecimal() for cell in cells[best] if cell):
        notes.append(
            f"the whole numbers in {best!r} are taken for a measure: where they number classes, the task is "
            "`name: classification`"
        )
    rare = [word for word in goal.task.get("ignored", ()) if not NONE.match(word)]
    if rare:
        notes.append(f"findings of too few samples are ignored (task key `ignored`): {', '.join(rare)}")
    if findings:
        left = [c for c in findings if c not in goal.columns]
        notes.append(
            "-1 and empty cells of the findings count as unknown: task keys `uncertain` and `blank`"
            + (f"; too few samples have or have not {', '.join(left[:6])}" if left else "")
        )
    return notes


def _graded(goal: Goal, cells: Mapping[str, Sequence[str]]) -> Goal:
    """Grades in their order: words, letters from A on, or whole numbers of a column named as a grade or measure."""
    if not hasattr(settings_of(goal.task), "ordinal") or len(goal.columns) != 1:
        return goal
    column = goal.columns[0]
    values = {cell for cell in goal.made.get(column, cells.get(column, ())) if cell}
    folded = {value.strip().casefold(): value for value in values}
    if len(folded) > 2 and set(folded) <= set(_GRADES):
        order = [folded[word] for word in _GRADES if word in folded]
        goal.task = {**goal.task, "classes": order, "ordinal": True}
        return goal
    letters = sorted(folded)
    if len(letters) > 2 and _GRADED.search(column) and "".join(letters) == "abcdefg"[: len(letters)]:
        goal.task = {**goal.task, "classes": [folded[letter] for letter in letters], "ordinal": True}
        return goal
    numbers = sorted(float(v) for v in values) if all(re.fullmatch(r"\d+(\.0)?", v) for v in values) else []
    if len(numbers) > 2:
        without_gap = numbers == [numbers[0] + i for i in range(len(numbers))]  # 0, 1, 2, 9: 9 may be "unknown"
        if headings.is_measured(column) or (_GRADED.search(column) and without_gap):
            goal.task = {**goal.task, "ordinal": True}
        else:
            goal.notes.append(f"are the classes of {column!r} grades in order? Then the task has `ordinal: true`")
    return goal
