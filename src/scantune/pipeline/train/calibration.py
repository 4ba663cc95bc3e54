"""Calibration, conformal quantiles and the postprocessing of masks, fitted after training to the predictions of the
served model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from scantune.pipeline.data.datasets import encode, samples
from scantune.pipeline.data.sides import Side, spacing_of
from scantune.pipeline.train.training import TrainingPlan
from scantune.tasks.protocol import MaskTask

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import nn

    from scantune.prediction import Predicted

#: Description of the samples of a fit; it follows "fitted on".
ON_VALIDATION = "validation"
ON_ITS_PART = "the part of validation that was reserved for calibration"
OUT_OF_FOLD = (
    "out-of-fold predictions, each sample by the network that was not trained on it (other samples are predicted by "
    "the mean of all networks, which is less extreme than a single network)"
)
OTHER_FOLDS = "out-of-fold predictions, for each fold those of the other folds"

#: Networks and samples that they were not trained on.
Unseen = tuple[Sequence["nn.Module"], Side]


def fit(
    plan: TrainingPlan, unseen: Sequence[Unseen], fabric: Fabric | None = None
) -> tuple[dict[str, Any], dict[str, float]]:
    """Calibration and conformal quantiles, and the task's metrics, on samples that were not trained on.

    Predictions are computed as at inference: averaged over networks, with test-time augmentation, in float32.

    Args:
        plan: the plan.
        unseen: the averaged networks and their validation side; or each fold's network and the fold.
        fabric: as launched; None for this process alone.

    Returns:
        For ``fitted`` of :class:`scantune.registry.model.ModelFacts`, with ``fitted_on`` as text and, for folds
        without a separate test side, ``out_of_fold``: for each fold the fit on the others; and metrics by name.
    """
    task = plan.task
    predicted = [_predicted(plan, networks, side, fabric) for networks, side in unseen]
    reduced = [part.reduced for part in predicted]
    basis = [part.reduced if part.fit_rows is None else part.fit_rows for part in predicted]
    encoded = [encode(side, task) for _, side in unseen]
    targets = reduced if encoded[0] is None else encoded
    subjects = [side.subjects for _, side in unseen]

    def fit_on(rows: Sequence[int]) -> dict[str, Any]:
        predictions, references = (np.concatenate([values[i] for i in rows]) for values in (basis, targets))
        return task.fit(predictions, references, [subject for i in rows for subject in subjects[i]])

    every = range(len(unseen))
    fitted = fit_on(every)
    if fitted:
        fitted["fitted_on"] = _words(plan)
        if plan.block.train.folds and not len(plan.sides.side("test")):
            fitted["out_of_fold"] = [fit_on([i for i in every if i != fold]) for fold in every]
    metrics = task.summarise(np.concatenate(reduced), np.concatenate(targets))  # type: ignore[arg-type]
    return fitted, {name: value for name, value in metrics.items() if value == value}


def _words(plan: TrainingPlan) -> str:
    if plan.block.train.folds:
        return OUT_OF_FOLD if len(plan.sides.side("test")) else OTHER_FOLDS
    return ON_ITS_PART if plan.block.train.calibration_fraction else ON_VALIDATION


def _predicted(plan: TrainingPlan, networks: Sequence[nn.Module], side: Side, fabric: Fabric | None) -> Predicted:
    """Predictions of a side as the task reduces them, [N, …]; of masks also what they are fitted to."""
    from scantune.engine.local import Local
    from scantune.prediction import TensorPredictor
    from scantune.registry.tensors import augmentation_of, windows_of

    settings = plan.block.train
    device = Local.on(settings.device).device if fabric is None else fabric.device
    prepared = plan.input.model_dump(mode="json")
    augmentation = augmentation_of(
        plan.task, prepared["modality"], settings.augment, settings.test_time_augmentation, plan.spacing
    )
    predictor = TensorPredictor(networks, plan.task, {}, augmentation, device, windows_of(prepared, device))
    data = samples(side, plan.task, covariates=plan.covariates, seed=settings.seed)
    places = None
    if plan.block.task.mask_classes:
        place_of = cast(MaskTask, plan.task).place_of
        pairs = zip(side, side.paths, strict=True)
        places = [place_of(path, spacing_of(one.row), not one.mask_from) for one, path in pairs]
    return predictor.predict(data, places=places, batch_size=settings.batch_size, processes=fabric)
