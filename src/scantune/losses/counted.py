"""Losses of masks in which some pixels do not count, or labels overlap."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scantune.losses.combined import Combined
from scantune.losses.loss import Loss, NamedLoss

#: Mask of a batch [B, …space] → labels as losses take them, and bool [B, …space] where they do not count, or None.
Decode = Callable[[Tensor], tuple[Tensor, Tensor | None]]

CERTAIN = 30.0
"""Logit at which a sigmoid is 1 within 1e-13, also in half precision."""


@dataclass(frozen=True)
class OfCounted:
    """A loss over the pixels that count.

    Elsewhere the output is replaced by a certain background, so that sums over a mask (Dice) gain nothing and nothing
    is learned. A mean over pixels is taken over those of a sample that count, then over the samples: the loss of a step
    does not depend on how its samples are divided into batches. A sample in which nothing counts takes no part.

    Attributes:
        loss: between output and labels.
        decode: the batch's mask to labels and the pixels that do not count.
    """

    loss: Loss
    decode: Decode

    @property
    def compares(self) -> bool:
        """The loss of a sample depends on the other samples of the batch."""
        return bool(getattr(self.loss, "compares", False))

    def weight(self, target: Tensor) -> Tensor:
        """Denominator: the samples in which something counts, or the sum of the weights of the elements that count."""
        labels, ignored = self.decode(target)
        loss = self.loss
        if ignored is None or not isinstance(loss, NamedLoss):
            return loss.weight(labels)
        if loss.weights is None:
            return _some(ignored).sum()
        weights = loss.weights(labels, **loss.options)
        return (weights * _counting(ignored, weights)).sum()

    def total(self, output: Tensor, target: Tensor) -> Tensor:
        """Numerator, a scalar."""
        labels, ignored = self.decode(target)
        if ignored is None:
            return self.loss.total(output, labels)
        settled, loss = _settled(output, labels, ignored), self.loss
        if not isinstance(loss, NamedLoss):
            return loss.total(settled, labels)
        values = loss.values(settled, labels, **loss.options)
        if values.ndim >= ignored.ndim:
            counting = _counting(ignored, values)
            if loss.weights is not None:
                return (values * counting * loss.weights(labels, **loss.options)).sum()
            sums, counted = (values * counting).flatten(1).sum(1), counting.flatten(1).sum(1)
            return (sums / counted.clamp_min(1)).sum()
        if values.shape[:1] == ignored.shape[:1]:  # one value a sample, or several: [B, …]
            return (values.reshape(len(values), -1).mean(1) * _some(ignored)).sum()
        return values.mean() * _some(ignored).sum()  # of the batch

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """``total / weight``."""
        return self.total(output, target) / self.weight(target)


def of_counted(combined: Combined, decode: Decode) -> Combined:
    """The same combination of losses, each over the pixels that count."""
    return replace(combined, components={name: OfCounted(loss, decode) for name, loss in combined.components.items()})


def _some(ignored: Tensor) -> Tensor:
    """1 for a sample in which something counts, else 0: float32 [B]."""
    return (~ignored).flatten(1).any(1).float()


def _counting(ignored: Tensor, values: Tensor) -> Tensor:
    """1 where a pixel counts, else 0, of the shape of ``values`` [B, …space] or [B, K, …space]."""
    counting = (~ignored).to(values.dtype)
    return (counting if values.ndim == ignored.ndim else counting.unsqueeze(1)).expand_as(values)


def _settled(output: Tensor, labels: Tensor, ignored: Tensor) -> Tensor:
    """Logits [B, K, …space] with a certain background where a pixel does not count."""
    background = torch.zeros_like(output)
    if output.shape[1] == 1 or labels.ndim == output.ndim:
        background -= CERTAIN
    else:
        background[:, 0] = CERTAIN
    return torch.where(ignored.unsqueeze(1), background, output)
