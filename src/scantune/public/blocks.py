"""Blocks of params.yaml for a public data set: its meaning is known, the rest is proposed for its files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from scantune import cohort
from scantune.amounts import number_of
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
    proposal = Proposed()
    for public_cohort in cohorts:
        _add(proposal, data, root, public_cohort, out)
        proposal.notes += public_cohort.notes
    for public_cohort in cohorts:
        if public_cohort.external_of:
            block = {
                "experiment": public_cohort.external_of,
                "dataset": public_cohort.name,
                "input": public_cohort.name,
            }
            proposal.add("external", f"{public_cohort.external_of}_at_{public_cohort.name}", block, {})
    return proposal


def _add(proposal: Proposed, data: PublicData, root: Path, public_cohort: PublicCohort, out: Path) -> None:
    table = public_cohort.table or _written(root, public_cohort, out)
    dataset = {"root": str(root), "watch": None, "table": table, **public_cohort.dataset}
    records = cohort.load(DatasetConfig.model_validate(dataset), Path.cwd())
    base = Path.cwd() / root
    files = [os.path.relpath(record.files[0], base) for record in records]
    dataset["watch"] = watch_of(root, files)
    proposal.add("datasets", public_cohort.name, dataset, {"files": number_of(len(records), "sample")})
    for key, path in unwatched(DatasetConfig.model_validate(dataset), []).items():
        for title, block in watched_entry(public_cohort.name, key, path).items():
            proposal.add("watched", title, block, {})
    if public_cohort.external_of:  # prepared as the training data are
        proposal.add(
            "inputs",
            public_cohort.name,
            {**proposal.blocks["inputs"][public_cohort.external_of], "dataset": public_cohort.name},
            {},
        )
        return
    samples = sum(row.get("split") == "train" for row in public_cohort.rows) or max(1, round(_TRAIN * len(records)))
    _add_experiment(proposal, data, public_cohort, survey(base, files), samples)


def _add_experiment(
    proposal: Proposed, data: PublicData, public_cohort: PublicCohort, files: Survey, samples: int
) -> None:
    """The input and the experiment, by the files and the number of training samples."""
    dense = "masks" in public_cohort.dataset
    input_proposal = settings.input_of(public_cohort.name, files, dense=dense)
    block = {**input_proposal.block, **public_cohort.input}
    proposal.add(
        "inputs",
        public_cohort.name,
        block,
        {k: why for k, why in input_proposal.reasons.items() if k not in public_cohort.input},
    )
    model = settings.model_of(files, dense=dense, samples=samples)
    train = settings.train_of(block, model.block, samples=samples, dense=dense)
    proposal.notes += [*input_proposal.notes, *model.notes]
    why = {f"model.{k}": v for k, v in model.reasons.items()} | {f"train.{k}": v for k, v in train.reasons.items()}
    if data.published:
        why["task"] = f"published: {data.published}"
    text = {
        "description": f"{data.title}. {data.page}",
        "dataset": public_cohort.name,
        "input": public_cohort.name,
        "task": dict(public_cohort.task),
    }
    for key in public_cohort.train:
        why.pop(f"train.{key}", None)
    parts = {"model": model.block, "train": {**train.block, **public_cohort.train}, "evaluate": {}, "register": {}}
    proposal.add("experiments", public_cohort.name, {**text, **parts}, why)


def _written(root: Path, public_cohort: PublicCohort, out: Path) -> str:
    """Path of the table that is written, as the dataset's block has it: from the project, which may be moved, where
    the root lies elsewhere."""
    path = out / f"{public_cohort.name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, public_cohort.rows)
    return path.as_posix() if root.is_absolute() else os.path.relpath(path, root)
