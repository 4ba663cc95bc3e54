"""Predictions files of any tool: settings that their columns settle, logits and calls as probabilities, gaps."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.amounts import number_of
from scantune.class_names import label, value
from scantune.cohort.doubts import form_free
from scantune.cohort.missing import codes
from scantune.records import ScantuneError
from scantune.statistics.calibration import expit
from scantune.statistics.logits import softmax
from scantune.tasks.catalogue import part
from scantune.tasks.labels import natural
from scantune.tasks.predictions import Faults, PredictionTable, grouped
from scantune.tasks.predictions_file import File, read

if TYPE_CHECKING:
    from scantune.tasks.base import TaskSettings

_LOGIT, _CALL, _PROBABILITY = "logit/", "prediction", "p/"

_COMMA = re.compile(r"[+-]?\d*(,\d+)?([eE][+-]?\d+)?(\s?%)?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")
_PERCENT = re.compile(r"\d*\.?\d+\s?%")


def settings_for(name: str, settings: Mapping[str, Any], columns: Sequence[str] = ()) -> Any:
    """A task's settings: those stated, then what the columns of a predictions file settle, then its defaults.

    Args:
        name: of the task.
        settings: setting to value.
        columns: of the file.

    Raises:
        ScantuneError: an unknown task or setting, a value that does not fit.
    """
    from pydantic import ValidationError

    from scantune.config.base import first_fault

    kind = part(name, "settings").Settings
    try:
        return kind.model_validate({**kind.from_columns(columns), **settings})
    except ValidationError as error:
        known = ", ".join(kind.model_fields)
        raise ScantuneError(f"--set {first_fault(error)}; {name} has the settings {known}") from error


def load(file: File, task: TaskSettings) -> tuple[PredictionTable, list[str]]:
    """Reads a predictions file for a task: logits and calls become probabilities.

    Args:
        file: the file, or the table that was read from it.
        task: settings of the task.

    Returns:
        The table, and what was done to it, in words.

    Raises:
        PredictionsError: it cannot be read; a probability or prediction is missing, with its rows.
    """
    file = read(file)
    written, notes = as_numbers(file)
    table, made = with_probabilities(written, task)
    refuse_missing(table, empty=task.empty_probabilities)
    return table, [*file.notes, *notes, *made, *_alike_subjects(table), *_codes(table)]


def _codes(table: PredictionTable) -> list[str]:
    """A line for each target that has numbers which registries write for missing values, far from all others."""
    lines = []
    for column in (c for c in table.columns if c.partition("/")[0] == "target"):
        counts = Counter(table.text(column).tolist())
        found = codes([text for text in counts if isinstance(value(text), float)])
        if found:
            some = ", ".join(f"{text} in {counts[text]}" for text in found)
            lines.append(f"column {column}: {some} rows count as values; leave the cells or rows of missing ones out")
    return lines


def _alike_subjects(table: PredictionTable) -> list[str]:
    """A line where ids of subjects differ in form alone: P1, p1 and P1.0 have intervals as of three."""
    subjects = set(table.text("subject_id")) if "subject_id" in table else set()
    more = len(subjects) - len({form_free(subject) for subject in subjects})
    if not more:
        return []
    how = "case, blanks, dashes, quotes, leading zeros, .0 or Unicode form"
    return [
        f"{number_of(more, 'subject id')} too many, if ids that differ in {how} alone are one: each counts for itself"
    ]


def as_numbers(table: PredictionTable) -> tuple[PredictionTable, list[str]]:
    """The table with decimal commas as points, and percentages in ``p/…`` as shares.

    A column counts as numbers with commas where all its cells are such; one whose every comma may as well separate
    thousands (``1,234``) stays as it is.

    Args:
        table: as read from a file, all text.

    Returns:
        The table, and what was done, in words.
    """
    commas: dict[str, np.ndarray] = {}
    shares: dict[str, np.ndarray] = {}
    for column in table.columns:
        cells = table.text(column).tolist()
        if _decimal_commas(cells):
            cells = [cell.replace(",", ".") for cell in cells]
            commas[column] = np.array(cells, dtype=object)
        filled = [cell for cell in cells if cell] if column.startswith(_PROBABILITY) else []
        if filled and all(_PERCENT.fullmatch(cell) for cell in filled):
            shares[column] = np.array([float(cell.rstrip("%")) / 100 if cell else np.nan for cell in cells])
    notes = [f"decimal commas: {', '.join(commas)}"] if commas else []
    notes += [f"percent, read as shares: {', '.join(shares)}"] if shares else []
    return (table.with_columns({**commas, **shares}) if notes else table), notes


def _decimal_commas(cells: Sequence[str]) -> bool:
    filled = [cell for cell in cells if cell]
    with_comma = [cell for cell in filled if "," in cell]
    return (
        bool(with_comma)
        and all(_COMMA.fullmatch(cell) for cell in filled)
        and not all(_THOUSANDS.fullmatch(cell) for cell in with_comma)
    )


def with_probabilities(table: PredictionTable, task: TaskSettings) -> tuple[PredictionTable, list[str]]:
    """The table with columns ``p/…``, from ``logit/…``, or else from the classes in ``prediction`` or ``prediction/…``.

    Logits go through softmax where the classes exclude each other and each has a column, else through the logistic
    function. Classes that a reader, or a model without probabilities, names count as probabilities 0 and 1.

    Args:
        table: the predictions.
        task: settings of the task.

    Returns:
        The table, and what was done, in words.

    Raises:
        PredictionsError: a logit is not a number; a call of a finding is neither 1 nor 0.
    """
    logits = [c for c in table.columns if c.startswith(_LOGIT)]
    present = any(c.startswith(_PROBABILITY) for c in table.columns)
    if present:
        return table, [f"the columns {_LOGIT}… were not read: the file has probabilities"] if logits else []
    if logits:
        return _from_logits(table, task.exclusive)
    calls = [c for c in table.columns if c == _CALL or c.startswith(_CALL + "/")]
    return _from_calls(table, calls, task) if calls and task.called else (table, [])


def _from_logits(table: PredictionTable, exclusive: bool) -> tuple[PredictionTable, list[str]]:
    faults = Faults(table.lines)
    probabilities: dict[str, np.ndarray] = {}
    how = "the logistic function"
    for columns in grouped(table.columns, _LOGIT).values():
        z = np.stack([table.numbers(c, faults) for c in columns], axis=1)  # [N, K]
        if exclusive and len(columns) > 1:
            how = "softmax"
            p = softmax(z)
        else:
            p = expit(z)
        probabilities |= {_PROBABILITY + c.removeprefix(_LOGIT): p[:, k] for k, c in enumerate(columns)}
    faults.raise_for(table.name)
    return table.with_columns(probabilities), [f"probabilities: {how} of the columns {_LOGIT}…"]


def _from_calls(table: PredictionTable, calls: Sequence[str], task: TaskSettings) -> tuple[PredictionTable, list[str]]:
    faults = Faults(table.lines)
    probabilities: dict[str, np.ndarray] = {}
    for column in calls:
        place = column.removeprefix(_CALL).removeprefix("/")
        called = np.array([label(text) for text in table.text(column)], dtype=object)
        blank = called == ""
        if not task.exclusive:
            odd = np.flatnonzero(~np.isin(called.astype(str), ("", "nan", "0", "1")))
            faults.rows(
                odd, f"column {column}: a call is 1 or 0; probabilities belong in p/{place}", called[odd].tolist()
            )
            probabilities[f"{_PROBABILITY}{place}"] = np.where(blank, np.nan, called == "1")
            continue
        target = f"target/{place}" if place else "target"
        spellings = task.call_classes
        called = np.array([spellings.get(name, name) for name in called], dtype=object)
        truth = [label(text) for text in table.text(target)] if target in table else []
        stated = list(spellings.values()) or truth
        stem = f"{_PROBABILITY}{place}/" if place else _PROBABILITY
        for name in natural([n for n in {*called.tolist(), *stated} if n]):
            probabilities[stem + name] = np.where(blank, np.nan, called == name)
    faults.raise_for(table.name)
    return table.with_columns(probabilities), [f"probabilities: 0 and 1, by the classes in {', '.join(calls)}"]


def refuse_missing(table: PredictionTable, *, empty: bool = False) -> None:
    """Refuses a file with a probability or prediction that is missing, or is no finite number.

    Args:
        table: the file.
        empty: a probability may be empty in all rows of a partition, or of a fold.

    Raises:
        PredictionsError: with the column and its rows.
    """
    faults = Faults(table.lines)
    for column in table.columns:
        if column.startswith(_PROBABILITY) or column.partition("/")[0] == _CALL:
            text = table.text(column)
            bad = [row for row, cell in enumerate(text) if cell.strip().lower() in ("", "nan", "inf", "-inf")]
            if empty and column.startswith(_PROBABILITY) and not any(text[bad]):
                bad = _scattered(table, bad)
            faults.rows(bad, f"column {column}: missing, or no finite number", text[bad].tolist())
    faults.raise_for(table.name)


def _scattered(table: PredictionTable, rows: Sequence[int]) -> list[int]:
    """Those of ``rows`` that are not all rows of their partition (with folds, of their fold)."""
    folds = table.text("fold") if "fold" in table else [""] * len(table)
    parts = list(zip(table.split.tolist(), folds, strict=True))
    whole = {part for part, count in Counter(parts[row] for row in rows).items() if count == parts.count(part)}
    return [row for row in rows if parts[row] not in whole]
