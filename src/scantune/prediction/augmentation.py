"""Test-time augmentation: the copies of a sample whose answers are averaged with its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Generator, Tensor

from scantune.engine.randomness import generator
from scantune.records import ScantuneError

#: ``change(input, mask, generator) -> (input, mask, events)``, see :class:`scantune.augment.draws.Augment`.
Change = Callable[[Tensor, Tensor | None, Generator], Any]


@dataclass(frozen=True)
class Augmentation:
    """The copies that are made of a sample.

    Each copy is one draw, the same for every sample: what is said of a sample depends neither on its place in a list
    nor on what else is in it.

    Attributes:
        copies: how many beside the sample itself; 0 for none.
        change: what makes a copy of a sample [C, …space] that has the same answer.
        mirrors: the copies are mirror images along the axes of space instead, whose answers, masks, are mirrored back;
            there are three in 2D and seven in 3D at most.
        sided: left and right are different answers, so that ``change`` may not make them change places.
        seed: of the draws.
    """

    copies: int = 0
    change: Change | None = None
    mirrors: bool = False
    sided: bool = False
    seed: int = 42

    def variants(self, inputs: Tensor) -> Iterator[tuple[Tensor, tuple[int, ...]]]:
        """The batch [B, C, …space], then each copy of it, with the axes along which its answer is mirrored back."""
        yield inputs, ()
        if self.mirrors:
            for axes in _mirrors(inputs.dim() - 2)[: self.copies]:
                yield inputs.flip(axes), axes
        elif self.change is not None:
            for copy in range(self.copies):
                yield torch.stack([self._changed(sample, copy) for sample in inputs]), ()

    def _changed(self, sample: Tensor, copy: int) -> Tensor:
        assert self.change is not None
        changed, _, events = self.change(sample, None, generator(self.seed, "test time", copy))
        if self.sided and events.flipped:
            raise ScantuneError(
                "test-time augmentation would mirror samples whose left and right are different answers: set "
                "train.augment.flip_left_right or train.test_time_augmentation to 0"
            )
        return changed


def _mirrors(dims: int) -> list[tuple[int, ...]]:
    """Axes of [B, C, …space] that are mirrored: one of them, the last first, then two, then all."""
    axes = range(dims + 1, 1, -1)
    return [chosen for count in range(1, dims + 1) for chosen in combinations(axes, count)]
