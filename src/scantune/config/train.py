"""The ``train`` block of an experiment: how a network is fine-tuned."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from scantune.config.augment import written
from scantune.config.base import Block, as_text, by_name
from scantune.config.model import Freezing, FreezingConfig
from scantune.config.presets import PRESETS, completed
from scantune.config.synonyms import (
    DEVICES,
    OPTIMIZERS,
    PRECISIONS,
    SCHEDULERS,
    STRATEGIES,
    TRAIN_KEYS,
    also,
    renamed,
    spelled,
)
from scantune.engine.settings import Positive, Rate, Share, TrainingSettings


def _five(value: object) -> object:
    """``true`` as shorthand for the usual number."""
    return 5 * value if isinstance(value, bool) else value


def _several(value: object) -> object:
    """One name is short for a list of one."""
    return [value] if isinstance(value, str) else value


def _enabled(value: object) -> bool:
    """Whether a transform is switched on: by ``true``, or by a block without ``enabled: false``."""
    return value is True or (isinstance(value, dict) and bool(value.get("enabled", bool(value))))


def _logger(value: object) -> object:
    """``true``, ``false`` and ``{enabled: …}`` as shorthand for a logger's block, or for none."""
    if isinstance(value, dict) and "enabled" in value:
        return {k: v for k, v in value.items() if k != "enabled"} if value["enabled"] else None
    return ({} if value else None) if isinstance(value, bool) else value


def _is_logged(value: object) -> object:
    """``{enabled: true}`` as another form of ``true``."""
    return value["enabled"] if isinstance(value, dict) and set(value) == {"enabled"} else value


class LossConfig(Block):
    """A loss by name, or the weighted parts of one; every further key is an option of the loss itself."""

    model_config = ConfigDict(extra="allow")

    name: str
    """A loss (``weighted_mse``, ``huber``, ``dice`` …), or a preset of several (``default``, ``focal`` …)."""

    def options(self) -> dict[str, Any]:
        """The options given, by name."""
        return dict(self.model_extra or {})

    @property
    def schedule(self) -> dict[str, Any]:
        """How the weights of the parts change, with its ``name``; empty where they do not."""
        stated = self.options().get("schedule")
        return {"name": stated} if isinstance(stated, str) else dict(stated or {})


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
    """Degraded copies of good samples, which must receive a lower score than the sample itself."""

    noise: Annotated[float, Field(ge=0)] = 0.2
    """Standard deviation of the noise added."""
    blur: Positive = 5
    """Width of the blur in pixels, odd."""
    contrast: Share = 0.5
    """Remaining contrast, about the mean."""
    good_above: float = 0.5
    """Samples with a target at or above this get a partner."""
    margin: Annotated[float, Field(ge=0)] = 1.0
    """By how much the score of the degraded copy must be lower."""
    weight: Rate = 0.5
    """The term's weight in the loss."""

    @field_validator("blur")
    @classmethod
    def _odd(cls, value: int) -> int:
        if value % 2 == 0:
            raise ValueError(f"the width of a blur is odd: {value - 1} or {value + 1}")
        return value


class DistillationConfig(Block):
    """Learning from the outputs of another experiment's model (``derived`` with ``use: teacher``)."""

    temperature: Rate = 3.0
    """Temperature by which the outputs of teacher and student are softened."""
    alpha: Share = 0.5
    """Weight of the teacher's term in the loss; the labels have the rest."""


class PatchesConfig(Block):
    """How patches are drawn from the training samples, where the input has a ``patch``."""

    per_sample: Positive = 8
    """Patches drawn from each sample in an epoch, anew in every epoch."""
    foreground: Share = 1 / 3
    """Share of the patches centred on the foreground. A class is drawn first, each that the sample has alike, then a
    place in it; the other patches lie anywhere."""


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


