"""Covariates: columns of the table that a network has beside the image, as the numbers that it takes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from scantune.amounts import number_of
from scantune.cohort.values import is_empty
from scantune.records import ScantuneError
from scantune.statistics.ages import OLDEST, is_age, years

MANY_VALUES = 10
"""A column of numbers alone with more distinct values than this is a number, not a category."""
MAX_LEVELS = 50
"""The most levels of a category; a column with more is an id or a free text."""
CAPPED_AGE = 90.0
"""Ages over 89 are 90, as cohorts write them (``90+``)."""


@dataclass(frozen=True)
class Covariate:
    """One column.

    Attributes:
        name: of the column in tables and requests.
        kind: ``number`` or ``category``.
        levels: of a category, those of the training set, sorted.
        cap: the largest value of an age.
        span: smallest and largest number of the training set; None of a category.
    """

    name: str
    kind: str
    levels: tuple[str, ...] = ()
    cap: float | None = None
    span: tuple[float, float] | None = field(default=None, compare=False)

    def value(self, cell: object) -> float:
        """A cell as a number: of a category the level's index; NaN where it is empty or a level is unknown.

        Args:
            cell: text, number or None.

        Raises:
            ValueError: no number, where one is required.
        """
        text = plain(cell)
        if not text:
            return math.nan
        if self.kind == "category":
            level = self.level(text)
            return math.nan if level is None else float(self.levels.index(level))
        value = number(text)
        if not math.isfinite(value):
            raise ValueError(f"covariate {self.name!r} is {text[:40]!r}, and a number is required")
        return value if self.cap is None else min(value, self.cap)

    def level(self, text: str) -> str | None:
        """The level that a text of :func:`plain` is; None where it is unknown.

        ``true`` and ``false`` are one in any case: tables have TRUE, requests ``true``.
        """
        if text in self.levels or text.casefold() not in ("true", "false"):
            return text if text in self.levels else None
        return next((known for known in self.levels if known.casefold() == text.casefold()), None)

    def is_beyond(self, text: str) -> bool:
        """Whether a text of :func:`plain` is a number outside of those of the training set: perhaps of another unit."""
        if self.span is None or not math.isfinite(number(text)):
            return False
        low, high = self.span
        return not low <= number(text) <= (OLDEST if self.cap is not None and high >= self.cap else high)

    def describe(self) -> str:
        """Name, kind and levels as text."""
        if self.kind == "number":
            return f"{self.name} (number)"
        levels = ", ".join(self.levels[:8]) + (" …" if len(self.levels) > 8 else "")
        return f"{self.name} (category: {levels})"


@dataclass(frozen=True)
class Covariates:
    """The columns that a model has beside the image, in the order of its numbers."""

    columns: tuple[Covariate, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @classmethod
    def fit(cls, rows: Sequence[Mapping[str, str]], kinds: Mapping[str, str]) -> Covariates:
        """Kinds and levels from the training set.

        Args:
            rows: the cells of each training sample by column.
            kinds: column to ``auto``, ``number`` or ``category``.

        Raises:
            ScantuneError: a column with one value or none, with too many levels, or with texts among numbers.
        """
        return cls(tuple(_column(name, kind, [plain(row[name]) for row in rows]) for name, kind in kinds.items()))

    @classmethod
    def read(cls, described: Iterable[Mapping[str, Any]]) -> Covariates | None:
        """Those of :meth:`described`; None without any."""
        columns = [
            Covariate(d["name"], d["kind"], tuple(d["levels"]), d["cap"], tuple(d["span"] or ()) or None)
            for d in described
        ]
        return cls(tuple(columns)) if columns else None

    def described(self) -> list[dict[str, Any]]:
        """As JSON-serialisable values."""
        return [{**asdict(column), "levels": list(column.levels)} for column in self.columns]

    def row(self, cells: Mapping[str, object]) -> np.ndarray:
        """The numbers of one sample, float32 [Q]; NaN where unknown.

        Raises:
            ValueError: a column is absent, or no number; with its name.
        """
        absent = [name for name in self.names if name not in cells]
        if absent:
            raise ValueError(f"no column {absent[0]!r}; this model requires {', '.join(self.names)} beside the image")
        return np.array([column.value(cells[column.name]) for column in self.columns], np.float32)

    def rows(self, ids: Sequence[str], cells: Sequence[Mapping[str, object]]) -> np.ndarray:
        """The numbers of several samples, float32 [N, Q].

        Raises:
            ScantuneError: as :meth:`row`, with the samples.
        """
        encoded, faults = [], []
        for sample_id, row in zip(ids, cells, strict=True):
            try:
                encoded.append(self.row(row))
            except ValueError as error:
                faults.append(f"sample {sample_id}: {error}")
        if faults:
            listed = "\n  ".join(faults[:20])
            raise ScantuneError(
                f"{number_of(len(faults), 'sample has', 'samples have')} covariates that cannot be used:\n  {listed}"
            )
        return np.stack(encoded) if encoded else np.zeros((0, len(self.columns)), np.float32)

    def unknown_levels(self, cells: Iterable[Mapping[str, object]]) -> dict[str, Counter[str]]:
        """Column to the levels that the training set lacks, with their counts; they count as unknown values."""
        counted: dict[str, Counter[str]] = {}
        categories = [column for column in self.columns if column.kind == "category"]
        for row in cells:
            for column in categories:
                text = plain(row.get(column.name))
                if text and column.level(text) is None:
                    counted.setdefault(column.name, Counter())[text] += 1
        return counted

    def unlike(self, cells: Sequence[Mapping[str, object]]) -> list[tuple[str, Counter[str], str]]:
        """Columns with levels that the training set lacks or with numbers outside of its range; these with their
        counts; and what they are."""
        unknown = "not among the levels of the training set, taken for unknown"
        found = [(name, counts, unknown) for name, counts in self.unknown_levels(cells).items()]
        for column in self.columns:
            texts = (plain(row.get(column.name)) for row in cells)
            if column.span and (beyond := Counter(text for text in texts if column.is_beyond(text))):
                low, high = column.span
                found.append((column.name, beyond, f"outside of the training set's range, {low:g} to {high:g}"))
        return found

    def unlike_as_text(self, cells: Sequence[Mapping[str, object]]) -> list[str]:
        """A sentence for each column of :meth:`unlike`."""
        return [
            f"{name}: {', '.join(f'{text!r} ({count})' for text, count in counts.most_common(5))} {what}"
            for name, counts, what in self.unlike(cells)
        ]


def plain(cell: object) -> str:
    """A cell as text: empty for blank, NaN and None; whole numbers without a decimal point, so that 1.0 is 1."""
    text = "" if cell is None else str(cell).strip()
    if is_empty(text):
        return ""
    try:
        value = float(text)
    except ValueError:
        return text
    if not math.isfinite(value):
        return text
    digits = text.lstrip("+").lstrip("0")
    if digits.isascii() and digits.isdigit():  # a serial number has more digits than a float
        return digits
    return f"{value:.12g}"


def number(text: str) -> float:
    """A text as a number, ages also as DICOM writes them; NaN where it is none."""
    try:
        return float(text)
    except ValueError:
        return years(text)


def _column(name: str, kind: str, texts: Sequence[str]) -> Covariate:
    known = [text for text in texts if text]
    levels, where = sorted(set(known)), f"model.covariates: {name!r}"
    if len(levels) < 2:
        what = f"has the value {levels[0]!r} alone" if levels else "is empty"
        raise ScantuneError(f"{where} {what} in the training set, so that nothing can be learned from it; remove it")
    wrong = next((text for text in known if not math.isfinite(number(text))), None)
    if kind == "auto":
        kind = "number" if wrong is None and len(levels) > MANY_VALUES else "category"
    if kind == "number":
        if wrong is not None:
            raise ScantuneError(f"{where} is stated as a number, and the training set has {wrong!r}; state category")
        ages = is_age(name) or any(text.endswith("+") for text in known)
        numbers = [number(text) for text in known]
        return Covariate(name, kind, cap=CAPPED_AGE if ages else None, span=(min(numbers), max(numbers)))
    if len(levels) > MAX_LEVELS:
        raise ScantuneError(
            f"{where} has {len(levels)} levels in the training set ({', '.join(levels[:3])} …), at most {MAX_LEVELS} "
            "can be used; state number, or use a coarser column"
        )
    return Covariate(name, kind, tuple(levels))
