"""``predictions.csv``: read from any tool, checked and written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from scantune.amounts import number_of
from scantune.class_names import EMPTY
from scantune.records import ScantuneError
from scantune.spelling import did_you_mean
from scantune.tables import write_csv

SPLITS = ("train", "validation", "test")
_SHOWN = 5

#: Values of a column, as given.
Column = Sequence[object] | np.ndarray


class PredictionsError(ScantuneError):
    """A predictions file that cannot be scored. The message lists everything that is wrong with it."""


class Faults:
    """Faults of a table, collected so that all are reported at once.

    Args:
        of_rows: the line of each row in its file, the header's is 1; None: the rows follow the header.
    """

    def __init__(self, of_rows: np.ndarray | None = None) -> None:
        self.lines: list[str] = []
        self._of_rows = of_rows

    def add(self, text: str) -> None:
        """One fault of the table as a whole."""
        self.lines.append(text)

    def rows(self, rows: Sequence[int] | np.ndarray, text: str, show: Sequence[object] | None = None) -> None:
        """One fault of several rows: their lines in the file, the first few by value.

        Args:
            rows: positions in the table, 0 is the first.
            text: what is wrong with them.
            show: their values.
        """
        if not len(rows):
            return
        lines = [int(row) + 2 if self._of_rows is None else self._of_rows[row] for row in rows[:_SHOWN]]
        listed = ", ".join(
            f"row {line}" + (f" ({show[i]!r})" if show is not None else "") for i, line in enumerate(lines)
        )
        rest = f" and {len(rows) - _SHOWN} more" if len(rows) > _SHOWN else ""
        self.lines.append(f"{text}: {listed}{rest}")

    def raise_for(self, name: str) -> None:
        """Raises PredictionsError if there are any."""
        if self.lines:
            count, lines = number_of(len(self.lines), "fault"), "\n  ".join(self.lines)
            raise PredictionsError(f"{name} cannot be used, {count}:\n  {lines}")


@dataclass(frozen=True)
class PredictionTable:
    """Predictions, one row a sample.

    Attributes:
        columns: column name to its N values: text (object array) as read, or numbers (float array) as computed.
        name: what messages call it (the file's name).
        parsed: settings of a task and what it reads from the table, see :func:`scantune.tasks.scoring.parse`.
        joined: settings of a task and the table of joined samples, see :func:`scantune.tasks.scoring.joined_table`.
        notes: what was noticed while reading it: another sheet, hidden rows, an old encoding, percent cells.
        lines: int [N], the line of each row in its file, for messages; None where the rows follow the header.
    """

    columns: Mapping[str, np.ndarray] = field(repr=False)
    name: str = "predictions.csv"
    parsed: list[tuple[object, object]] = field(default_factory=list, repr=False, compare=False)
    joined: list[tuple[object, PredictionTable]] = field(default_factory=list, repr=False, compare=False)
    notes: tuple[str, ...] = field(default=(), repr=False, compare=False)
    lines: np.ndarray | None = field(default=None, repr=False, compare=False)

    @classmethod
    def make(
        cls, columns: Mapping[str, Sequence[object] | np.ndarray], name: str = "predictions.csv"
    ) -> PredictionTable:
        """From columns of equal length; numbers become float64, all else text.

        Raises:
            PredictionsError: lengths differ.
        """
        arrays: dict[str, np.ndarray] = {}
        for key, values in columns.items():
            array = np.asarray(values)
            arrays[key] = array.astype(np.float64) if array.dtype.kind in "fiub" else _text_array(values)
        lengths = {len(v) for v in arrays.values()}
        if len(lengths) > 1:
            raise PredictionsError(f"{name}: columns of unequal length { {k: len(v) for k, v in arrays.items()} }")
        return cls(arrays, name)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    @property
    def sample_id(self) -> np.ndarray:
        """Text [N]; ``row-2`` and so on where the file has none."""
        if "sample_id" in self.columns:
            return self.text("sample_id")
        return _text_array([f"row-{i + 2}" for i in range(len(self))])

    @property
    def subject_id(self) -> np.ndarray:
        """Text [N]; each row a subject of its own where the file has none."""
        return self.text("subject_id") if "subject_id" in self.columns else self.sample_id

    @property
    def split(self) -> np.ndarray:
        """Text [N]; all ``test`` where the file has none."""
        return self.text("split") if "split" in self.columns else _text_array(["test"] * len(self))

    def text(self, column: str) -> np.ndarray:
        """A column as text, [N] objects; whole numbers without a decimal point."""
        values = self.columns[column]
        return values if values.dtype == object else _text_array([_plain(v) for v in values.tolist()])

    def numbers(self, column: str, faults: Faults) -> np.ndarray:
        """A column as float64 [N]: an empty cell or ``nan`` is NaN; anything else that is not a number is a fault."""
        values = self.columns[column]
        if values.dtype != object:
            return values.astype(np.float64)
        try:
            return np.where(values == "", "nan", values).astype(np.float64)
        except ValueError:
            parsed = np.array([_number(v) for v in values], dtype=object)
            bad = np.flatnonzero(parsed == None)  # noqa: E711 - elementwise
            faults.rows(bad, f"column {column}: not a number", values[bad].tolist())
            return np.array([np.nan if v is None else v for v in parsed], dtype=np.float64)

    def require(self, columns: Sequence[str], faults: Faults) -> bool:
        """Whether all of ``columns`` are there; each that is not is a fault with the nearest name."""
        missing = [c for c in columns if c not in self.columns]
        for column in missing:
            hint = did_you_mean(column, self.columns, f"; there are {', '.join(self.columns)}")
            faults.add(f"column {column} is missing{hint}")
        return not missing

    def take(self, rows: np.ndarray) -> PredictionTable:
        """Some of the rows: a bool mask [N] or indices."""
        lines = None if self.lines is None else self.lines[rows]
        return PredictionTable({k: v[rows] for k, v in self.columns.items()}, self.name, lines=lines)

    def with_columns(self, columns: Mapping[str, Column]) -> PredictionTable:
        """The same rows with columns added or replaced."""
        return replace(PredictionTable.make({**self.columns, **columns}, self.name), lines=self.lines)

    def check(self, faults: Faults) -> None:
        """What every predictions file must satisfy: unique samples, known splits, no blank ids."""
        if not len(self):
            faults.add("there are no rows")
            return
        for column in ("sample_id", "subject_id"):
            if column in self.columns:
                faults.rows(np.flatnonzero(self.text(column) == ""), f"column {column}: empty")
        if "subject_id" in self.columns:
            words = self.text("subject_id")
            absent = np.flatnonzero([text != "" and text.casefold() in EMPTY for text in words])
            if len(absent) > 1 and len(set(self.sample_id[absent])) > 1:  # NA of R is not one subject of all such rows
                faults.rows(absent, "column subject_id: a word for an empty cell", words[absent].tolist())
        unknown = np.flatnonzero(~np.isin(self.split.astype(str), SPLITS))
        faults.rows(unknown, f"column split: not one of {', '.join(SPLITS)}", self.split[unknown].tolist())
        if "sample_id" in self.columns:
            fold = self.text("fold") if "fold" in self.columns else self.split
            first_row: dict[tuple[str, str, str], int] = {}
            twice = [
                row
                for row, key in enumerate(zip(self.sample_id, self.split, fold))
                if first_row.setdefault(key, row) != row
            ]
            faults.rows(twice, "column sample_id: duplicate", self.sample_id[twice].tolist())


def check_range(p: np.ndarray, column: str, faults: Faults) -> None:
    """Faults of probabilities [N] outside 0 … 1; what is not finite is let pass."""
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero((p < 0) | (p > 1))
        percent = len(bad) > 0 and np.nanmin(p) >= 0 and 2 < np.nanmax(p) <= 100
    hint = "; where they are percent, write 37.4% or 0.374" if percent else ""
    faults.rows(bad, f"column {column}: a probability lies between 0 and 1{hint}", p[bad].tolist())


def grouped(columns: Iterable[str], start: str) -> dict[str, list[str]]:
    """The columns that begin with ``start`` by the target that they are of: ``<start><zone>/…`` of the zones that the
    columns ``target/<zone>`` name, else all are of one target, "", whose classes may have a / in their names.

    Args:
        columns: of a table.
        start: ``p/`` or ``logit/``.
    """
    columns = list(columns)
    zones = sorted((c.removeprefix("target/") for c in columns if c.startswith("target/")), key=len, reverse=True)
    groups: dict[str, list[str]] = {}
    for column in columns:
        if column.startswith(start):
            zone = next((zone for zone in zones if column.startswith(f"{start}{zone}/")), "")
            groups.setdefault(zone, []).append(column)
    return groups


def write(table: PredictionTable, path: Path | str) -> None:
    """Writes a predictions file atomically; text that a spreadsheet would run as a formula gets a ``'``."""
    write_csv(Path(path), list(table.columns), zip(*(_cells(v) for v in table.columns.values())))


def _cells(values: np.ndarray) -> list[str]:
    if values.dtype == object:
        return list(values)
    return ["" if v != v else _plain(v) for v in values.tolist()]


def _plain(value: float) -> str:
    if value != value:
        return ""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _number(text: object) -> float | None:
    try:
        return float(str(text)) if str(text).strip() else float("nan")
    except ValueError:
        return None


def _text_array(values: Sequence[object] | np.ndarray) -> np.ndarray:
    array = np.empty(len(values), dtype=object)
    array[:] = ["" if v is None else _plain(v) if isinstance(v, float) else str(v) for v in values]
    return array
