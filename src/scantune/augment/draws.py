"""Random draws from an explicit generator, and the result of an augmentation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Protocol

import torch
from torch import Generator, Tensor

from scantune.records import ScantuneError

Range = tuple[float, float]
"""Lowest and highest value of a draw, inclusive; a constant where equal."""

_NOTHING: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Events:
    """The changes of one sample by one draw.

    Attributes:
        flipped: whether left and right were exchanged; the caller then exchanges left and right targets.
        drawn: name and value of each applied transform (degrees, fractions of the size, factors, standard deviations;
            1.0 for transforms without a value).
    """

    flipped: bool = False
    drawn: Mapping[str, float] = field(default_factory=lambda: _NOTHING)


class Augmented(NamedTuple):
    """An augmented sample: ``input`` and ``mask`` with unchanged shape and dtype, and the applied changes."""

    input: Tensor
    mask: Tensor | None
    events: Events


class Augment(Protocol):
    """Augmentation of a sample; all random numbers are from ``generator``."""

    def __call__(self, input: Tensor, mask: Tensor | None, generator: Generator) -> Augmented:
        """Augment ``input`` [C, …space] (floating) and ``mask`` [1, …space] by the same draw."""
        ...


def uniform(generator: Generator, between: Range) -> float:
    """One number from the uniform distribution on a range."""
    low, high = between
    return low + (high - low) * float(torch.rand((), generator=generator, dtype=torch.float64))


def happens(generator: Generator, p: float) -> bool:
    """True with probability ``p``; a number is always drawn, so that later draws do not depend on ``p``."""
    return float(torch.rand((), generator=generator, dtype=torch.float64)) < p


def choose(generator: Generator, n: int) -> int:
    """A random integer in 0 … n − 1."""
    return int(torch.randint(n, (), generator=generator))


def check_sample(input: Tensor, mask: Tensor | None, ndim: int, axes: str) -> None:
    """Refuse anything but a floating sample of ``ndim`` axes with a mask of the same spatial shape."""
    if input.ndim != ndim or not input.is_floating_point():
        raise ScantuneError(
            f"augmentation takes one floating sample {axes}; got {str(input.dtype)[6:]} of shape {tuple(input.shape)}"
        )
    if mask is not None and mask.shape[1:] != input.shape[1:]:
        raise ScantuneError(f"mask {tuple(mask.shape)} and input {tuple(input.shape)} differ in space")
