"""What is fitted after training: calibration and conformal quantiles, of what will be served."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.pipeline.data.datasets import encode, samples
from scantune.pipeline.data.sides import Side
from scantune.pipeline.train.training import TrainingPlan

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import nn

#: Where a fit was made, in words that stand after "fitted on".
ON_VALIDATION = "validation"
ON_ITS_PART = "the part of validation that was kept apart for calibration"
OUT_OF_FOLD = (
    "answers out of fold, each sample by the one network that had not seen it (other samples are answered by the mean "
    "of all networks, which is less extreme than one)"
)
OTHER_FOLDS = "answers out of fold, for each fold on those of the other folds"

#: Networks and the samples that they are asked about, none of which they were trained on.
Unseen = tuple[Sequence["nn.Module"], Side]


def fit(
    given: TrainingPlan, unseen: Sequence[Unseen], fabric: Fabric | None = None
) -> tuple[dict[str, Any], dict[str, float]]:
    """Calibration and conformal quantiles, and the task's figures, on samples that were not trained on.

    The answers are those that will be given later: averaged over networks, with test-time augmentation, in float32.

    Args:
        given: the plan.
        unseen: the averaged networks and their validation side; or each fold's network and the fold.
        fabric: as launched; None for this process alone.

    Returns:
        For ``fitted`` of :class:`scantune.registry.model.ModelFacts`, with ``fitted_on`` in words and, where folds have
        no test side beside them, ``out_of_fold``: for each fold what was fitted on the others; and figures by name.
    """
    task = given.task
    reduced = [_asked(given, networks, side, fabric) for networks, side in unseen]
    encoded = [encode(side, task) for _, side in unseen]
    targets = reduced if encoded[0] is None else encoded
    subjects = [side.subjects for _, side in unseen]

    def fit_on(rows: Sequence[int]) -> dict[str, Any]:
        answers, truth = (np.concatenate([values[i] for i in rows]) for values in (reduced, targets))
        return task.fit(answers, truth, [subject for i in rows for subject in subjects[i]])

    every = range(len(unseen))
    fitted = fit_on(every)
    if fitted:
        fitted["fitted_on"] = _words(given)
        if given.block.train.folds and not len(given.sides.side("test")):
            fitted["out_of_fold"] = [fit_on([i for i in every if i != fold]) for fold in every]
    figures = task.summarise(np.concatenate(reduced), np.concatenate(targets))  # type: ignore[arg-type]
    return fitted, {name: value for name, value in figures.items() if value == value}


def _words(given: TrainingPlan) -> str:
    if given.block.train.folds:
        return OUT_OF_FOLD if len(given.sides.side("test")) else OTHER_FOLDS
    return ON_ITS_PART if given.block.train.calibration_fraction else ON_VALIDATION


def _asked(given: TrainingPlan, networks: Sequence[nn.Module], side: Side, fabric: Fabric | None) -> np.ndarray:
    """What the task keeps of a side's samples, [N, …]."""
    from scantune.engine.local import Local
    from scantune.prediction import TensorPredictor
    from scantune.registry.tensors import augmentation_of

    settings = given.block.train
    device = Local.on(settings.device).device if fabric is None else fabric.device
    augmentation = augmentation_of(
        given.task, given.input.model_dump(mode="json"), settings.augment, settings.test_time_augmentation
    )
    predictor = TensorPredictor(networks, given.task, {}, augmentation, device)
    data = samples(side, given.task, seed=settings.seed)
    return predictor.predict(data, batch_size=settings.batch_size, processes=fabric).reduced
