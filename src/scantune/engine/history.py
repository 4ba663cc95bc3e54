"""What happened, step by step and epoch by epoch: kept in a file that grows, cut back to the saved step on resume."""

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

    Rows are kept in memory and appended to ``journal`` by :meth:`sync`, which returns its length: a saved state names
    that length, and :meth:`restore` forgets what was written after it.

    Attributes:
        journal: the file (one JSON row a line); None keeps rows in memory alone.
        rows: all rows, ``{"kind": "step" | "epoch", …}``.
    """

    journal: Path | None = None
    rows: list[Row] = field(default_factory=list)
    _synced: int = 0
    _epochs: list[Row] = field(default_factory=list)

    def step(self, step: int, epoch: int, values: Mapping[str, float]) -> None:
        """Keep a step's figures; both counted from 1."""
        self.rows.append({"kind": "step", "step": step, "epoch": epoch, **values})

    def epoch(self, epoch: int, step: int, values: Mapping[str, Any]) -> None:
        """Keep an epoch's figures."""
        self.rows.append({"kind": "epoch", "epoch": epoch, "step": step, **values})
        self._epochs.append(_bare(self.rows[-1]))

    def epochs(self) -> list[Row]:
        """The epochs' rows, without their kind. Asked for at every step: the steps' rows are not looked through."""
        return list(self._epochs)

    def steps(self) -> list[Row]:
        """The steps' rows, without their kind."""
        return [_bare(row) for row in self.rows if row["kind"] == "step"]

    def sync(self) -> int:
        """Append what is new to the journal, durably; its length in rows."""
        fresh = self.rows[self._synced :]
        if self.journal is not None and fresh:
            files.append(self.journal, "".join(json.dumps(row) + "\n" for row in fresh))
        self._synced = len(self.rows)
        return self._synced

    def restore(self, rows: int) -> None:
        """Go back to the first ``rows`` rows of the journal; the rest, and a half-written line, is cut off."""
        self.rows = []
        if self.journal is not None and self.journal.exists():
            with self.journal.open("r+", encoding="utf-8", newline="\n") as file:
                self.rows = [json.loads(file.readline()) for _ in range(rows)]
                file.truncate(file.tell())
        self._synced = len(self.rows)
        self._epochs = [_bare(row) for row in self.rows if row["kind"] == "epoch"]

    def export(self, folder: Path) -> None:
        """Write ``history.csv`` (a row an epoch), ``steps.csv`` (a row a step) and ``history.json`` (both)."""
        epochs, steps = self.epochs(), self.steps()
        tables.write_rows(folder / "history.csv", epochs)
        tables.write_rows(folder / "steps.csv", steps)
        durable.write_json(folder / "history.json", {"epochs": epochs, "steps": steps})


def _bare(row: Row) -> Row:
    return {k: v for k, v in row.items() if k != "kind"}
