"""The part of the ``train:`` block that the loop itself uses; read without torch, as ``params.yaml`` is."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from scantune.config.base import Block, Seed, by_name
from scantune.engine.schedule_settings import Positive, Rate, SchedulerConfig

Share = Annotated[float, Field(ge=0, le=1)]
Milestone = Annotated[float, Field(gt=0, le=1)]
Decay = Annotated[float, Field(ge=0, lt=1)]


def _switch(value: object) -> object:
    """``false`` and ``true`` as shorthand for ``{enabled: …}``."""
    return {"enabled": value} if isinstance(value, bool) else value


def _by_strategy(value: object) -> object:
    return by_name(value, "strategy")


def _decay(value: object) -> object:
    """``true`` and ``false`` as shorthand for the usual decay and for none."""
    return {True: 0.999, False: None}[value] if isinstance(value, bool) else value


def _swa(value: object) -> object:
    """``true``, ``false`` and a number as shorthand for a block of SWA."""
    if isinstance(value, bool):
        return {} if value else None
    return {"start": value} if isinstance(value, int | float) else value


class OptimizerConfig(Block):
    """What turns gradients into steps."""

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    """Name of the optimizer."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decay rates of the running means of the gradient and of its square (adam, adamw)."""
    eps: Rate = 1e-8
    """Added to the denominator for numerical stability (adam, adamw)."""
    momentum: Share = 0.9
    """Momentum (sgd)."""
    nesterov: bool = False
    """Nesterov's momentum (sgd)."""

    @model_validator(mode="after")
    def _has_momentum(self) -> OptimizerConfig:
        if self.name == "sgd" and self.nesterov and not self.momentum:
            raise ValueError("optimizer: nesterov needs a momentum above 0")
        return self


