"""What of a ``train:`` block works against another key of it without being wrong."""

from __future__ import annotations

import math

from scantune.config.train import TrainConfig
from scantune.engine.schedule_settings import CosineSchedule, OneCycleSchedule, PlateauSchedule, StepSchedule
from scantune.engine.settings import CheckpointsConfig

#: Keys of ``checkpoints`` that some strategies alone read.
OF_STRATEGIES: dict[str, tuple[str, ...]] = {
    "interval": ("interval", "all", "adaptive"),
    "threshold": ("performance", "adaptive"),
    "milestones": ("time",),
}


def notes_of(train: TrainConfig) -> list[str]:
    """Each with its key and what to do."""
    return [
        *_late_layers(train),
        *_idle_options(train),
        *_idle_keys(train),
        *_late_reduction(train),
        *_moving_monitor(train),
        *_without_validation(train),
    ]


def _idle_keys(train: TrainConfig) -> list[str]:
    """Keys of the schedule and of checkpoints that others leave without effect, and one aim pursued twice."""
    notes, kept, defaults = [], train.checkpoints, CheckpointsConfig()
    for key, strategies in OF_STRATEGIES.items():
        if getattr(kept, key) != getattr(defaults, key) and kept.strategy not in strategies:
            notes.append(
                f"train.checkpoints.{key} has no effect: it is of the strategies {', '.join(strategies)}, not of "
                f"{kept.strategy}"
            )
    if kept.save_scheduler and not kept.save_optimizer:
        notes.append(
            "train.checkpoints.save_scheduler has no effect: a checkpoint without its optimizer is not resumed; "
            "set save_optimizer too"
        )
    if train.warmup_lr != type(train).model_fields["warmup_lr"].default and not train.warmup_epochs:
        notes.append("train.warmup_lr has no effect: there is no warm-up; set warmup_epochs")
    if isinstance(train.scheduler, StepSchedule) and train.scheduler.step_size >= train.epochs - train.warmup_epochs:
        after = f" less train.warmup_epochs ({train.warmup_epochs:g})" if train.warmup_epochs else ""
        notes.append(
            f"train.scheduler.step_size ({train.scheduler.step_size}) is not below train.epochs ({train.epochs})"
            f"{after}: the learning rate is never reduced"
        )
    falling = train.epochs - train.warmup_epochs
    if isinstance(train.scheduler, CosineSchedule) and falling < 0.8 * (train.scheduler.T_max or 0):
        share = (1 + math.cos(math.pi * falling / (train.scheduler.T_max or 1))) / 2
        notes.append(
            f"train.scheduler.T_max ({train.scheduler.T_max}): the learning rate is still {share:.0%} of the highest "
            f"when the {train.epochs} epochs end; set it to {math.ceil(falling)}"
        )
    if train.sampler == "balanced" and train.class_weights == "balanced":
        notes.append(
            "train.class_weights and train.sampler both balance the classes, so that a rare one counts twice over: "
            "its samples are drawn more often and have greater weights; keep one of them"
        )
    if isinstance(train.scheduler, OneCycleSchedule) and train.warmup_epochs:
        notes.append(
            f"train.warmup_epochs: onecycle rises by itself, from 1/{train.scheduler.div_factor:g} of its highest "
            "rate, to which the rate falls after the warm-up; remove it"
        )
    return notes


def _idle_options(train: TrainConfig) -> list[str]:
    """Options of the optimizer that another one has, or that the schedule replaces."""
    block, schedule = train.optimizer, train.scheduler
    cycles = isinstance(schedule, OneCycleSchedule) and schedule.cycle_momentum
    changed = {
        "momentum": block.momentum != 0.9,
        "nesterov": block.nesterov,
        "betas": block.betas != (0.9, 0.999),
        "eps": block.eps != 1e-8,
    }
    others = ("betas", "eps") if block.name == "sgd" else ("momentum", "nesterov")
    notes = [f"train.optimizer.{key} is no option of {block.name}: it has no effect" for key in others if changed[key]]
    replaced = block.momentum != 0.9 if block.name == "sgd" else block.betas[0] != 0.9
    if cycles and replaced:
        key = "momentum" if block.name == "sgd" else "betas (the first)"
        notes.append(
            f"train.optimizer.{key} has no effect: onecycle has a momentum between 0.85 and 0.95; set "
            "cycle_momentum: false in train.scheduler to keep yours"
        )
    return notes


def _late_layers(train: TrainConfig) -> list[str]:
    """Layers that would train from an epoch on that there is not."""
    freezing = train.freezing
    listed = freezing.unfreeze_epochs if isinstance(freezing.unfreeze_epochs, tuple) else ()
    numbers = [("unfreeze_epochs", epoch) for epoch in listed]
    numbers += [("head_epochs", freezing.head_epochs), ("progressive_every", freezing.progressive_every or 0)]
    notes = [
        f"train.freezing.{key} ({epoch}) is not below train.epochs ({train.epochs}): these layers never train"
        for key, epoch in numbers
        if epoch >= train.epochs
    ]
    if freezing.unfreeze_epochs == "quarters" and train.epochs < 3:
        notes.append(
            f"train.freezing.unfreeze_epochs (quarters) needs 3 epochs, and train.epochs is {train.epochs}: the first "
            "layers never train"
        )
    return notes


def _moving_monitor(train: TrainConfig) -> list[str]:
    """A monitored loss whose parts weigh differently from epoch to epoch."""
    name = None if train.loss is None else train.loss.schedule.get("name")
    blocks = {"monitor": train.monitor, "checkpoints.monitor": train.checkpoints.monitor}
    blocks |= {"early_stopping.monitor": train.early_stopping.monitor} if train.early_stopping.enabled else {}
    return [
        f"train.{key}: {monitor} has other weights in each epoch (train.loss.schedule), so that it may fall by "
        "them alone and keep the wrong epoch: set a metric that does not, such as val_dice"
        for key, monitor in blocks.items()
        if name not in (None, "constant") and monitor in ("train_loss", "val_loss")
    ]


def _late_reduction(train: TrainConfig) -> list[str]:
    """A rate that is reduced with the training's last epoch, or after it."""
    scheduler, stopping = train.scheduler, train.early_stopping
    if not (stopping.enabled and isinstance(scheduler, PlateauSchedule)):
        return []
    if stopping.patience == 1:
        return [
            "train.early_stopping.patience (1): training ends before the learning rate is reduced; set 2 or more, or "
            "remove train.scheduler"
        ]
    if scheduler.patience is None or scheduler.patience + 1 < stopping.patience:
        return []
    return [
        f"train.scheduler.patience ({scheduler.patience}): training ends before the learning rate is reduced, which "
        f"takes at least 2 less than train.early_stopping.patience ({stopping.patience}); omit it for half"
    ]


def _without_validation(train: TrainConfig) -> list[str]:
    """Epochs that the checkpoint strategy would keep and does not, because they have no validation."""
    kept, epochs = train.checkpoints, train.epochs
    regular = range(kept.interval, epochs + 1, kept.interval)
    milestones = sorted(kept.milestone_epochs(epochs))
    named = {"interval": regular, "all": regular, "time": milestones}.get(kept.strategy, [])
    missed = [str(epoch) for epoch in named if not train.validates(epoch)]
    if not missed:
        return []
    return [
        f"train.checkpoints.{'milestones' if kept.strategy == 'time' else 'interval'}: no checkpoint is kept of the "
        f"epochs {', '.join(missed)}, which have no validation (train.validate_every: {train.validate_every}): let "
        "them coincide"
    ]
