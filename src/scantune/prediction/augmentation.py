"""Test-time augmentation: copies of a sample whose predictions are averaged with that of the sample."""

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
    """Augmented copies of a sample.

    Each copy is one random draw, the same for every sample, so that a prediction does not depend on the position of the
    sample or on other samples.

    Attributes:
        copies: number of copies beside the sample; 0 for none.
        change: augmentation of a sample [C, …space] that does not change its target.
        mirrors: copies are reflections along the spatial axes instead, whose predicted masks are reflected back; at
            most three in 2D and seven in 3D.
        sided: left and right are different targets, so that ``change`` must not exchange them.
        seed: of the draws.
    """

    copies: int = 0
    change: Change | None = None
    mirrors: bool = False
    sided: bool = False
    seed: int = 42

    def variants(self, inputs: Tensor) -> Iterator[tuple[Tensor, tuple[int, ...]]]:
        """The batch [B, C, …space] and its copies, with the axes along which predictions are reflected back."""
        yield inputs, ()
        if self.mirrors:
            for axes in mirrors(inputs.dim() - 2)[: self.copies]:
                yield inputs.flip(axes), axes
        elif self.change is not None:
            for copy in range(self.copies):
                yield torch.stack([self._changed(sample, copy) for sample in inputs]), ()

    def _changed(self, sample: Tensor, copy: int) -> Tensor:
        assert self.change is not None
        changed, _, events = self.change(sample, None, generator(self.seed, "test time", copy))
        if self.sided and events.flipped:
            raise ScantuneError(
                "test-time augmentation would mirror samples whose left and right are different targets: set "
                "train.augment.flip_left_right or train.test_time_augmentation to 0"
            )
        return changed


def mirrors(dims: int) -> list[tuple[int, ...]]:
    """Reflected axes of [B, C, …space]: single axes from the last, then pairs, then all."""
    axes = range(dims + 1, 1, -1)
    return [chosen for count in range(1, dims + 1) for chosen in combinations(axes, count)]
