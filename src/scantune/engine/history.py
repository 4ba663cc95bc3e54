"""History of a training by step and epoch, in an append-only file that is truncated to the saved step on resume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scantune import files, tables
from scantune.engine import durable

Row = dict[str, Any]


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
        self._synced = len(self.rows)
        self._epochs = [_without_kind(row) for row in self.rows if row["kind"] == "epoch"]

    def export(self, folder: Path) -> None:
        """Write ``history.csv`` (a row per epoch), ``steps.csv`` (a row per step) and ``history.json`` (both)."""
        epochs, steps = self.epochs(), self.steps()
        tables.write_rows(folder / "history.csv", epochs)
        tables.write_rows(folder / "steps.csv", steps)
        durable.write_json(folder / "history.json", {"epochs": epochs, "steps": steps})


def _without_kind(row: Row) -> Row:
    return {k: v for k, v in row.items() if k != "kind"}
