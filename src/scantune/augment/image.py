"""Augmentation of still images [C, H, W]."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from scantune.augment import colour, intensity, randaugment, spatial
from scantune.augment.draws import Augmented, Events, Range, as_range, check_sample, happens, uniform


@dataclass(frozen=True)
class ImageAugment:
    """Augmentation of an image and its mask by one draw; see :func:`build` for the fields."""

    p: float
    rotation: Range
    translation: Range
    zoom: Range
    brightness: Range
    contrast: Range
    noise: Range
    hue: Range
    saturation: Range
    stain: float
    flip_left_right: float
    flip_up_down: float
    randaugment: Mapping[str, Any] | None
    spacing: tuple[float, ...] | None
    fill: spatial.Fill
    gamma: Range
    blur: Range
    low_resolution: Range
    elastic: Range
    crop: tuple[int, ...] | None = None

    @property
    def around(self) -> tuple[int, ...] | None:
        """The size that a sample must have for ``crop`` to be filled by it."""
        return spatial.around(self)

    def __call__(self, input: Tensor, mask: Tensor | None, generator: Generator) -> Augmented:
        """Augment ``input`` [C, H, W] (floating) and ``mask`` [1, H, W]."""
        check_sample(input, mask, 3, "[C, H, W]")
        drawn: dict[str, float] = {}
        size = spatial.extent(self.crop or input.shape[1:], self.spacing)
        forward = draw_plane(self, size, generator, drawn)
        operations = randaugment.draw(generator, **self.randaugment) if self.randaugment is not None else []
        drawn.update(operations)
        forward = randaugment.matrix(operations, size) @ forward
        elastic = draw_elastic(self, generator, drawn, 2)
        x = input
        if self.crop is not None:
            x, mask = spatial.warp(
                x, mask, forward, spacing=self.spacing, fill=self.fill, crop=self.crop, elastic=elastic
            )
        # intensities before the warp, since the black border would change means and histograms; a patch has none
        x = draw_tone(self, randaugment.tone(x, operations), generator, drawn, "sd")
        x = self._draw_colour(x, generator, drawn)
        x = draw_look(self, x, generator, drawn)
        if self.crop is None:
            x, mask = spatial.warp(x, mask, forward, spacing=self.spacing, fill=self.fill, elastic=elastic)
        return Augmented(x, mask, Events("flip_left_right" in drawn, drawn))

    def _draw_colour(self, x: Tensor, generator: Generator, drawn: dict[str, float]) -> Tensor:
        """Stains, hue and saturation; applied transforms are added to ``drawn``."""
        occurs = happens(generator, self.p)
        factors = [uniform(generator, (1 - self.stain, 1 + self.stain)) for _ in range(3)]
        shifts = [uniform(generator, (-self.stain, self.stain)) for _ in range(3)]
        if occurs and self.stain:
            x, drawn["stain"] = colour.stain(x, factors, shifts), factors[0]
        values = {name: _draw_value(self, name, generator) for name in ("hue", "saturation")}
        drawn.update({name: value for name, value in values.items() if value is not None})
        if drawn.keys() & values.keys():
            saturation = 1.0 if values["saturation"] is None else values["saturation"]
            x = colour.hue_saturation(x, values["hue"] or 0.0, saturation)
        return x


def draw_plane(ranges: Any, size: Tensor, generator: Generator, drawn: dict[str, float]) -> Tensor:
    """Flips, zoom, rotation and translation in a plane as one matrix; applied transforms are added to ``drawn``."""
    forward = spatial.identity(2)
    for axis, name in enumerate(["flip_left_right", "flip_up_down"]):
        if happens(generator, getattr(ranges, name, 0.0)):
            forward, drawn[name] = spatial.flip(2, axis) @ forward, 1.0
    draws = {name: _draw_value(ranges, name, generator) for name in ("zoom", "rotation", "translation")}
    across, down = uniform(generator, ranges.translation), uniform(generator, ranges.translation)
    if draws["zoom"] is not None:
        forward, drawn["zoom"] = spatial.zoom(2, draws["zoom"]) @ forward, draws["zoom"]
    if draws["rotation"] is not None:
        forward, drawn["rotation"] = spatial.rotation(2, [draws["rotation"]]) @ forward, draws["rotation"]
    if draws["translation"] is not None:
        forward = spatial.translation([across * float(size[0]), down * float(size[1])]) @ forward
        drawn["translation_x"], drawn["translation_y"] = across, down
    return forward


def draw_tone(
    ranges: Any, input: Tensor, generator: Generator, drawn: dict[str, float], unit: intensity.NoiseUnit
) -> Tensor:
    """Brightness, contrast and noise; applied transforms are added to ``drawn``."""
    draws = {name: _draw_value(ranges, name, generator) for name in ("brightness", "contrast", "noise")}
    drawn.update({name: value for name, value in draws.items() if value is not None})
    x = input
    if draws["brightness"] is not None:
        x = intensity.brightness(x, draws["brightness"])
    if draws["contrast"] is not None:
        x = intensity.contrast(x, draws["contrast"])
    if draws["noise"] is not None:
        x = intensity.noise(x, draws["noise"], generator, unit)
    return x


def draw_look(ranges: Any, input: Tensor, generator: Generator, drawn: dict[str, float]) -> Tensor:
    """Gamma, blur and low resolution; nothing is drawn for those that are off. Applied ones are added to ``drawn``."""
    x = input
    for name, change in _LOOKS.items():
        value = _draw_value(ranges, name, generator) if _is_on(ranges, name) else None
        if value is not None:
            x, drawn[name] = change(x, value), value
    return x


def draw_elastic(ranges: Any, generator: Generator, drawn: dict[str, float], axes: int) -> Tensor | None:
    """Displacements at the control points of a coarse grid, see :func:`scantune.augment.spatial.warp`; or None."""
    strength = _draw_value(ranges, "elastic", generator) if _is_on(ranges, "elastic") else None
    if not strength:
        return None
    drawn["elastic"] = strength
    return torch.randn(1, axes, *(CONTROL_POINTS,) * axes, generator=generator) * strength


def _is_on(ranges: Any, name: str) -> bool:
    return getattr(ranges, name) != (_NEUTRAL[name], _NEUTRAL[name])


#: Control points of an elastic deformation along each axis.
CONTROL_POINTS = 6

_LOOKS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "gamma": intensity.gamma,
    "blur": intensity.blur_by,
    "low_resolution": intensity.low_resolution,
}

_NEUTRAL = {"zoom": 1.0, "rotation": 0.0, "translation": 0.0, "brightness": 1.0, "contrast": 1.0, "noise": 0.0} | {
    "hue": 0.0, "saturation": 1.0, "gamma": 1.0, "blur": 0.0, "low_resolution": 1.0, "elastic": 0.0
}  # fmt: skip


def _draw_value(ranges: Any, name: str, generator: Generator) -> float | None:
    """The value drawn for ``name``, or None where it is disabled or not applied."""
    between: Range = getattr(ranges, name)
    occurs, value = happens(generator, ranges.p), uniform(generator, between)
    return value if occurs and between != (_NEUTRAL[name], _NEUTRAL[name]) else None


def build(
    *,
    p: float = 0.5,
    rotation: float | Sequence[float] = (-5.0, 5.0),
    translation: float | Sequence[float] = (-0.05, 0.05),
    zoom: float | Sequence[float] = (0.95, 1.05),
    brightness: float | Sequence[float] = (0.9, 1.1),
    contrast: float | Sequence[float] = (0.9, 1.1),
    noise: float | Sequence[float] = 0.0,
    hue: float | Sequence[float] = 0.0,
    saturation: float | Sequence[float] = 1.0,
    stain: float = 0.0,
    flip_left_right: float = 0.0,
    flip_up_down: float = 0.0,
    randaugment: Mapping[str, Any] | None = None,
    gamma: float | Sequence[float] = 1.0,
    blur: float | Sequence[float] = 0.0,
    low_resolution: float | Sequence[float] = 1.0,
    elastic: float | Sequence[float] = 0.0,
    spacing: Sequence[float] | None = None,
    fill: spatial.Fill = "darkest",
    crop: Sequence[int] | None = None,
) -> ImageAugment:
    """Augmentation of images.

    Args:
        p: probability of each transform except flips and ``randaugment``.
        rotation: degrees, positive clockwise as displayed.
        translation: share of width and of height, drawn independently, positive to the right and down.
        zoom: factor, above 1 enlarges.
        brightness: factor of the difference from the darkest value.
        contrast: factor about the mean.
        noise: standard deviation of Gaussian noise, in standard deviations of the image.
        hue: degrees, of images of three channels.
        saturation: factor, of images of three channels.
        stain: largest relative change of the amount of each stain, of images of three channels with values 0 to 1; see
            :func:`scantune.augment.colour.stain`.
        flip_left_right: probability; it mirrors the anatomy, and the caller exchanges left and right targets.
        flip_up_down: probability.
        randaugment: ``{"num_ops": 2, "magnitude": 9}`` (of 0 … 10), or None.
        gamma: exponent of the values between darkest and brightest.
        blur: standard deviation of a Gaussian, in pixels.
        low_resolution: share of the resolution that is left.
        elastic: standard deviation of smooth displacements, as a share of the size.
        spacing: of rows and of columns, any unit; None for square pixels.
        fill: of the area outside the image, see :func:`scantune.augment.spatial.warp`.
        crop: shape of the result, the middle of a larger sample; None is that of the sample.

    Raises:
        ScantuneError: an invalid range; with the name of the parameter.
    """
    return ImageAugment(
        p=p,
        rotation=as_range("rotation", rotation),
        translation=as_range("translation", translation),
        zoom=as_range("zoom", zoom),
        brightness=as_range("brightness", brightness),
        contrast=as_range("contrast", contrast),
        noise=as_range("noise", noise),
        hue=as_range("hue", hue),
        saturation=as_range("saturation", saturation),
        stain=stain,
        flip_left_right=flip_left_right,
        flip_up_down=flip_up_down,
        randaugment=dict(randaugment) if randaugment is not None else None,
        spacing=None if spacing is None else tuple(spacing),
        fill=fill,
        gamma=as_range("gamma", gamma),
        blur=as_range("blur", blur),
        low_resolution=as_range("low_resolution", low_resolution),
        elastic=as_range("elastic", elastic),
        crop=None if crop is None else tuple(crop),
    )
