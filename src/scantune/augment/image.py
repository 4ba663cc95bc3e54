"""Augmentation of still images [C, H, W]."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor

from scantune.augment import colour, intensity, randaugment, spatial
from scantune.augment.draws import Augmented, Events, Range, check_sample, happens, uniform
from scantune.config.augment import AugmentConfig, ImageAugment, VideoAugment, VolumeAugment


@dataclass(frozen=True)
class ImageTransform:
    """Augmentation of an image and its mask by one draw.

    Attributes:
        settings: probabilities and ranges, the ``augment:`` block of images.
        spacing: of rows and of columns, any unit; None for square pixels.
        crop: shape of the result, the middle of a larger sample; None is that of the sample.
    """

    settings: ImageAugment
    spacing: Sequence[float] | None = None
    crop: Sequence[int] | None = None

    @property
    def around(self) -> tuple[int, ...] | None:
        """The size that a sample must have for ``crop`` to be filled by it."""
        return spatial.around(self.settings, self.spacing, self.crop)

    def __call__(self, input: Tensor, mask: Tensor | None, generator: Generator) -> Augmented:
        """Augment ``input`` [C, H, W] (floating) and ``mask`` [1, H, W]."""
        check_sample(input, mask, 3, "[C, H, W]")
        drawn: dict[str, float] = {}
        size = spatial.extent(self.crop or input.shape[1:], self.spacing)
        forward = draw_plane(self.settings, size, generator, drawn)
        operations = randaugment.draw(generator, self.settings.randaugment)
        drawn.update(operations)
        forward = randaugment.matrix(operations, size) @ forward
        elastic = draw_elastic(self.settings, generator, drawn, 2)
        warp = partial(spatial.warp, spacing=self.spacing, fill=self.settings.fill, elastic=elastic)
        x = input
        if self.crop is not None:
            x, mask = warp(x, mask, forward, crop=self.crop)
        # intensities before the warp, since the black border would change means and histograms; a patch has none
        x = draw_tone(self.settings, randaugment.tone(x, operations), generator, drawn, "sd")
        x = self._draw_colour(x, generator, drawn)
        x = draw_look(self.settings, x, generator, drawn)
        if self.crop is None:
            x, mask = warp(x, mask, forward)
        return Augmented(x, mask, Events("flip_left_right" in drawn, drawn))

    def _draw_colour(self, x: Tensor, generator: Generator, drawn: dict[str, float]) -> Tensor:
        """Stains, hue and saturation; applied transforms are added to ``drawn``."""
        occurs, stain = happens(generator, self.settings.p), self.settings.stain
        factors = [uniform(generator, (1 - stain, 1 + stain)) for _ in range(3)]
        shifts = [uniform(generator, (-stain, stain)) for _ in range(3)]
        if occurs and stain:
            x, drawn["stain"] = colour.stain(x, factors, shifts), factors[0]
        values = {name: _draw_value(self.settings, name, generator) for name in ("hue", "saturation")}
        drawn.update({name: value for name, value in values.items() if value is not None})
        if drawn.keys() & values.keys():
            saturation = 1.0 if values["saturation"] is None else values["saturation"]
            x = colour.hue_saturation(x, values["hue"] or 0.0, saturation)
        return x


def draw_plane(
    ranges: ImageAugment | VideoAugment, size: Tensor, generator: Generator, drawn: dict[str, float]
) -> Tensor:
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
    ranges: AugmentConfig, input: Tensor, generator: Generator, drawn: dict[str, float], unit: intensity.NoiseUnit
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


def draw_look(
    ranges: ImageAugment | VolumeAugment, input: Tensor, generator: Generator, drawn: dict[str, float]
) -> Tensor:
    """Gamma, blur and low resolution; nothing is drawn for those that are off. Applied ones are added to ``drawn``."""
    x = input
    for name, change in _LOOKS.items():
        value = _draw_value(ranges, name, generator) if _is_on(ranges, name) else None
        if value is not None:
            x, drawn[name] = change(x, value), value
    return x


def draw_elastic(
    ranges: ImageAugment | VolumeAugment, generator: Generator, drawn: dict[str, float], axes: int
) -> Tensor | None:
    """Displacements at the control points of a coarse grid, see :func:`scantune.augment.spatial.warp`; or None."""
    strength = _draw_value(ranges, "elastic", generator) if _is_on(ranges, "elastic") else None
    if not strength:
        return None
    drawn["elastic"] = strength
    return torch.randn(1, axes, *(CONTROL_POINTS,) * axes, generator=generator) * strength


def _is_on(ranges: AugmentConfig, name: str) -> bool:
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


def _draw_value(ranges: AugmentConfig, name: str, generator: Generator) -> float | None:
    """The value drawn for ``name``, or None where it is disabled or not applied."""
    between: Range = getattr(ranges, name)
    occurs, value = happens(generator, ranges.p), uniform(generator, between)
    return value if occurs and between != (_NEUTRAL[name], _NEUTRAL[name]) else None