class TrainConfig(TrainingSettings):
    """How the network is fine-tuned."""

    preset: str | None = None
    """Defaults of a modality for this block and for ``model:``: radiograph, microscopy, ultrasound, which fine-tune a
    small network from ImageNet weights; or of a system: loes, image_classification, echo_quality, coronary, csi. A key
    that is written replaces its value; ``scantune show`` prints them."""
    find_learning_rate: bool = False
    """Draw the loss by a rising learning rate before the training, for MLflow and the terminal, with a suggestion. The
    training itself uses ``learning_rate``. The command ``scantune find-learning-rate`` does the same alone."""
    loss: Annotated[LossConfig, BeforeValidator(by_name), spelled({})] | None = None
    """The loss by name; the task's own default where null."""
    class_weights: Literal["balanced"] | tuple[Rate, ...] | None = None
    """``balanced`` weighs by 1/frequency in the training side; or one number a class."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the label that is spread evenly over the classes."""
    scanner_consistency: ScannerConsistencyConfig | None = None
    """A term against differences between scanners."""
    partners: PartnersConfig | None = None
    """Degraded copies that must receive a lower score."""
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
    patches: PatchesConfig | None = None
    """How patches are drawn, where the input has a ``patch``; null: as the defaults say."""
    sampler_by: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    """With ``sampler: balanced``: groups of the dataset, each combination of whose levels with a class is drawn equally
    often, so that no group tells the class. Rare combinations are repeated."""
    match: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    """Groups of the dataset by which the training set is matched: of each combination of their levels as many samples
    of every class (fifth of a score) train, the others not at all. Validation and test stay as they are."""
    precision: Annotated[Literal["auto", "32", "bf16", "fp16"], spelled(PRECISIONS), BeforeValidator(as_text)] = "auto"
    """``auto`` is bf16 where the device has it in hardware, else 32; on a CPU 32 too for networks with depthwise
    convolutions (EfficientNet, MobileNet), for which bf16 takes longer there. fp16 needs a GPU."""
    loggers: LoggersConfig = LoggersConfig()
    """TensorBoard, Weights & Biases."""
    test_time_augmentation: Annotated[int, Field(ge=0), BeforeValidator(_five)] = 0
    """Number of augmented copies of a sample whose outputs are averaged with its own at prediction; for masks the
    copies are mirror images, at most 3 in 2D and 7 in 3D. 0 for none, ``true`` for 5."""
    distance: bool | Literal["abstain"] = False
    """Keep features of the training images in the model, so that every prediction has a column ``distance``: above 1 an
    image is unlike the training images (farther from the nearest than 95 % of the validation images). A prediction then
    takes one more pass of the backbone. ``abstain``: such an image is not answered by ``scantune predict`` and the
    served model; ``predictions.csv`` has a column ``answered``, and the report states the share and the metrics of the
    samples that are answered."""
    folds: Annotated[int, Field(ge=0), BeforeValidator(_five)] = 0
    """Number of networks trained by cross-validation, one per fold of the split; 0 trains one, ``true`` 5."""
    members: Positive = 1
    """Number of networks trained with seeds ``seed``, ``seed`` + 1 …, whose predictions are averaged."""
    devices: int | Literal["auto"] = "auto"
    """GPUs (or CPU processes) to use; ``auto`` is all that are visible."""
    device: Annotated[Literal["auto", "cpu", "cuda", "mps"], spelled(DEVICES)] = "auto"
    """Kind of device."""
    find_unused_parameters: bool = False
    """Several processes: allow parameters that a step does not use."""

    _also = also(**TRAIN_KEYS)
    _optimizers = field_validator("optimizer", mode="before")(spelled(OPTIMIZERS).func)
    _schedulers = field_validator("scheduler", mode="before")(spelled(SCHEDULERS).func)

    @field_validator("checkpoints", mode="before")
    @classmethod
    def _strategies(cls, value: object) -> object:
        keys = {"monitor_metric": "monitor", "metric": "monitor", "save_interval": "interval"}
        return renamed(spelled(STRATEGIES, "strategy", "save_strategy").func(value), keys)  # type: ignore[call-arg]

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
        if self.precision == "fp16" and self.device == "cpu":
            raise ValueError("precision fp16 needs a GPU; on the CPU use bf16 or 32")
        if self.deterministic and self.cudnn_benchmark:
            raise ValueError("cudnn_benchmark chooses by time, which deterministic forbids; keep one of them")
        if self.partners is not None and self.mixing:
            raise ValueError(
                f"partners and augment.{self.mixing[0]}: a sample that is mixed with another has no spoiled copy to "
                "stand above; keep one of them"
            )
        if self.sampler_by and self.sampler != "balanced":
            raise ValueError(f"sampler_by {list(self.sampler_by)} is of the balanced sampler; set sampler: balanced")
        if self.folds == 1:
            raise ValueError("folds: 1 is not a cross-validation; use 0 for none, or at least 2")
        if self.folds and self.members > 1:
            raise ValueError("folds and members both train several networks; keep one of them")
        if self.folds and self.calibration_fraction:
            raise ValueError("calibration_fraction divides the validation set; folds calibrate out of fold: remove it")
        return self

    @property
    def mixing(self) -> list[str]:
        """Of ``mixup`` and ``cutmix`` those that are switched on."""
        if not self.augment.get("enabled", True):
            return []
        return [name for name in ("mixup", "cutmix") if _enabled(self.augment.get(name))]
