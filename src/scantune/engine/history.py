"""History of a training by step and epoch, in an append-only file that is truncated to the saved step on resume."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from scantune import files, tables
from scantune.engine import durable

Row = dict[str, Any]
JOURNAL_NAME, EXPORTED_NAME = "history.jsonl", "history.json"


@dataclass
class History:
    """Rows of steps and epochs.

    Rows are kept in memory and appended to ``journal`` by :meth:`sync`, which returns its length: a saved state has
    that length, and :meth:`restore` removes later rows.

    Attributes:
        journal: the file (one JSON row per line); None keeps rows in memory only.
        rows: all rows, ``{"kind": "step" | "epoch", …}``.
    """

    journal: Path | None = None
    rows: list[Row] = field(default_factory=list)
    _synced: int = 0
    _epochs: list[Row] = field(default_factory=list)

    def step(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Add the metrics of a step; step and epoch are counted from 1."""
        self.rows.append({"kind": "step", "step": step, "epoch": epoch, **values})

    def epoch(self, epoch: int, step: int, values: Mapping[str, Any]) -> None:
        """Add the metrics of an epoch."""
        self.rows.append({"kind": "epoch", "epoch": epoch, "step": step, **values})
        self._epochs.append(_without_kind(self.rows[-1]))

    def epochs(self) -> list[Row]:
        """Rows of the epochs, without ``kind``. Called at every step, so the rows of the steps are not searched."""
        return list(self._epochs)

    def steps(self) -> list[Row]:
        """Rows of the steps, without ``kind``."""
        return [_without_kind(row) for row in self.rows if row["kind"] == "step"]

    def sync(self) -> int:
        """Append new rows to the journal, durably; its length in rows."""
        unwritten = self.rows[self._synced :]
        if self.journal is not None and unwritten:
            files.append(self.journal, "".join(json.dumps(row) + "\n" for row in unwritten))
        self._synced = len(self.rows)
        return self._synced

    def restore(self, rows: int) -> None:
        """Truncate to the first ``rows`` rows of the journal; later rows and an incomplete line are removed."""
        self.rows = []
        if self.journal is not None and self.journal.exists():
            with self.journal.open("r+", encoding="utf-8", newline="\n") as file:
                self.rows = [json.loads(file.readline()) for _ in range(rows)]
                file.truncate(file.tell())
        self.take(self.rows)

    def take(self, rows: list[Row]) -> None:
        """Have these rows, which the journal, or that of the first process, has already."""
        self.rows, self._synced = rows, len(rows)
        self._epochs = [_without_kind(row) for row in rows if row["kind"] == "epoch"]

    def replace(self, rows: list[Row]) -> None:
        """Have these rows, in the journal too."""
        if self.journal is not None:
            files.write_text(self.journal, "".join(json.dumps(row) + "\n" for row in rows))
        self.take(rows)

    def export(self, folder: Path) -> None:
        """Write ``history.csv`` (a row per epoch), ``steps.csv`` (a row per step) and ``history.json`` (both)."""
        epochs, steps = self.epochs(), self.steps()
        tables.write_rows(folder / "history.csv", epochs)
        tables.write_rows(folder / "steps.csv", steps)
        durable.write_json(folder / EXPORTED_NAME, {"epochs": epochs, "steps": steps})


def _without_kind(row: Row) -> Row:
    return {k: v for k, v in row.items() if k != "kind"}


def rows_in(folder: Path, count: int) -> list[Row]:
    """The first rows of the journal, else of the exported history, in a folder; empty where it has neither."""
    journal, exported = folder / JOURNAL_NAME, folder / EXPORTED_NAME
    if journal.exists():
        with journal.open(encoding="utf-8") as file:
            return [json.loads(line) for line in islice(file, count)]
    return list(islice(_chronological(json.loads(exported.read_text())), count)) if exported.exists() else []


def _chronological(exported: Mapping[str, Any]) -> Iterator[Row]:
    """Rows of an exported history in the order of the training; what JSON has as null is NaN."""
    for epoch in exported["epochs"]:
        yield from (_read("step", row) for row in exported["steps"] if row["epoch"] == epoch["epoch"])
        yield _read("epoch", epoch)


def _read(kind: str, row: Mapping[str, Any]) -> Row:
    return {"kind": kind, **{name: math.nan if value is None else value for name, value in row.items()}}
