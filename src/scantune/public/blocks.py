"""Blocks of params.yaml for a public data set: its meaning is known, the rest is proposed for its files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from scantune import cohort
from scantune.config.dataset import DatasetConfig
from scantune.config.watching import entry as watched_entry
from scantune.config.watching import unwatched
from scantune.proposal import settings
from scantune.proposal.blocks import Proposed, watch_of
from scantune.proposal.survey import Survey, survey
from scantune.public.entry import PublicCohort, PublicData
from scantune.tables import write_rows

_TRAIN = 0.7  # share of the samples that train, where the table has no partitions


def proposed(data: PublicData, root: Path, cohorts: Sequence[PublicCohort], out: Path) -> Proposed:
    """The blocks of all datasets; tables that they need are written below ``out``.

    Args:
        data: the data set.
        root: folder of its files.
        cohorts: as its layout has them.
        out: folder that may be written to.

    Raises:
        ScantuneError: a table leads to no files, or none of them can be read.
    """
    found = Proposed()
    for one in cohorts:
        _add(found, data, root, one, out)
    for one in cohorts:
        if one.external_of:
            own = {"experiment": one.external_of, "dataset": one.name, "input": one.name}
            found.add("external", f"{one.external_of}_at_{one.name}", own, {})
    return found


def _add(found: Proposed, data: PublicData, root: Path, one: PublicCohort, out: Path) -> None:
    table = one.table or _written(root, one, out)
    dataset = {"root": str(root), "watch": None, "table": table, **one.dataset}
    records = cohort.load(DatasetConfig.model_validate(dataset), Path.cwd())
    base = Path.cwd() / root
    files = [os.path.relpath(record.files[0], base) for record in records]
    dataset["watch"] = watch_of(root, files)
    found.add("datasets", one.name, dataset, {"files": f"{len(records)} samples"})
    for key, path in unwatched(DatasetConfig.model_validate(dataset), []).items():
        for title, block in watched_entry(one.name, key, path).items():
            found.add("watched", title, block, {})
    if one.external_of:  # prepared as the training data are
        found.add("inputs", one.name, {**found.blocks["inputs"][one.external_of], "dataset": one.name}, {})
        return
    samples = sum(row.get("split") == "train" for row in one.rows) or max(1, round(_TRAIN * len(records)))
    _learned(found, data, one, survey(base, files), samples)


def _learned(found: Proposed, data: PublicData, one: PublicCohort, files: Survey, samples: int) -> None:
    """The input and the experiment, by the files and the number of training samples."""
    dense = "masks" in one.dataset
    proposal = settings.input_of(one.name, files, dense=dense)
    block = {**proposal.block, **one.input}
    found.add("inputs", one.name, block, {k: why for k, why in proposal.reasons.items() if k not in one.input})
    model = settings.model_of(files, dense=dense, samples=samples)
    train = settings.train_of(block, model.block, samples=samples, dense=dense)
    found.notes += [*proposal.notes, *model.notes]
    why = {f"model.{k}": v for k, v in model.reasons.items()} | {f"train.{k}": v for k, v in train.reasons.items()}
    if data.published:
        why["task"] = f"published: {data.published}"
    text = {"description": f"{data.title}. {data.page}", "dataset": one.name, "input": one.name, "task": dict(one.task)}
    parts = {"model": model.block, "train": train.block, "evaluate": {}, "register": {}}
    found.add("experiments", one.name, {**text, **parts}, why)


def _written(root: Path, one: PublicCohort, out: Path) -> str:
    """Path of the table that is written, as the dataset's block has it."""
    path = out / f"{one.name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, one.rows)
    return str(path.resolve()) if root.is_absolute() else os.path.relpath(path, root)
