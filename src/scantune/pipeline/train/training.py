"""An experiment's blocks to trained networks and what is fitted on validation."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scantune.pipeline.data.datasets import encode, frequencies, levels, samples
from scantune.pipeline.data.sides import Side, Sides, refuse_masks
from scantune.pipeline.train import loss as losses_of
from scantune.pipeline.train.network import build_network, tensor_shape
from scantune.records import ScantuneError
from scantune.registry.model import weights_digest
from scantune.tasks.build import build_task
from scantune.tasks.protocol import Task

log = logging.getLogger(__name__)


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
    """

    key: str
    block: Any
    input: Any
    sides: Sides
    task: Task
    classes: tuple[str, ...] | None
    spec: Mapping[str, Any]
    start: Path | None = None
    use: str = "weights"

    @property
    def start_digest(self) -> str:
        """A digest of the model that it starts from; empty without one."""
        return "" if self.start is None else weights_digest(self.start)

    @property
    def shape(self) -> tuple[int, ...]:
        """[C, …] of the cached tensors."""
        return tensor_shape(self.sides.whole)


def plan(
    key: str, block: Any, input_block: Any, sides: Sides, *, start: Path | None = None, use: str = "weights"
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
    spec = losses_of.loss_spec(block.task, block.train)
    return TrainingPlan(key, block, input_block, sides, task, classes, spec, start, use)


def new_network(given: TrainingPlan, seed: int, targets: np.ndarray | None) -> Any:
    """The network that a training begins with, where it does not start from another experiment's.

    Args:
        given: the plan.
        seed: of random weights.
        targets: of the training side, as :func:`encode` gives them.
    """
    return build_network(given.task, given.block.model, given.input.modality, given.shape, seed, targets)


def train_member(
    given: TrainingPlan,
    train_side: Side,
    validation_side: Side,
    *,
    seed: int,
    out: Path,
    state: Path,
    sinks: Sequence[Any] = (),
    start: Any = None,
    teacher: Any = None,
    fabric: Any = None,
    watch: Callable[[Sequence[Mapping[str, Any]]], None] | None = None,
    pictures: Callable[[Any], Mapping[str, np.ndarray]] | None = None,
    resume_from: Path | None = None,
) -> Any:
    """Train one network of an experiment.

    Args:
        given: the plan.
        train_side: what it learns from.
        validation_side: what it is chosen by.
        seed: of everything random.
        out: gets history and checkpoints.
        state: what survives a kill.
        sinks: where figures go beside the files.
        start: a trained network to start from, or None.
        teacher: a trained network to learn from, or None.
        fabric: as launched.
        pictures: draws what the finished network answers, for the sinks that take pictures.
        resume_from: a kept checkpoint to go on from.
        watch: told the history so far once an epoch is over and another begins; it may raise to end the training.

    Returns:
        :class:`scantune.engine.FitResult`.
    """
    from scantune import engine
    from scantune.models import freezing as freezing_of

    block, task = given.block, given.task
    settings = block.train
    encoded = encode(train_side, task)
    network = start if start is not None else new_network(given, seed, encoded)
    terms, weights = losses_of.build_terms(
        task,
        given.spec,
        settings,
        targets=block.task.loss_targets,
        frequencies=frequencies(encoded),
        classes=task.class_count,
        teacher=teacher,
    )
    freezing = freezing_of.plan(network, epochs=settings.epochs, **settings.freezing.model_dump())
    group = settings.scanner_consistency.group if settings.scanner_consistency else None
    known = levels(train_side, group)
    changes = augmentation(given)
    train_data = samples(
        train_side,
        task,
        targets=encoded,
        group=group,
        known=known,
        augment=changes.sample,
        partners=_partners(given, encoded),
        seed=seed,
    )
    validation_data = samples(validation_side, task, group=group, known=known, seed=seed)
    _say(network, freezing)
    return engine.fit(
        network,
        task,
        train_data,
        validation_data,
        terms=terms,
        term_weights=weights if watch is None else _watched(weights, watch),
        settings=_settings(settings, seed, _balance(given, encoded)),
        optimizer=engine.OptimizerSpec(
            learning_rate=settings.learning_rate,
            weight_decay=settings.weight_decay,
            **settings.optimizer.model_dump(),
        ),
        parameter_groups=freezing.parameter_groups(settings.learning_rate),
        schedule=_schedule(settings),
        freezing=freezing,
        mixing=changes.batch,
        early_stopping=_early_stopping(settings),
        checkpoints=_strategy(settings),
        checkpoint_monitor=settings.checkpoints.monitor or "",
        sinks=sinks,
        out_dir=out,
        state_dir=state,
        fabric=fabric,
        pictures=pictures,
        resume_from=resume_from,
    )


def _watched(weights: Callable[..., Any], watch: Callable[[Sequence[Mapping[str, Any]]], None]) -> Callable[..., Any]:
    """The terms' weights, which the loop asks for at every step; ``watch`` hears of each new epoch on the way."""
    told = 0

    def now(epoch: int, step: int, history: list[dict[str, Any]]) -> Any:
        nonlocal told
        if len(history) > told:
            told = len(history)
            watch(history)
        return weights(epoch, step, history)

    return now


def _say(network: Any, freezing: Any) -> None:
    """What of the starting weights matched, and what trains."""
    report = network.backbone.load_report
    if report is not None:
        log.info("%s", report)
    if any(not row.trains for row in freezing.table(0)):
        log.info("%s", freezing.describe(0))


@dataclass(frozen=True)
class Changes:
    """Random changes: of one sample, and of a batch."""

    sample: Callable[..., Any] | None
    batch: Callable[..., Any] | None


def augmentation(given: TrainingPlan) -> Changes:
    """The ``augment:`` block for the input's modality."""
    from scantune import augment
    from scantune.config.augment import augment_config

    held = given.block.train.augment
    if not held:
        return Changes(None, None)
    config = augment_config(given.input.modality, held)
    spacing = given.input.spacing[::-1] if getattr(given.input, "spacing", None) else None
    sample = augment.build(given.input.modality, config, spacing=spacing)
    dims = 3 if given.input.modality == "volume" else 2
    for name, mix in (("mixup", augment.mixup), ("cutmix", augment.cutmix)):
        chosen = getattr(config, name, None)
        if chosen is not None and chosen.enabled:
            options = {"alpha": chosen.alpha} | ({"dims": dims} if name == "cutmix" else {})
            return Changes(sample, functools.partial(_sometimes, mix, chosen.prob, options))
    return Changes(sample, None)


def _sometimes(mix: Any, prob: float, options: Mapping[str, Any], inputs: Any, targets: Any, generator: Any) -> Any:
    import torch

    if float(torch.rand((), generator=generator)) >= prob:
        return inputs, targets, targets, 1.0
    return mix(inputs, targets, generator, **options)


def _partners(given: TrainingPlan, encoded: np.ndarray | None) -> Any:
    from scantune.augment import spoil
    from scantune.engine import Partners

    held = given.block.train.partners
    if held is None:
        return None
    if encoded is None:
        raise ScantuneError("train.partners needs a task with one target a sample; masks have none")
    good = losses_of.good_samples(given.task, encoded, held.good_above)
    dims = 3 if given.input.modality == "volume" else 2
    spoiled = functools.partial(spoil, noise=held.noise, blur=held.blur, contrast=held.contrast, dims=dims)
    return Partners(spoiled, good)


def _balance(given: TrainingPlan, encoded: np.ndarray | None) -> np.ndarray | None:
    """What the balanced sampler balances: the class, the score's range, or the mean grade."""
    if given.block.train.sampler != "balanced":
        return None
    if encoded is None:
        raise ScantuneError("train.sampler: balanced needs one target a sample; masks have none")
    return given.task.strata(encoded)


def _settings(block: Any, seed: int, classes: np.ndarray | None) -> Any:
    from scantune.engine import Settings

    same = {
        name: getattr(block, name) for name in Settings.__dataclass_fields__ if hasattr(block, name) and name != "seed"
    }
    return Settings(
        **same,
        seed=seed,
        classes=classes,
        save_every_seconds=block.save_every_minutes * 60,
        save_optimizer=block.checkpoints.save_optimizer,
        save_scheduler=block.checkpoints.save_scheduler,
        histogram_bins=block.monitoring.bins,
        histogram_range=block.monitoring.range,
        error_ranges=block.monitoring.error_ranges,
        gradient_norms=block.monitoring.gradient_norms,
    )


def _schedule(block: Any) -> Any:
    from scantune.engine import Schedule

    held = block.scheduler
    options = {} if held is None else held.model_dump(exclude={"name"}, exclude_none=True)
    if held is not None and held.name == "plateau":
        options.setdefault("patience", max(1, block.early_stopping.patience // 2))
    if "max_lr" in options:  # a share, so that slower groups keep their distance
        options["max_share"] = options.pop("max_lr") / block.learning_rate
    return Schedule(
        name="constant" if held is None else held.name,
        options=options,
        warmup_epochs=block.warmup_epochs,
        warmup_lr=block.warmup_lr,
    )


def _early_stopping(block: Any) -> Any:
    from scantune.engine import EarlyStopping

    held = block.early_stopping
    if not held.enabled:
        return None
    return EarlyStopping(
        patience=held.patience,
        min_delta=held.min_delta,
        monitor=held.monitor or "",
        mode=held.mode,
        restore_best_weights=held.restore_best_weights,
    )


def _strategy(block: Any) -> Any:
    from scantune.engine import Strategy

    held = block.checkpoints
    return Strategy(
        name=held.strategy,
        max_checkpoints=held.max_checkpoints,
        interval=held.interval,
        threshold=held.threshold,
        milestones=held.milestones,
        mode=held.mode,
    )
