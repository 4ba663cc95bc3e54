"""An experiment's blocks to trained networks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.pipeline.data.datasets import encode, samples, training_samples
from scantune.pipeline.data.sides import Side, Sides, refuse_masks
from scantune.pipeline.train import loss as losses_of
from scantune.pipeline.train.augmentation import augmentation, settled, steps
from scantune.pipeline.train.covariates import add_covariates, covariates_of
from scantune.pipeline.train.foreground import foreground_normalization
from scantune.pipeline.train.network import build_network, tensor_shape
from scantune.pipeline.train.sampling import balance_of, partners_of, patches_of, scanners_of
from scantune.pipeline.train.suitability import refuse
from scantune.preprocess.settings import patch_shape
from scantune.records import ScantuneError
from scantune.registry.model import weights_digest
from scantune.tasks.build import build_task
from scantune.tasks.protocol import Task

if TYPE_CHECKING:
    from lightning_fabric import Fabric
    from torch import nn

    from scantune.config.input import InputConfig
    from scantune.config.params import ExperimentConfig
    from scantune.config.train import TrainConfig
    from scantune.engine import FitResult, RateSweep, Settings, Sink
    from scantune.engine.data import Samples
    from scantune.engine.parts import TermWeights
    from scantune.models import Network
    from scantune.models.covariates import Covariates
    from scantune.models.freezing import FreezingSchedule

log = logging.getLogger(__name__)


#: Receives the history whenever an epoch has ended and another begins; it may raise to end the training.
Watch = Callable[[Sequence[Mapping[str, Any]]], None]


@dataclass(frozen=True)
class TrainingPlan:
    """What an experiment needs to train, before anything runs.

    Attributes:
        key: the experiment's name.
        block: its settings.
        input: settings of its input.
        sides: its samples.
        task: the task.
        classes: of a classification.
        spec: the loss.
        start: folder of the model that it starts from or learns from, or None.
        use: ``weights`` or ``teacher``: what the other model is for.
        covariates: columns that the network has beside the image; None for none.
    """

    key: str
    block: ExperimentConfig
    input: InputConfig
    sides: Sides
    task: Task
    classes: tuple[str, ...] | None
    spec: Mapping[str, Any]
    start: Path | None = None
    use: str = "weights"
    covariates: Covariates | None = None

    @property
    def start_digest(self) -> str:
        """A digest of the model that it starts from; empty without one."""
        return "" if self.start is None else weights_digest(self.start)

    @property
    def shape(self) -> tuple[int, ...]:
        """[C, …] of what the network sees: of the cached tensors, or of patches of them."""
        return tensor_shape(self.sides.all_samples, patch_shape(self.input))

    @property
    def spacing(self) -> tuple[float, ...] | None:
        """Size of a voxel along [D,] H, W, by which samples are turned; None: isotropic, or unknown."""
        return steps(self.input, self.sides.side("train"))


def plan(
    key: str,
    block: ExperimentConfig,
    input_block: InputConfig,
    sides: Sides,
    *,
    start: Path | None = None,
    use: str = "weights",
) -> TrainingPlan:
    """The plan of an experiment; see :class:`TrainingPlan`.

    Raises:
        ScantuneError: the data do not fit the task, by sample.
    """
    classes = block.task.classes_in([m.targets for m in sides.members])
    name = losses_of.loss_name(block.task, block.train)
    task = build_task(
        block.task,
        classes=classes,
        loss=name,
        calibration=block.train.calibration,
        miscoverage=block.train.miscoverage,
    )
    refuse_masks(key, block.task, sides)
    refuse(block, input_block.modality, task, classes, sides)
    spec = losses_of.loss_spec(block.task, block.train)
    known = covariates_of(key, block, sides)
    return TrainingPlan(key, block, input_block, sides, task, classes, spec, start, use, known)


def new_network(plan: TrainingPlan, seed: int, targets: np.ndarray | None, side: Side) -> Network:
    """The network that a training begins with, where it does not start from another experiment's.

    Args:
        plan: the plan.
        seed: of random weights.
        targets: of the training side, from :func:`encode`.
        side: the training side.
    """
    try:
        network = build_network(plan.task, plan.block.model, plan.input.modality, plan.shape, seed, targets)
    except ScantuneError as error:
        if not str(error).startswith("model."):
            raise
        raise ScantuneError(f"{'experiments' if plan.start is None else 'derived'}.{plan.key}.{error}") from error
    if plan.block.model.normalization == "foreground":
        network.backbone.set_normalization(foreground_normalization(side))
    add_covariates(plan, network, side, seed)
    return network


def train_member(
    plan: TrainingPlan,
    train_side: Side,
    validation_side: Side,
    *,
    seed: int,
    out: Path,
    state: Path,
    sinks: Sequence[Sink] = (),
    start: Network | None = None,
    teacher: nn.Module | None = None,
    fabric: Fabric | None = None,
    watch: Watch | None = None,
    pictures: Callable[[nn.Module], Mapping[str, np.ndarray]] | None = None,
    resume_from: Path | None = None,
) -> FitResult:
    """Train one network of an experiment.

    Args:
        plan: the plan.
        train_side: training samples.
        validation_side: samples that select its checkpoint.
        seed: of everything random.
        out: gets history and checkpoints.
        state: folder that survives an interruption.
        sinks: destinations of metrics beside the files.
        start: a trained network to start from, or None.
        teacher: a trained network to learn from, or None.
        fabric: as launched.
        pictures: draws the trained network's predictions, for sinks that accept pictures.
        resume_from: a retained checkpoint to resume from.
        watch: receives the history after each epoch.

    Returns:
        :class:`scantune.engine.FitResult`.
    """
    from scantune import engine
    from scantune.registry.tensors import windows_of

    task = plan.task
    parts = _parts(plan, train_side, seed, start, teacher)
    validation_data = samples(
        validation_side, task, group=parts.group, known=parts.levels, covariates=plan.covariates, seed=seed
    )
    _report(parts.network, parts.freezing)
    weights = parts.common.pop("term_weights")
    return engine.fit(
        parts.network,
        task,
        parts.train_data,
        validation_data,
        **parts.common,
        term_weights=weights if watch is None else _watched(weights, watch),
        sinks=sinks,
        out_dir=out,
        state_dir=state,
        fabric=fabric,
        pictures=pictures,
        resume_from=resume_from,
        whole_output=windows_of(plan.input.model_dump(mode="json")),
    )


def sweep_member(
    plan: TrainingPlan,
    train_side: Side,
    *,
    seed: int,
    start: Network | None = None,
    teacher: nn.Module | None = None,
    fabric: Fabric | None = None,
    **span: Any,
) -> RateSweep:
    """Losses of one network of an experiment while the learning rate rises; the network is built for that alone.

    Args:
        plan: the plan.
        train_side: training samples.
        seed: of everything random.
        start: a trained network to start from, read for this alone, or None.
        teacher: a trained network to learn from, or None.
        fabric: as launched.
        **span: ``lowest``, ``highest`` and ``steps`` of :func:`scantune.engine.sweep_rates`.
    """
    from scantune import engine

    parts = _parts(plan, train_side, seed, start, teacher)
    return engine.sweep_rates(parts.network, plan.task, parts.train_data, **parts.common, **span, fabric=fabric)


@dataclass(frozen=True)
class _Parts:
    """What a training and a sweep of learning rates have in common.

    Attributes:
        network: the initial network.
        train_data: training samples.
        freezing: which layers train.
        group: grouping column of the samples, or None.
        levels: its levels in the training side.
        common: further arguments of the engine.
    """

    network: Network
    train_data: Samples
    freezing: FreezingSchedule
    group: str | None
    levels: Mapping[str, int]
    common: dict[str, Any]


def _parts(plan: TrainingPlan, train_side: Side, seed: int, start: Network | None, teacher: nn.Module | None) -> _Parts:
    from scantune.models import freezing as freezing_of
    from scantune.models.named import FOR_NETWORK, check_maps

    block, task = plan.block, plan.task
    settings = block.train
    encoded = encode(train_side, task)
    network = start if start is not None else new_network(plan, seed, encoded, train_side)
    if block.evaluate.saliency.enabled:  # told before the training rather than after it
        where = f"{'experiments' if plan.start is None else 'derived'}.{plan.key}.evaluate.saliency."
        check_maps(where, [network], **block.evaluate.saliency.model_dump(include=FOR_NETWORK))
    terms, weights = losses_of.build_terms(
        task,
        plan.spec,
        settings,
        targets=block.task.fitting_losses,
        encoded=encoded,
        classes=task.class_count,
        teacher=teacher,
    )
    freezing = freezing_of.plan(network, epochs=settings.epochs, **settings.freezing.model_dump())
    group, known = scanners_of(settings, train_side)
    changes = augmentation(settled(block.train.augment, plan.task), plan.input, plan.spacing)
    train_data = training_samples(
        train_side,
        task,
        targets=encoded,
        group=group,
        known=known,
        augment=changes.sample,
        partners=partners_of(settings, plan.input.modality, encoded),
        covariates=plan.covariates,
        seed=seed,
        patches=patches_of(plan.input, settings, changes.sample, overlap=block.task.masks_overlap),
    )
    common = {
        "terms": terms,
        "term_weights": weights,
        "settings": _settings(settings, seed, balance_of(settings, task, train_side, encoded)),
        "parameter_groups": freezing.parameter_groups(settings.learning_rate),
        "freezing": freezing,
        "mixing": changes.batch,
    }
    return _Parts(network, train_data, freezing, group, known, common)


def _settings(block: TrainConfig, seed: int, strata: np.ndarray | None) -> Settings:
    """The loop's part of the ``train:`` block; ``strata`` are those of a balanced sampler."""
    from scantune.engine import Settings
    from scantune.engine.settings import TrainingSettings

    values: dict[str, Any] = {name: getattr(block, name) for name in TrainingSettings.model_fields}
    return Settings(**values | {"seed": seed}, classes=strata)


def _watched(weights: TermWeights, watch: Watch) -> TermWeights:
    """The terms' weights, requested by the loop at every step; ``watch`` is called once per new epoch."""
    reported = 0

    def now(epoch: int, step: int, history: list[dict[str, Any]]) -> Mapping[str, float]:
        nonlocal reported
        if len(history) > reported:
            reported = len(history)
            watch(history)
        return weights(epoch, step, history)

    return now


def _report(network: Network, freezing: FreezingSchedule) -> None:
    """Log what of the initial weights matched, and what is trained."""
    report = network.backbone.load_report
    if report is not None:
        log.info("%s", report)
    if any(not row.trains for row in freezing.table(0)):
        log.info("%s", freezing.describe(0))
