"""Predictions of a trained model on validation and test, for ``predictions.csv``."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.pipeline.answers import Answers
from scantune.pipeline.data.datasets import samples
from scantune.pipeline.data.sides import Side, Sides, refuse_masks, spacing_of
from scantune.pipeline.predictors import Predictors
from scantune.pipeline.written_masks import write_mask
from scantune.preprocess.agreement import check_model
from scantune.preprocess.own_grid import place_of
from scantune.preprocess.places import Place
from scantune.registry.model import ModelFacts, load_networks
from scantune.tasks.base import TaskSettings
from scantune.tasks.build import build_task
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.protocol import Task

if TYPE_CHECKING:
    from scantune.prediction import Output, TensorPredictor

log = logging.getLogger(__name__)


def task_of(schema: TaskSettings, facts: ModelFacts) -> Task:
    """The task of a model, with the block's settings as they are now and the classes it was trained with."""
    return build_task(schema, classes=facts.classes, loss=facts.loss)


def open_predictors(schema: TaskSettings, facts: ModelFacts, folder: Path, device: str = "auto") -> Predictors:
    """Open the networks of a model folder for an evaluation.

    Args:
        schema: the ``task:`` block.
        facts: of the model.
        folder: the model's folder.
        device: where they compute.
    """
    from scantune.engine.local import Local

    return Predictors(facts, load_networks(folder, facts), task_of(schema, facts), Local.on(device).device)


def tell_unlike(facts: ModelFacts, cells: Sequence[Mapping[str, object]]) -> None:
    """Log which levels of covariates the training set lacks (they count as unknown), and numbers outside its range.

    Args:
        facts: of the model.
        cells: column to text, of each sample.
    """
    from scantune.models.covariates import Covariates

    known = Covariates.read(facts.covariates)
    for sentence in known.unlike_as_text(cells) if known is not None else ():
        log.warning("note: %s", sentence)


def predictions_of(
    predictors: Predictors,
    schema: TaskSettings,
    sides: Sides,
    *,
    batch_size: int = 8,
    answers: Answers | None = None,
    masks: Path | None = None,
) -> PredictionTable:
    """Predictions of validation and test, in the contract's columns.

    With folds, every sample is predicted by the network that was not trained on it: those rows are ``test`` where the
    split
    has no test side of its own, else ``validation``; a test side is predicted by the averaged networks.

    Args:
        predictors: the model's.
        schema: the ``task:`` block.
        sides: the samples.
        batch_size: samples at once.
        answers: stores the outputs of the test rows.
        masks: folder that gets the predicted masks; their names are the column ``mask``. None writes none.

    Raises:
        ScantuneError: the cached tensors were prepared differently from the model's training data; or an output is not
            finite, with the sample ids.
    """
    refuse_masks("the model", schema, sides)
    check_model(predictors.facts.name, predictors.facts.input, sides.cache)
    parts: list[tuple[Side, str]] = []
    test = sides.side("test")
    if sides.folds:
        parts += [(sides.fold(fold)[1], "validation" if len(test) else "test") for fold in sides.folds]
    else:
        parts.append((sides.side("validation"), "validation"))
    parts.append((test, "test"))
    tell_unlike(predictors.facts, [one.groups for side, _ in parts for one in side])
    tables = [
        part_of(predictors.of(side[0]), side, split, batch_size, answers if split == "test" else None, masks)
        for side, split in parts
        if len(side)
    ]
    names = list(dict.fromkeys(name for table in tables for name in table))
    joined = {name: np.concatenate([_column(table, name) for table in tables]) for name in names}
    if not sides.folds:
        joined.pop("fold")
    return PredictionTable.make(joined)


def _column(table: Mapping[str, Sequence[Any] | np.ndarray], name: str) -> np.ndarray:
    length = len(table["sample_id"])
    return np.asarray(table[name]) if name in table else np.full(length, "", dtype=object)


def part_of(
    predictor: TensorPredictor,
    side: Side,
    split: str,
    batch_size: int = 8,
    answers: Answers | None = None,
    masks: Path | None = None,
) -> dict[str, Any]:
    """Columns of one side's predictions; ``answers`` stores the network's outputs, the folder ``masks`` gets masks.

    Raises:
        ScantuneError: a cached tensor is damaged, or an output is not finite; with the sample ids.
    """
    side.check_cached()
    places = places_of(side)
    written: list[str] = []

    def keep(rows: list[int], output: Output, labels: list[np.ndarray] | None) -> None:
        if answers is not None:
            answers.keep([side[row].sample_id for row in rows], predictor, output, [places[row] for row in rows])
        if masks is not None and labels is not None:
            for row, mask in zip(rows, labels, strict=True):
                written.append(f"{masks.name}/{write_mask(masks, side[row].sample_id, mask, side.paths[row])}")

    columns: dict[str, Any] = {
        "sample_id": [m.sample_id for m in side],
        "subject_id": [m.subject_id for m in side],
        "split": [split] * len(side),
        "fold": ["" if m.fold is None else str(m.fold) for m in side],
    }
    data = samples(side, predictor.task, covariates=predictor.covariates)
    columns |= predictor.answers(data, places=places, batch_size=batch_size, each=keep)
    columns |= {"mask": written} if written else {}
    raters = list(side[0].raters)
    groups = list(side[0].groups)
    columns |= {f"rater/{name}": [m.raters.get(name, "") for m in side] for name in raters}
    columns |= {name: [m.groups.get(name, "") for m in side] for name in groups}
    return columns


def places_of(side: Side) -> list[Place]:
    """Where each sample of a side lies, with the mask on the grid of its file.

    Raises:
        ScantuneError: a cached tensor is damaged.
    """
    return [
        place_of(path, spacing_of(member.row), own_truth=not member.mask_from)
        for path, member in zip(side.paths, side, strict=True)
    ]
