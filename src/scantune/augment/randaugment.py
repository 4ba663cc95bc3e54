"""RandAugment (Cubuk et al. 2020): some operations of a fixed list, all of one magnitude.

List and strengths are those of torchvision, whose scale of 0 … 30 is 0 … 10 here. There are two differences: spatial
operations are returned as one matrix, which is applied once with other transforms and to the mask; and shears are about
the centre. Values may have any units: they are scaled to 0 … 1 by the range of the sample and back (so autocontrast has
no effect on a grey image).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Generator, Tensor

from scantune.augment import spatial
from scantune.augment.draws import choose, happens
from scantune.config.augment import RandAugment

MAX_MAGNITUDE = 10.0

_MOVES: dict[str, Callable[[float, Tensor], Tensor]] = {
    "shear_x": lambda m, size: spatial.shear(2, 0, 1, 0.3 * m),
    "shear_y": lambda m, size: spatial.shear(2, 1, 0, 0.3 * m),
    "translate_x": lambda m, size: spatial.translation([150 / 331 * m * float(size[0]), 0.0]),
    "translate_y": lambda m, size: spatial.translation([0.0, 150 / 331 * m * float(size[1])]),
    "rotate": lambda m, size: spatial.rotation(2, [30.0 * m]),
}
"""Spatial operations: functions of signed strength in −1 … 1 and size (W, H) that return a matrix."""

_SIGNED = {*_MOVES, "brightness", "color", "contrast", "sharpness"}


def _functional() -> object:
    from torchvision.transforms.v2 import functional  # imported here, since the import takes seconds

    return functional


_TONES: dict[str, Callable[[object, Tensor, float], Tensor]] = {
    "identity": lambda f, x, m: x,
    "brightness": lambda f, x, m: f.adjust_brightness(x, 1 + 0.9 * m),  # type: ignore[attr-defined]
    "color": lambda f, x, m: f.adjust_saturation(x, 1 + 0.9 * m),  # type: ignore[attr-defined]
    "contrast": lambda f, x, m: f.adjust_contrast(x, 1 + 0.9 * m),  # type: ignore[attr-defined]
    "sharpness": lambda f, x, m: f.adjust_sharpness(x, 1 + 0.9 * m),  # type: ignore[attr-defined]
    "posterize": lambda f, x, m: f.posterize(x, 8 - round(4 * m)),  # type: ignore[attr-defined]
    "solarize": lambda f, x, m: f.solarize(x, 1.0 - m),  # type: ignore[attr-defined]
    "autocontrast": lambda f, x, m: f.autocontrast(x),  # type: ignore[attr-defined]
    "equalize": lambda f, x, m: f.equalize(x),  # type: ignore[attr-defined]
}
"""Operations on values in 0 … 1, [C, H, W] with C 1 or 3, by (signed) strength."""

OPERATIONS = (*_MOVES, *_TONES)


def draw(generator: Generator, settings: RandAugment) -> list[tuple[str, float]]:
    """Names of ``num_ops`` operations with their strengths, −1 … 1, drawn with replacement; none where disabled."""
    drawn = []
    for _ in range(settings.num_ops if settings.enabled else 0):
        name = OPERATIONS[choose(generator, len(OPERATIONS))]
        negative = happens(generator, 0.5) and name in _SIGNED
        drawn.append((name, (-1.0 if negative else 1.0) * settings.magnitude / MAX_MAGNITUDE))
    return drawn


def matrix(operations: Sequence[tuple[str, float]], size: Tensor) -> Tensor:
    """Matrix of the spatial operations among ``operations``; ``size`` is (W, H) in pixels times spacing."""
    total = spatial.identity(2)
    for name, strength in operations:
        if name in _MOVES:
            total = _MOVES[name](strength, size) @ total
    return total


def tone(input: Tensor, operations: Sequence[tuple[str, float]]) -> Tensor:
    """Apply the other operations to ``input`` [C, H, W] in any units, any C."""
    named = [(name, strength) for name, strength in operations if name in _TONES and name != "identity"]
    low, high = float(input.min()), float(input.max())
    if not named or high == low or not math.isfinite(high - low):
        return input
    functional = _functional()
    x = (input - low) / (high - low)
    x = x if x.shape[0] in (1, 3) else x[:, None]  # other numbers of channels: each separately
    for name, strength in named:
        x = _TONES[name](functional, x.clamp(0, 1), strength)
    return torch.as_tensor(x).reshape(input.shape) * (high - low) + low
