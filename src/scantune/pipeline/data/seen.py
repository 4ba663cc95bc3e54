"""Samples that a model was trained on, where it is to be tested on them under another split or in another dataset."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from scantune.files import table_path
from scantune.pipeline.data.sides import Sides, read_sides
from scantune.pipeline.project import block_of
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.cohort.manifest import Sample
    from scantune.config.dataset import DatasetConfig
    from scantune.config.params import DerivedConfig, ExperimentConfig, Params

log = logging.getLogger(__name__)

_SHOWN = 5


def seen(samples: Iterable[Sample], trained: Iterable[Sample], *, same_people: bool) -> list[Sample]:
    """The samples whose files, or whose subjects, are among those that a model was trained on.

    Args:
        samples: to be tested on.
        trained: of the model's training side; of folds all that have one.
        same_people: whether an equal subject id is the same person.
    """
    known = list(trained)
    files = {one.digest for one in known} - {""}
    subjects = {one.subject_id for one in known} if same_people else set()
    return [one for one in samples if one.digest in files or one.subject_id in subjects]


def same_people(one: DatasetConfig, other: DatasetConfig) -> bool:
    """Whether equal subject ids of two datasets are one person: both are of one column of one table, however
    it is named.

    Without a subject each sample is one, by its own id.
    """
    return _people(one) == _people(other)


def _people(dataset: DatasetConfig) -> tuple[object, ...]:
    """Place of the table or of the class folders, and what the ids of subjects are made of."""
    place = os.path.realpath(table_path(Path(dataset.root).expanduser(), dataset.table or "", Path()))
    ids = dataset.subject or dataset.subject_from or (dataset.sample, tuple(dataset.files))
    return place, ids


def seen_by(
    params: Params, block: ExperimentConfig, dataset: str, sides: Sides, samples: Iterable[Sample]
) -> list[Sample]:
    """Those of some samples of ``dataset`` that an experiment's model was trained on.

    Of equal subject ids in two tables, which may be two people, a warning is logged.

    Args:
        params: all settings.
        block: of the experiment.
        dataset: of the samples.
        sides: of the experiment.
        samples: to be tested on.
    """
    known, people = list(samples), _one_table(params, block, dataset)
    found = seen(known, sides.side("train"), same_people=people)
    if not people and params.datasets[dataset].subjects_known and params.datasets[block.dataset].subjects_known:
        files = {one.sample_id for one in found}
        doubtful = [one for one in seen(known, sides.side("train"), same_people=True) if one.sample_id not in files]
        if doubtful:
            log.warning(
                "datasets.%s: %s have subject ids that trained on datasets.%s too, which has another table; where they "
                "are the same people, metrics are of known people: leave them out by datasets.%s.where",
                *(dataset, _named(doubtful, known), block.dataset, dataset),
            )
    return found


def seen_by_model(params: Params, key: str, dataset: str, sides: Sides, samples: Iterable[Sample]) -> list[Sample]:
    """Those of some samples of ``dataset`` that an experiment's model was trained on, or the model that it starts from.

    Of an ensemble those that any member's model was trained on, or the model that the member starts from.

    Args:
        params: all settings.
        key: of the experiment, derived experiment or ensemble.
        dataset: of the samples.
        sides: of the experiment.
        samples: to be tested on.
    """
    known = list(samples)
    if key in params.ensembles:
        members = (seen_by_model(params, one, dataset, sides, known) for one in params.ensembles[key].members)
        ids = {one.sample_id for found in members for one in found}
        return [one for one in known if one.sample_id in ids]
    found = seen_by(params, block_of(params, key), dataset, sides, known)
    block = params.derived.get(key)
    theirs = None if block is None else _parent_sides(params, key, block)
    if block is not None and theirs is not None:
        found += seen_by(params, params.experiments[block.from_], dataset, theirs, known)
    ids = {one.sample_id for one in found}
    return [one for one in known if one.sample_id in ids]


def _parent_sides(params: Params, key: str, block: DerivedConfig) -> Sides | None:
    """The sides of the experiment that a derived one starts from; a warning and None where its split is not here."""
    parent = params.experiments[block.from_]
    cache, splits = Path("data/cache") / parent.input, Path("data/splits") / parent.dataset / "splits.csv"
    if not (cache / "manifest.csv").is_file() or not splits.is_file():
        log.warning("derived.%s: %s is not here, so which samples trained %s is not known", key, splits, block.from_)
        return None
    return read_sides(cache, splits, folds=bool(parent.train.folds))


def _one_table(params: Params, block: ExperimentConfig, dataset: str) -> bool:
    return dataset == block.dataset or same_people(params.datasets[dataset], params.datasets[block.dataset])


def refuse_seen(params: Params, key: str, sides: Sides) -> None:
    """Refuse a derived experiment whose test samples trained the model that it starts from or learns from.

    Of those that validate a warning is logged: they choose the checkpoint and the calibration.

    Args:
        params: all settings.
        key: of the experiment; nothing is done for one that is not derived.
        sides: of the experiment.

    Raises:
        ScantuneError: some did; with their ids and what to do.
    """
    block = params.derived.get(key)
    parent = None if block is None else params.experiments[block.from_]
    if block is None or parent is None:
        return
    if block.dataset == parent.dataset and not block.train.folds and not parent.train.folds:
        return  # one split, which was audited
    if (theirs := _parent_sides(params, key, block)) is None:
        return
    folded = [one for one in sides.members if one.fold is not None]
    tested = [*sides.side("test"), *(() if len(sides.side("test")) else folded)]
    leaked = seen_by(params, parent, block.dataset, theirs, tested)
    if leaked:
        raise ScantuneError(
            f"derived.{key}: the model of {block.from_!r} was trained on {_named(leaked, tested)} of the test: their "
            f"metrics would be of known samples. {_remedy(block.dataset, parent, folds=bool(folded))}"
        )
    chosen = seen_by(params, parent, block.dataset, theirs, [*sides.side("validation"), *folded])
    if chosen:
        log.warning(
            "derived.%s: the model of %r was trained on %s that validate: the choice of the checkpoint, the "
            "calibration and the metrics of validation are of known samples",
            *(key, block.from_, _named(chosen, [*sides.side("validation"), *folded])),
        )


def _remedy(dataset: str, parent: ExperimentConfig, *, folds: bool) -> str:
    if folds and dataset == parent.dataset:
        return "Start from a model of other data, or leave out train.folds"
    return f"Test on other subjects, by the same split as {parent.dataset!r} or by datasets.{dataset}.where"


def _named(some: list[Sample], of: list[Sample]) -> str:
    ids = ", ".join(one.sample_id for one in some[:_SHOWN])
    return f"{len(some)} of {len(of)} samples ({ids}{', …' if len(some) > _SHOWN else ''})"
