"""The ``train`` block of an experiment: how a network is fine-tuned."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from scantune.config.augment import written
from scantune.config.base import Block, by_name
from scantune.config.model import Freezing, FreezingConfig
from scantune.config.presets import PRESETS, completed
from scantune.config.schedule import PlateauSchedule, SchedulerConfig
from scantune.config.synonyms import OPTIMIZERS, SCHEDULERS, STRATEGIES, TRAIN_KEYS, also, spelled

Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0)]


def _switch(value: object) -> object:
    """``false`` and ``true`` as shorthand for ``{enabled: …}``."""
    return {"enabled": value} if isinstance(value, bool) else value


def _five(value: object) -> object:
    """``true`` as shorthand for the usual number."""
    return 5 * value if isinstance(value, bool) else value


def _enabled(value: object) -> bool:
    return isinstance(value, dict) and bool(value.get("enabled"))


def _by_strategy(value: object) -> object:
    return by_name(value, "strategy")


_STRATEGY = spelled(STRATEGIES, "strategy", "save_strategy")


def _logger(value: object) -> object:
    """``true``, ``false`` and ``{enabled: …}`` as shorthand for a logger's block, or for none."""
    if isinstance(value, dict) and "enabled" in value:
        return {k: v for k, v in value.items() if k != "enabled"} if value["enabled"] else None
    return ({} if value else None) if isinstance(value, bool) else value


def _is_logged(value: object) -> object:
    """``{enabled: true}`` as another form of ``true``."""
    return value["enabled"] if isinstance(value, dict) and set(value) == {"enabled"} else value


class OptimizerConfig(Block):
    """What turns gradients into steps."""

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    """Which one."""
    betas: tuple[Share, Share] = (0.9, 0.999)
    """Decay of the running means (adam, adamw)."""
    eps: Rate = 1e-8
    """Added to the denominator (adam, adamw)."""
    momentum: Share = 0.9
    """Momentum (sgd)."""
    nesterov: bool = False
    """Nesterov's momentum (sgd)."""


class LossConfig(Block):
    """A loss by name, or the weighted parts of one; every further key is an option of the loss itself."""

    model_config = ConfigDict(extra="allow")

    name: str
    """A loss (``weighted_mse``, ``huber``, ``dice`` …), or a preset of several (``default``, ``focal`` …)."""

    def options(self) -> dict[str, Any]:
        """The options given, by name."""
        return dict(self.model_extra or {})


class EarlyStoppingConfig(Block):
    """Ends a training that no longer gets better."""

    enabled: bool = True
    """Whether to stop early at all."""
    patience: Positive = 10
    """Epochs without improvement before the end."""
    min_delta: Annotated[float, Field(ge=0)] = 0.001
    """By how much the figure must improve to count."""
    monitor: str | None = None
    """The figure; the block's own ``monitor`` where null."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Which way is better; ``auto`` goes by the task's table (losses and errors are better when lower)."""
    restore_best_weights: bool = True
    """The best epoch's weights are the model; else the last epoch's."""


class CheckpointsConfig(Block):
    """Which epochs' weights are kept. The best and the last are kept in any case."""

    strategy: Literal["best", "epoch", "interval", "all", "adaptive", "performance", "time"] = "best"
    """``best`` the best few; ``epoch`` every one; ``interval`` regularly; ``all`` best and regular; ``adaptive``
    denser while the figure moves; ``performance`` those near the best; ``time`` at milestones of the run."""
    max_checkpoints: Positive | None = None
    """How many are kept; null is 3 for ``best`` and ``performance``, 5 for the others."""
    interval: Positive = 5
    """Epochs between two (``interval``, ``all``), and the widest gap of ``adaptive``."""
    threshold: Share = 0.05
    """``performance``: how far below the best still counts, as a share of it; ``adaptive``: the change that counts
    as moving."""
    milestones: tuple[Share, ...] = (0.25, 0.5, 0.75, 1.0)
    """``time``: shares of the run at which to keep one."""
    monitor: str | None = None
    """The figure that ranks them; the block's own ``monitor`` where null."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Which way is better."""
    save_optimizer: bool = False
    """Keep the optimizer with each, so that training may go on from any of them."""
    save_scheduler: bool = False
    """Keep the scheduler's state with each."""

    _also = also(monitor_metric="monitor", metric="monitor", save_interval="interval")


