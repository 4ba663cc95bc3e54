"""A loss of one number applied to each of several: on the samples that have it, in units of its spread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scantune.losses.combined import Combined
from scantune.losses.loss import Loss


@dataclass(frozen=True)
class ByTarget:
    """The mean of a loss over several targets [B, T]; NaN is an unknown value, which takes no part.

    Each target counts by the number of samples that have it, and its errors are in units of its spread, so that none
    outweighs another because of its unit.

    Attributes:
        losses: of each target.
        scales: T numbers above 0 that output and target are divided by.
        shares: T factors of both numerator and denominator: by them a loss with weights counts as one without.
    """

    losses: Sequence[Loss]
    scales: Sequence[float]
    shares: Sequence[float]

    @property
    def compares(self) -> bool:
        """Whether the loss of a sample depends on the others beside it."""
        return any(getattr(loss, "compares", False) for loss in self.losses)

    def weight(self, target: Tensor) -> Tensor:
        """Denominator: the sum of those of the targets."""
        weights = [
            share * loss.weight(target[known, place] / scale)
            for place, (loss, scale, share, known) in enumerate(self._each(target))
            if bool(known.any())
        ]
        return torch.stack(weights).sum() if weights else target.new_zeros(())

    def total(self, output: Tensor, target: Tensor) -> Tensor:
        """Numerator: the sum of those of the targets."""
        totals = [
            share * loss.total(output[known, place] / scale, target[known, place] / scale)
            for place, (loss, scale, share, known) in enumerate(self._each(target))
            if bool(known.any())
        ]
        return torch.stack(totals).sum() if totals else output.sum() * 0.0

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of a batch that stands alone."""
        return self.total(output, target) / self.weight(target)

    def _each(self, target: Tensor) -> list[tuple[Loss, float, float, Tensor]]:
        return list(zip(self.losses, self.scales, self.shares, torch.isfinite(target).T, strict=True))


def by_target(build: Callable[[np.ndarray], Combined], targets: np.ndarray, scales: Sequence[float]) -> Combined:
    """The loss of several targets.

    Args:
        build: makes the loss of one from its training values [n].
        targets: float [N, T] of the training side, NaN where unknown.
        scales: T numbers above 0, the spread of each.
    """
    columns = [column[np.isfinite(column)] / scale for column, scale in zip(targets.astype(np.float32).T, scales)]
    built = [build(column) for column in columns]
    components = {}
    for name in built[0].components:
        losses = [one.components[name] for one in built]
        weights = [float(loss.weight(torch.from_numpy(column))) for loss, column in zip(losses, columns)]
        shares = [len(column) / weight for column, weight in zip(columns, weights)]
        components[name] = ByTarget(losses, list(scales), shares)
    return Combined(components, built[0].weights)
