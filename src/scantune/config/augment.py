"""Augmentation, per modality. A number is widened to the range that the key says; a pair is the range itself.

A key that is written switches on its own transform and no other; ``default`` is the usual set of a modality.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, model_validator

from scantune.config.base import Block
from scantune.records import ScantuneError
from scantune.spelling import did_you_mean

Probability = Annotated[float, Field(ge=0, le=1)]
_Pair = tuple[float, float]


def _range(spread: Callable[[float], _Pair], low: float, high: float, words: str) -> BeforeValidator:
    """A validator that takes a number or a pair and names the key in what it says."""

    def parse(value: object, info: ValidationInfo) -> _Pair:
        if value is None or isinstance(value, (str, bool)):
            raise ValueError(f"{info.field_name}: {value!r} is neither a number nor a pair [lowest, highest]; {words}")
        pair = tuple(value) if isinstance(value, (list, tuple)) else None
        try:
            first, last = (float(v) for v in (spread(float(value)) if pair is None else pair))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise ValueError(
                f"{info.field_name}: {value!r} is neither a number nor a pair [lowest, highest]; {words}"
            ) from None
        if not low <= first <= last <= high:
            raise ValueError(
                f"{info.field_name}: [{first:g}, {last:g}] must rise and lie within {low:g} … {high:g}; {words}"
            )
        return first, last

    return BeforeValidator(parse)


def _both_signs(value: float) -> _Pair:
    return -abs(value), abs(value)


def _about_one(value: float) -> _Pair:
    return 1 - abs(value), 1 + abs(value)


def _itself(value: float) -> _Pair:
    return value, value


def _down_from_one(value: float) -> _Pair:
    return value, 1.0


Degrees = Annotated[_Pair, _range(_both_signs, -180, 180, "10 means [-10, 10] degrees, 0 none")]
Shift = Annotated[_Pair, _range(_both_signs, -0.9, 0.9, "0.1 means [-0.1, 0.1] of the size, 0 none")]
Factor = Annotated[_Pair, _range(_about_one, 0.05, 20, "0.1 means [0.9, 1.1], 0 none")]
Noise = Annotated[_Pair, _range(_itself, 0, 10, "0.1 is that very standard deviation, [0, 0.1] any up to it, 0 none")]
Share = Annotated[_Pair, _range(_down_from_one, 0.05, 1, "0.9 means [0.9, 1], 1 all")]


def _on(value: object) -> object:
    """A block that says anything is on, unless it says ``enabled: false``; ``true`` and ``false`` are short for it."""
    if isinstance(value, bool):
        return {"enabled": value}
    return {"enabled": True, **value} if isinstance(value, Mapping) and value else value


class MixUp(Block):
    """Two samples of a batch blended, and their targets with them."""

    enabled: bool = False
    """Whether it is done at all; true where another key of the block is written."""
    alpha: Annotated[float, Field(gt=0)] = 0.2
    """Of the Beta distribution of the share; small values leave most batches almost pure."""
    prob: Probability = 0.5
    """Share of the batches that are mixed."""


class CutMix(Block):
    """A box of one sample pasted into another, targets weighted by area."""

    enabled: bool = False
    """Whether it is done at all; true where another key of the block is written."""
    alpha: Annotated[float, Field(gt=0)] = 1.0
    """Of the Beta distribution of the share; 1 is uniform."""
    prob: Probability = 0.5
    """Share of the batches that are mixed."""


class RandAugment(Block):
    """A few operations of a fixed list, all of one strength; works on grey images as on colour."""

    enabled: bool = False
    """Whether it is done at all; true where another key of the block is written."""
    num_ops: Annotated[int, Field(ge=1, le=14)] = 2
    """Operations a sample."""
    magnitude: Annotated[float, Field(ge=0, le=10)] = 9
    """Strength, 0 to 10 (torchvision's 0 to 30 divided by three)."""


def _one_mixing(block: Any) -> Any:
    if block.enabled and all(mix.enabled and mix.prob > 0 for mix in (block.mixup, block.cutmix)):
        raise ValueError(
            "mixup and cutmix are both enabled: a batch can be mixed in one way only; "
            "set mixup.enabled or cutmix.enabled to false"
        )
    return block


class ImageAugment(Block):
    """Augmentation of still images."""

    modality: Literal["image"] = "image"
    """Follows the input; need not be written."""
    enabled: bool = True
    """False leaves every sample as it is."""
    p: Probability = 0.5
    """Probability of each transform but flips and RandAugment."""
    rotation: Degrees = (0.0, 0.0)
    """Degrees."""
    translation: Shift = (0.0, 0.0)
    """Share of width and of height, drawn for each."""
    zoom: Factor = (1.0, 1.0)
    """Factor of enlargement."""
    fill: Literal["darkest", "mirror"] = "darkest"
    """What lies beyond the border where an image is turned, moved or made smaller: its darkest value, or the image
    mirrored, so that a smear or section has no black frame that no other image has."""
    brightness: Factor = (1.0, 1.0)
    """Factor on the distance from black."""
    contrast: Factor = (1.0, 1.0)
    """Factor about the mean."""
    noise: Noise = (0.0, 0.0)
    """Standard deviation of Gaussian noise, in standard deviations of the image."""
    hue: Degrees = (0.0, 0.0)
    """Degrees around the circle of colours; for ``channels: 3``."""
    saturation: Factor = (1.0, 1.0)
    """Factor of the difference from grey; for ``channels: 3``."""
    stain: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Smears and sections of other laboratories: 0.2 changes the amount of each of three stains by up to a fifth. For
    ``channels: 3`` and intensities in 0 … 1."""
    flip_left_right: Probability = 0.0
    """Changes the anatomy; left and right targets are swapped with it."""
    flip_up_down: Probability = 0.0
    """Changes the anatomy."""
    gamma: Factor = (1.0, 1.0)
    """Exponent of the values between the darkest and the brightest."""
    blur: Noise = (0.0, 0.0)
    """Standard deviation of a Gaussian blur, in pixels."""
    low_resolution: Share = (1.0, 1.0)
    """Share of the resolution that is left."""
    elastic: Noise = (0.0, 0.0)
    """Standard deviation of smooth displacements, as a share of the size; .02 is a lot."""
    randaugment: Annotated[RandAugment, BeforeValidator(_on)] = RandAugment()
    """Further operations by RandAugment."""
    mixup: Annotated[MixUp, BeforeValidator(_on)] = MixUp()
    """Blends samples of a batch."""
    cutmix: Annotated[CutMix, BeforeValidator(_on)] = CutMix()
    """Pastes boxes between samples of a batch."""

    _mixing = model_validator(mode="after")(_one_mixing)


class VolumeAugment(Block):
    """Augmentation of volumes."""

    modality: Literal["volume"] = "volume"
    """Follows the input; need not be written."""
    enabled: bool = True
    """False leaves every sample as it is."""
    p: Probability = 1.0
    """Probability of each transform but the flip."""
    rotation: Degrees = (0.0, 0.0)
    """Degrees, about each of the three axes."""
    translation: Shift = (0.0, 0.0)
    """Share of the size along each axis."""
    zoom: Factor = (1.0, 1.0)
    """Factor of enlargement."""
    flip_left_right: Probability = 0.0
    """Left and right targets are swapped with it; 0 where a side matters otherwise."""
    brightness: Factor = (1.0, 1.0)
    """Factor on the distance from the darkest value."""
    contrast: Factor = (1.0, 1.0)
    """Factor about the mean."""
    noise: Noise = (0.0, 0.0)
    """Standard deviation of Gaussian noise, in standard deviations of the volume."""
    gamma: Factor = (1.0, 1.0)
    """Exponent of the values between the darkest and the brightest."""
    blur: Noise = (0.0, 0.0)
    """Standard deviation of a Gaussian blur, in pixels."""
    low_resolution: Share = (1.0, 1.0)
    """Share of the resolution that is left."""
    elastic: Noise = (0.0, 0.0)
    """Standard deviation of smooth displacements, as a share of the size; .02 is a lot."""
    mixup: Annotated[MixUp, BeforeValidator(_on)] = MixUp()
    """Blends samples of a batch."""
    cutmix: Annotated[CutMix, BeforeValidator(_on)] = CutMix()
    """Pastes boxes between samples of a batch."""

    _mixing = model_validator(mode="after")(_one_mixing)


class VideoAugment(Block):
    """Augmentation of videos: one spatial draw for all frames."""

    modality: Literal["video"] = "video"
    """Follows the input; need not be written."""
    enabled: bool = True
    """False leaves every sample as it is."""
    p: Probability = 0.5
    """Probability of each transform but the flip."""
    brightness: Factor = (1.0, 1.0)
    """Factor on the distance from black."""
    contrast: Factor = (1.0, 1.0)
    """Factor about the mean."""
    rotation: Degrees = (0.0, 0.0)
    """Degrees."""
    translation: Shift = (0.0, 0.0)
    """Share of width and of height, drawn for each."""
    zoom: Factor = (1.0, 1.0)
    """Factor of enlargement."""
    noise: Noise = (0.0, 0.0)
    """Standard deviation of Gaussian noise as a share of the video's range."""
    temporal_crop: Share = (1.0, 1.0)
    """Share of the frames that is kept and spread over the old number of frames."""
    temporal_mask: Probability = 0.0
    """Probability that a frame is blanked."""
    flip_left_right: Probability = 0.0
    """Changes the anatomy; left and right targets are swapped with it."""
    mixup: Annotated[MixUp, BeforeValidator(_on)] = MixUp()
    """Blends samples of a batch."""
    cutmix: Annotated[CutMix, BeforeValidator(_on)] = CutMix()
    """Pastes boxes between samples of a batch."""

    _mixing = model_validator(mode="after")(_one_mixing)


AugmentConfig = ImageAugment | VolumeAugment | VideoAugment

#: What ``augment: default`` stands for, and ``scantune.augment.build`` without settings.
DEFAULT_SETS: dict[str, dict[str, Any]] = {
    "image": {
        "rotation": [-5, 5],
        "translation": [-0.05, 0.05],
        "zoom": [0.95, 1.05],
        "brightness": [0.9, 1.1],
        "contrast": [0.9, 1.1],
    },
    "volume": {
        "rotation": [-10, 10],
        "translation": [-0.1, 0.1],
        "flip_left_right": 0.5,
        "contrast": [0.8, 1.2],
        "noise": 0.1,
    },
    "video": {
        "brightness": [0.9, 1.1],
        "contrast": [0.9, 1.1],
        "rotation": [-5, 5],
        "translation": [-0.05, 0.05],
        "zoom": [0.95, 1.05],
        "noise": [0, 0.02],
        "temporal_crop": [0.9, 1],
        "temporal_mask": 0.05,
    },
}

#: Keys that say how samples are changed, not that they are; and those of batches.
_MANNER = frozenset({"modality", "enabled", "p", "fill", "mixup", "cutmix"})
#: Transforms with a probability of their own, or none.
_WITHOUT_P = frozenset({"flip_left_right", "flip_up_down", "randaugment"})

BY_MODALITY: dict[str, type[AugmentConfig]] = {"image": ImageAugment, "volume": VolumeAugment, "video": VideoAugment}


def written(value: object) -> object:
    """``default`` and ``true`` as ``{default: true}``; ``none``, ``false`` and null as an empty block."""
    if value is True or value == "default":
        return {"default": True}
    return {} if value in (False, None, "none") else value


def augment_config(modality: str, block: Mapping[str, Any], key: str = "augment") -> AugmentConfig:
    """The augmentation block of an input's modality.

    Args:
        modality: "image", "volume" or "video", of the input.
        block: as written: a key switches on its own transform; with ``default: true`` the others are those of
            :data:`DEFAULT_SETS`. Empty: nothing is changed.
        key: where it stands, for messages.

    Raises:
        ScantuneError: an unknown modality; every fault of the block at once, each with its key.
    """
    if modality not in BY_MODALITY:
        raise ScantuneError(f"modality: {modality!r} is not one of {', '.join(BY_MODALITY)}")
    settings = dict(block)
    if settings.pop("default", False):
        settings = DEFAULT_SETS[modality] | settings
    try:
        return BY_MODALITY[modality].model_validate(settings)
    except ValidationError as error:
        lines = []
        for fault in error.errors():
            place = ".".join([key, *(str(part) for part in fault["loc"])])
            known = ", ".join(["default", *BY_MODALITY[modality].model_fields])
            message = fault["msg"].removeprefix("Value error, ")
            if fault["type"] == "extra_forbidden":
                hint = did_you_mean(str(fault["loc"][-1]), BY_MODALITY[modality].model_fields)
                message = f"unknown key; the modality {modality} takes {known}{hint}"
            lines.append(f"{place}: {message}")
        raise ScantuneError("\n".join(lines)) from error


def changes_samples(config: AugmentConfig, *, mirrored: bool = True) -> bool:
    """Whether a block switches on a transform of single samples, which can happen.

    Args:
        config: of :func:`augment_config`.
        mirrored: whether flips count.
    """
    return config.enabled and any(
        (config.p > 0 or not by_probability(name)) and (mirrored or not name.startswith("flip"))
        for name in switched_on(config)
    )


def switched_on(config: AugmentConfig) -> list[str]:
    """Transforms of single samples that a block switches on, whatever ``enabled`` and ``p`` are."""
    values = {name: getattr(config, name) for name in type(config).model_fields if name not in _MANNER}
    return [name for name, value in values.items() if config.differs(name) and getattr(value, "enabled", True)]


def by_probability(name: str) -> bool:
    """Whether ``p`` is the probability of a transform."""
    return name not in _WITHOUT_P