class ScannerConsistencyConfig(Block):
    """A term that pulls the scanners' mean predictions together: the variance *between* them.

    Predictions are the score, the probability of each class (and zone), or each class's share of the picture. In
    training those of one batch are compared, in validation all.
    """

    group: str = "scanner"
    """The grouping column that names the scanner."""
    weight: Rate = 0.1
    """Its weight in the loss."""


class PartnersConfig(Block):
    """Spoiled copies of good samples, which must score lower than the sample itself."""

    noise: Annotated[float, Field(ge=0)] = 0.2
    """Standard deviation of the noise added."""
    blur: Positive = 5
    """Width of the blur in pixels, odd."""
    contrast: Share = 0.5
    """Contrast left, about the mean."""
    good_above: float = 0.5
    """Samples with a target at or above this get a partner."""
    margin: Annotated[float, Field(ge=0)] = 1.0
    """By how much the partner must score lower."""
    weight: Rate = 0.5
    """The term's weight in the loss."""

    @field_validator("blur")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"the width of a blur is odd: {value - 1} or {value + 1}")
        return value


class DistillationConfig(Block):
    """Learning from another experiment's model (``derived`` with ``use: teacher``)."""

    temperature: Rate = 3.0
    """Softens both answers."""
    alpha: Share = 0.5
    """Share of the teacher's term; the labels have the rest."""


class MonitoringConfig(Block):
    """What is looked at every epoch beside the losses."""

    bins: Positive = 35
    """Bins of the histograms of prediction and target."""
    range: tuple[float, float] | None = None
    """Their range; the targets' own where null."""
    error_ranges: tuple[float, ...] = ()
    """Cut points between which the mean absolute error is given (``[5, 15]``: below 5, 5 to 15, from 15)."""
    pictures: Annotated[int, Field(ge=0, le=24)] = 6
    """Validation samples that TensorBoard and Weights & Biases are shown at the end, with what the network says of each
    and a map of where it looked; 0 none."""
    gradient_norms: bool = True
    """Gradient norm by parameter, and the names of those without gradient."""


class WandbConfig(Block):
    """Weights & Biases as a further logger."""

    project: str = "scantune"
    """Project there."""
    entity: str | None = None
    """Team or user there."""
    mode: Literal["offline", "online"] = "offline"
    """``offline`` writes files that ``wandb sync`` sends later; a training that was killed and went on left two folders
    of one run, which it joins."""


class LoggersConfig(Block):
    """Loggers beside MLflow and the history files."""

    tensorboard: Annotated[bool, BeforeValidator(_is_logged)] = False
    """Write TensorBoard events below ``logs/<experiment>/``, a folder a training."""
    wandb: Annotated[WandbConfig | None, BeforeValidator(_logger)] = None
    """Write a Weights & Biases run; ``true`` and ``{enabled: true}`` stand for the defaults."""


