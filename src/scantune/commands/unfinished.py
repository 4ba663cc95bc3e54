"""Rows of ``scantune predict`` kept while it runs, so that a command that was stopped goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from scantune.digests import text_digest
from scantune.files import private
from scantune.records import ReadError

if TYPE_CHECKING:
    from scantune.cohort.unlabelled import Sample

SUFFIX = ".unfinished"
Row = dict[str, Any]


class Unfinished:
    """Rows in ``<table>.unfinished``, one JSON line each, until the table itself is written.

    A row is taken up again only from the same model, version and options, and while the sample's files have the sizes
    and times that they had; of a series on a server, while it has the same instances. A sample that could not be used
    is tried again, and one whose result could not be stored.

    Args:
        out: the table; one that is a device or a pipe keeps nothing.
        model: an opened model; one of another tool keeps nothing.
        options: what else the rows depend on.
        folders: column of a file written for a sample → its folder; a row whose file is gone is not taken up.
    """

    def __init__(self, out: Path, model: Any, options: Mapping[str, Any], folders: Mapping[str, Path]) -> None:
        self.path = out.with_name(out.name + SUFFIX)
        self.keeps = model.facts is not None and model.folder is not None and (out.is_file() or not out.exists())
        self.folders = folders
        self.kept = 0
        self.key = _model_key(model, options) if self.keeps else ""
        self.rows = self._read() if self.keeps else {}
        self.open = ExitStack()
        self.file: TextIO | None = None

    def row(self, sample: Sample) -> Row | None:
        """The row of a sample that the command before has answered; None where it has to be predicted."""
        row = self.rows.get(self._of(sample)) if self.rows else None
        if row is None or not all((self.folders[name] / row[name]).is_file() for name in self.folders if name in row):
            return None
        return row

    def keep(self, sample: Sample, row: Row) -> None:
        """Keep the row of a sample that was answered."""
        if not self.keeps or (row["reason"] and row.get("answered") != "no"):
            return
        if self.file is None:
            with private():  # it names the files, as the table does
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self.file = self.open.enter_context(self.path.open("a", encoding="utf-8"))
            self.file.write("\n")  # ends a line that a kill has cut off
        self.file.write(json.dumps([self._of(sample), row]) + "\n")
        self.file.flush()
        self.kept += 1

    def finish(self) -> None:
        """The table is written."""
        self.open.close()
        if self.keeps:
            self.path.unlink(missing_ok=True)

    def _of(self, sample: Sample) -> str:
        parts: tuple[object, ...] = (sample.source, [_state(path) for path in sample.source.files])
        if sample.address:
            parts = (sample.address, sample.instances, sample.source.series, sample.source.volume)
        return text_digest(repr((self.key, parts, sample.sample_id, sorted(sample.covariates.items()))))

    def _read(self) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else ():
            try:
                key, row = json.loads(line)
            except ValueError:  # a line that was cut off
                continue
            rows[key] = row
        return rows


def _model_key(model: Any, options: Mapping[str, Any]) -> str:
    """A digest of all that the rows depend on beside the samples."""
    from scantune.registry.model import weights_digest
    from scantune.registry.results import version_of
    from scantune.report.environment import environment

    parts = (version_of(model), weights_digest(model.folder), sorted(environment().items()), sorted(options.items()))
    return text_digest(repr(parts))


def _state(path: Path) -> list[tuple[str, int, int]]:
    """Path, size and time of a file and of the data files that its header names, or of all files below a folder."""
    from scantune.preprocess.sources import parts

    try:
        return [(str(part), part.stat().st_size, part.stat().st_mtime_ns) for part in sorted(parts(path))]
    except (OSError, ReadError):
        return []
