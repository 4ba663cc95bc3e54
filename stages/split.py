"""Subjects to sides, audited: ``python stages/split.py <dataset>`` → ``data/splits/<dataset>/``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scantune.config.load import load
from scantune.pipeline.project import named
from scantune.script import stage_main

if TYPE_CHECKING:
    from scantune.config.params import Params


def run(key: str) -> None:
    """:func:`split` with the files of samples in its errors and warnings."""
    from scantune.pipeline.naming import files_named

    params = load()
    named(params, "datasets", key)
    with files_named(params, key):
        split(params, key)


def split(params: Params, key: str) -> None:
    """Split ``datasets.<key>`` and audit the split against the manifest of the input of the same name."""
    from scantune import cohort
    from scantune.cohort.layout import write_layout
    from scantune.digests import SHORT, file_digest
    from scantune.pipeline.data.looked_up import number_targets
    from scantune.pipeline.data.targets import read_for_tasks
    from scantune.pipeline.naming import FileNames
    from scantune.tracking import open_run

    dataset, tracking = named(params, "datasets", key), params.tracking
    out, cache = Path("data/splits") / key, Path("data/cache") / key
    table = read_for_tasks(params, key, Path("."))
    records = table.records
    settings, notes = cohort.settled(records, dataset.split)
    numbers = number_targets(params, key)
    with open_run("split", key, dataset=key, enabled=tracking.enabled, require=tracking.require) as tracked:
        tracked.params({"split": settings.model_dump(mode="json")})
        assignments = cohort.split(records, settings, numbers)
        notes += cohort.rare(records, assignments, settings, numbers)
        out.mkdir(parents=True, exist_ok=True)
        cohort.write_splits(out / "splits.csv", assignments)
        write_layout(out, dataset)
        audit = cohort.audit(
            cache, assignments, settings, subjects_known=dataset.subjects_known, doubts=(*notes, *table.warnings)
        )
        audit.write(out / "audit.json")
        tracked.metrics(audit.counts())
        tracked.tags({"scantune.manifest": file_digest(cache / "manifest.csv", SHORT)})
        tracked.tags({"scantune.splits": file_digest(out / "splits.csv", SHORT)})
        tracked.artifact(out)
    for warning in audit.warnings:
        print(FileNames(params, key, records).added(warning))


if __name__ == "__main__":
    stage_main(run)