class TrainConfig(Block):
    """How the network is fine-tuned."""

    preset: str | None = None
    """Defaults of a system for this block and for ``model:``: loes, image_classification, echo_quality, coronary, csi.
    A key that is written replaces its value; ``scantune show`` prints them."""
    epochs: Annotated[int, Field(ge=1)] = 30
    """Passes over the training side."""
    batch_size: Positive = 8
    """Samples a device takes at once."""
    grad_accumulation_steps: Positive = 1
    """Batches whose gradients make one step."""
    learning_rate: Rate = 3e-4
    """Of the head; the backbone's is a share of it (``freezing.backbone_factor``)."""
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    """Pull of the weights to zero."""
    optimizer: Annotated[OptimizerConfig, BeforeValidator(by_name), spelled(OPTIMIZERS)] = OptimizerConfig()
    """adam, adamw or sgd."""
    scheduler: Annotated[SchedulerConfig | None, spelled(SCHEDULERS)] = Field(default=None, validate_default=False)
    """plateau, onecycle, cosine, step or cosine_restarts; null keeps the rate."""
    warmup_epochs: Annotated[float, Field(ge=0)] = 0
    """Epochs of linear warm-up in front of the scheduler."""
    warmup_lr: Rate = 1e-5
    """Where the warm-up starts."""
    loss: Annotated[LossConfig, BeforeValidator(by_name), spelled({})] | None = None
    """The loss by name; the task's own default where null."""
    class_weights: Literal["balanced"] | tuple[Rate, ...] | None = None
    """``balanced`` weighs by 1/frequency in the training side; or one number a class."""
    label_smoothing: Share = 0.0
    """Share of the label that is spread over the other classes."""
    scanner_consistency: ScannerConsistencyConfig | None = None
    """A term against differences between scanners."""
    partners: PartnersConfig | None = None
    """Spoiled copies that must score lower."""
    distillation: DistillationConfig | None = None
    """Learning from a teacher."""
    freezing: Freezing = FreezingConfig()
    """Which layers train, from when on, and how fast: ``none``, ``backbone``, ``gradual`` …, or the block."""
    calibration: Literal["temperature", "isotonic", "none"] = "temperature"
    """How probabilities (of classes and graded zones) are calibrated, fitted on validation after training."""
    miscoverage: Annotated[float, Field(gt=0, lt=0.5)] = 0.1
    """Share of true values that the conformal intervals (regression) or sets (classification) may miss; fitted on
    validation."""
    calibration_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the validation subjects kept for calibration and conformal quantiles alone; the rest choose the
    checkpoint. 0: the same subjects do both. Folds calibrate out of fold."""
    augment: Annotated[dict[str, Any], BeforeValidator(written)] = Field(default_factory=dict)
    """Random changes of the training samples. A key switches on its own transform and no other; ``default`` is the
    usual set of the modality, ``{default: true, rotation: 20}`` that set with one change."""
    sampler: Literal["shuffled", "balanced"] = "shuffled"
    """``balanced`` draws every class equally often."""
    clip_norm: Rate | None = None
    """Largest norm of the gradient of a step."""
    clip_value: Rate | None = None
    """Largest absolute value of a single gradient."""
    precision: Literal["auto", "32", "bf16", "fp16"] = "auto"
    """``auto`` is bf16 where the device has it in hardware, else 32. fp16 needs a GPU."""
    monitor: str = "val_loss"
    """The figure by which checkpoints, early stopping and the plateau scheduler go."""
    mode: Literal["auto", "min", "max"] = "auto"
    """Which way it is better; ``auto`` goes by the task's table (losses and errors are better when lower)."""
    early_stopping: Annotated[EarlyStoppingConfig, BeforeValidator(_switch)] = EarlyStoppingConfig()
    """When to end before the last epoch; ``false`` never."""
    checkpoints: Annotated[CheckpointsConfig, BeforeValidator(_by_strategy), _STRATEGY] = CheckpointsConfig()
    """Which epochs' weights are kept."""
    monitoring: MonitoringConfig = MonitoringConfig()
    """What is looked at every epoch."""
    loggers: LoggersConfig = LoggersConfig()
    """TensorBoard, Weights & Biases."""
    test_time_augmentation: Annotated[int, Field(ge=0), BeforeValidator(_five)] = 0
    """Augmented copies whose answers are averaged at prediction; of masks mirror images, at most 3 in 2D and 7 in 3D.
    0 none, ``true`` 5."""
    folds: Annotated[int, Field(ge=0), BeforeValidator(_five)] = 0
    """Number of networks trained by cross-validation, one per fold of the split; 0 trains one, ``true`` 5."""
    members: Positive = 1
    """Number of networks trained with seeds ``seed``, ``seed`` + 1 …, whose predictions are averaged."""
    seed: int = 42
    """Of weights, order, augmentation, dropout."""
    workers: Annotated[int, Field(ge=0)] = 0
    """Processes that load samples; they pay where augmentation is heavy."""
    pin_memory: bool = True
    """Faster copies to a GPU."""
    devices: int | Literal["auto"] = "auto"
    """GPUs (or CPU processes) to use; ``auto`` is all that are visible."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Kind of device."""
    channels_last: bool = False
    """Memory order that suits some nets; measure."""
    compile: bool = False
    """Compile the network first; pays on GPUs and long runs."""
    gradient_checkpointing: bool = False
    """Less memory, about a third more time."""
    cudnn_benchmark: bool = False
    """Let cuDNN try its algorithms first; not reproducible to the last bit."""
    flash_attention: bool = True
    """Allow the fused attention kernels of a GPU."""
    clear_cache: bool = False
    """Give a GPU's cached memory back after every epoch."""
    deterministic: bool = False
    """Only algorithms that repeat to the last bit on a GPU; slower."""
    find_unused_parameters: bool = False
    """Several processes: allow parameters that a step does not use."""
    save_every_minutes: Rate = 0.5
    """How often a training is saved inside an epoch; it is saved at each epoch's end as well."""
    resume: Literal["exact", "lenient", "never"] = "exact"
    """After a kill: go on only where the end is the same to the last bit; go on anyhow; or start anew."""
    on_out_of_memory: Literal["stop", "halve"] = "stop"
    """``halve`` takes half the batch and accumulates twice as many."""
    on_non_finite: Literal["stop", "skip"] = "stop"
    """A loss or gradient that is not a number: stop, or leave the step out and count it."""

    _also = also(**TRAIN_KEYS)

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, value: object) -> object:
        return completed(value)

    @field_validator("preset")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None and value not in PRESETS:
            raise ValueError(f"no preset of that name; there are {', '.join(PRESETS)}")
        return value

    @model_validator(mode="after")
    def _agree(self) -> TrainConfig:
        if self.clip_norm is not None and self.clip_value is not None:
            raise ValueError("clip_norm and clip_value are two ways to clip; keep one of them")
        if self.warmup_epochs >= self.epochs:
            raise ValueError(f"warmup_epochs ({self.warmup_epochs:g}) must be fewer than epochs ({self.epochs})")
        if self.precision == "fp16" and self.device == "cpu":
            raise ValueError("precision fp16 needs a GPU; on the CPU use bf16 or 32")
        mixed = [name for name in ("mixup", "cutmix") if _enabled(self.augment.get(name))]
        if self.partners is not None and mixed:
            raise ValueError(
                f"partners and augment.{mixed[0]}: a sample that is mixed with another has no spoiled copy to stand "
                "above; keep one of them"
            )
        if self.folds == 1:
            raise ValueError("folds: 1 is not a cross-validation; use 0 for none, or at least 2")
        if self.folds and self.members > 1:
            raise ValueError("folds and members both train several networks; keep one of them")
        if self.folds and self.calibration_fraction:
            raise ValueError("calibration_fraction divides the validation set; folds calibrate out of fold: remove it")
        return self

    def warnings(self) -> list[str]:
        """Settings that work against each other without being wrong."""
        scheduler = self.scheduler
        if not (self.early_stopping.enabled and isinstance(scheduler, PlateauSchedule)):
            return []
        patience = scheduler.patience
        if patience is None or patience < self.early_stopping.patience:
            return []
        return [
            f"train.scheduler.patience ({patience}) is not below train.early_stopping.patience "
            f"({self.early_stopping.patience}): training ends before the learning rate is reduced; omit it for half"
        ]