class EarlyStoppingConfig(Block):
    """Ends a training whose metric no longer improves."""

    enabled: bool = True
    """Whether to stop early at all."""
    patience: Positive = 10
    """Epochs without improvement before the end."""
    min_delta: Annotated[float, Field(ge=0)] = 0.001
    """Smallest improvement of the metric that counts."""
    monitor: str | None = None
    """The metric; that of ``train.monitor`` where null."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether the metric is better when lower or higher; ``auto``: as the task states it (losses and errors: lower)."""
    restore_best_weights: bool = True
    """The model has the weights of the best epoch; else those of the last. Also where ``enabled`` is false."""

    @property
    def plateau_patience(self) -> int:
        """That of a plateau scheduler without one: half, and an epoch at least between reduction and end."""
        return max(0, min(self.patience // 2, self.patience - 2))


class CheckpointsConfig(Block):
    """Which epochs' weights are kept. The best and the last are kept in any case."""

    strategy: Literal["best", "epoch", "interval", "all", "adaptive", "performance", "time"] = "best"
    """``best`` the best few; ``epoch`` every one; ``interval`` regularly; ``all`` best and regular; ``adaptive``
    denser while the metric changes; ``performance`` those near the best; ``time`` at milestones of the training."""
    max_checkpoints: Positive | None = None
    """How many are kept; null is 3 for ``best`` and ``performance``, 5 for the others, as many as milestones at least
    for ``time``."""
    interval: Positive = 5
    """Epochs between two (``interval``, ``all``), and the widest gap of ``adaptive``."""
    threshold: Share = 0.05
    """``performance``: how far below the best an epoch may be, as a share of the best; ``adaptive``: the smallest
    relative change of the metric that counts."""
    milestones: Annotated[tuple[Milestone, ...], Field(min_length=1)] = (0.25, 0.5, 0.75, 1.0)
    """``time``: shares of the training after which a checkpoint is kept."""
    monitor: str | None = None
    """The metric that ranks checkpoints; that of ``train.monitor`` where null."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether the metric is better when lower or higher; ``auto``: as the task states it."""
    save_optimizer: bool = False
    """Save the optimizer with each checkpoint, so that training can continue from it."""
    save_scheduler: bool = False
    """Save the scheduler's state with each checkpoint too; of no effect without ``save_optimizer``."""

    @property
    def limit(self) -> int:
        """How many are kept."""
        usual = 3 if self.strategy in ("best", "performance") else 5
        return self.max_checkpoints or (max(usual, len(self.milestones)) if self.strategy == "time" else usual)

    def milestone_epochs(self, epochs: int) -> set[int]:
        """Epochs, from 1, with which the shares of ``milestones`` of so many epochs are complete."""
        return {max(1, math.ceil(round(share * epochs, 6))) for share in self.milestones}


class SwaConfig(Block):
    """Stochastic weight averaging: the mean of the weights at the ends of the last epochs."""

    start: Annotated[float, Field(ge=0, lt=1)] = 0.75
    """Share of the epochs after which averaging starts; the last epoch is always averaged."""
    learning_rate: Rate | None = None
    """Constant learning rate from then on (of the head; other groups in proportion); null leaves the scheduler's."""


class MonitoringConfig(Block):
    """What is recorded every epoch beside the losses."""

    bins: Positive = 35
    """Bins of the histograms of prediction and target."""
    range: tuple[float, float] | None = None
    """Range of the histograms; that of the targets where null."""
    error_ranges: tuple[float, ...] = ()
    """Cut points between which the mean absolute error is given (``[5, 15]``: below 5, 5 to 15, from 15)."""
    pictures: Annotated[int, Field(ge=0, le=24)] = 6
    """Number of validation samples that TensorBoard and Weights & Biases receive at the end, each with its prediction
    and a saliency map; 0 for none."""
    gradient_norms: bool = False
    """Record the gradient norm of each parameter, a chart each, and the names of parameters without a gradient."""

    @field_validator("range", "error_ranges")
    @classmethod
    def _rising(cls, value: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if any(a >= b for a, b in pairwise(value or ())):
            raise ValueError(f"{list(value or ())} must rise, such as [5, 15]")
        return value


class TrainingSettings(Block):
    """How long, how many at once, and what to do when something goes wrong."""

    epochs: Positive = 30
    """Passes over the training side."""
    batch_size: Positive = 8
    """Samples per batch on each device."""
    grad_accumulation_steps: Positive = 1
    """Batches whose gradients are accumulated for one step of the optimizer."""
    sampler: Literal["shuffled", "balanced"] = "shuffled"
    """``balanced`` draws every class equally often (of a score: every fifth of its range in the training side)."""
    learning_rate: Rate = 3e-4
    """Learning rate of the head; the backbone's is a share of it (``freezing.backbone_factor``)."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    """Weight decay (L2; decoupled in adamw)."""
    optimizer: Annotated[OptimizerConfig, BeforeValidator(by_name)] = OptimizerConfig()
    """adam, adamw or sgd."""
    scheduler: SchedulerConfig | None = Field(default=None, validate_default=False)
    """plateau, onecycle, cosine, step, cosine_restarts or poly; null keeps the rate."""
    warmup_epochs: Annotated[float, Field(ge=0)] = 0
    """Epochs of linear warm-up in front of the scheduler."""
    warmup_lr: Rate = 1e-5
    """Learning rate at the start of the warm-up."""
    clip_norm: Rate | None = None
    """Largest norm of a step's gradient; a longer one is scaled down to it."""
    clip_value: Rate | None = None
    """Largest absolute value of each element of the gradient; larger ones are cut off."""
    validate_every: Positive = 1
    """Epochs from one validation to the next, where predicting the validation side takes long; the first and the last
    epoch have one too. Checkpoints, patience and the plateau scheduler count validations."""
    monitor: str = "val_loss"
    """The metric that checkpoints, early stopping and the plateau scheduler use."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Whether the metric is better when lower or higher; ``auto``: as the task states it (losses and errors: lower)."""
    early_stopping: Annotated[EarlyStoppingConfig, BeforeValidator(_switch)] = EarlyStoppingConfig()
    """When to end before the last epoch; ``false`` never."""
    checkpoints: Annotated[CheckpointsConfig, BeforeValidator(_by_strategy)] = CheckpointsConfig()
    """Epochs whose weights are kept."""
    monitoring: MonitoringConfig = MonitoringConfig()
    """What is recorded every epoch."""
    ema: Annotated[Annotated[float, Field(gt=0, lt=1)] | None, BeforeValidator(_decay)] = None
    """Decay of an exponential moving average of the weights, updated after each step; ``true`` is 0.999, null trains
    without. Validation, checkpoints and the model have the averaged weights. At step n the decay is at most
    (1 + n)/(10 + n), so that a short training is not dominated by its initial weights."""
    swa: Annotated[SwaConfig | None, BeforeValidator(_swa)] = None
    """Stochastic weight averaging: the mean of the weights at the ends of the last epochs; ``true``, the share of the
    epochs after which it starts, or the block. From then on validation, checkpoints and the model have the averaged
    weights; an additional pass over the training side per epoch computes the statistics of batch norm."""
    seed: Seed = 42
    """Seed of initial weights, order of samples, augmentation and dropout."""
    workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Processes that load and augment samples; those of the validation set are as many more, at work in turn with them.
    The result is the same with any number. ``auto``: where a GPU trains, one for each further processor, at most 16;
    where the processor trains, none, because they would take its time."""
    pin_memory: bool = True
    """Keep batches in page-locked memory, for faster copies to a GPU."""
    channels_last: bool = False
    """Store tensors channels last, which speeds up some networks; measure it."""
    compile: bool = False
    """Compile the network in the first step, which takes a C++ compiler (g++) and minutes; worth it on GPUs and for
    long trainings."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass to save memory; about a third slower."""
    cudnn_benchmark: bool = False
    """Let cuDNN time its algorithms and choose the fastest; not reproducible to the last bit."""
    flash_attention: bool = True
    """Allow the fused attention kernels of a GPU."""
    clear_cache: bool = False
    """Release the GPU's cached memory after every epoch."""
    deterministic: bool = False
    """Use only algorithms that are reproducible to the last bit on a GPU; slower."""
    save_every_minutes: Rate = 0.5
    """Minutes between saves of the training within an epoch; it is also saved at the end of each epoch. A save is put
    off where saving would take more than one fiftieth of the time."""
    resume: Literal["exact", "lenient", "never"] = "exact"
    """After an interruption: ``exact`` continues only where the result is the same to the last bit, ``lenient`` in any
    case, ``never`` starts again."""
    on_out_of_memory: Literal["stop", "halve"] = "stop"
    """``halve`` halves the batch and accumulates twice as many."""
    on_non_finite: Literal["stop", "skip"] = "stop"
    """A loss or gradient that is not a finite number: stop the training, or skip the step and count it."""

    @model_validator(mode="after")
    def _agrees(self) -> TrainingSettings:
        if self.ema is not None and self.swa is not None:
            raise ValueError("ema and swa are two averages of the weights; keep one of them")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs:g}) must be fewer than epochs ({self.epochs})")
        return self

    def validates(self, epoch: int) -> bool:
        """Whether an epoch, from 1, ends with a validation: the first, the last and every ``validate_every``-th."""
        return epoch in (1, self.epochs) or epoch % self.validate_every == 0

    def validations_after(self, completed: int) -> int:
        """Number of validations after so many completed epochs."""
        return sum(self.validates(epoch) for epoch in range(completed + 1, self.epochs + 1))
