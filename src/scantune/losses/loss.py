"""Interface of a loss: a numerator, and a denominator that depends on the target only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

#: ``values(output, target, **options)`` → losses, one per element of the target, one per sample, or one in all.
Values = Callable[..., Tensor]
#: ``weights(target, **options)`` → the weight of each of these elements.
Weights = Callable[..., Tensor]


class Loss(Protocol):
    """Interface of a loss for the engine.

    ``total / weight`` is the loss of a batch. They are separate because the denominator of a batch that is divided into
    accumulation steps and ranks is the sum of the denominators of its parts; a mean of means is different where weights
    differ.
    """

    def weight(self, target: Tensor) -> Tensor:
        """Denominator, a scalar that depends on the target only."""
        ...

    def total(self, output: Tensor, target: Tensor) -> Tensor:
        """Numerator, a scalar."""
        ...

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """``total / weight``."""
        ...


@dataclass(frozen=True)
class NamedLoss:
    """A registered loss with its options.

    Without ``weights`` samples are equal: ``total`` is the mean of ``values`` times the number of samples B,
    ``weight`` is B. With ``weights``, ``total`` is the weighted sum and ``weight`` the sum of weights.

    Attributes:
        name: in the registry.
        values: registered function.
        weights: function of the weights of elements, or None.
        options: of both functions.
        compares: the loss of a sample depends on the other samples of the batch.
    """

    name: str
    values: Values
    weights: Weights | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    compares: bool = False

    def weight(self, target: Tensor) -> Tensor:
        """Denominator: B, or the sum of the elements' weights."""
        if self.weights is None:
            return target.new_tensor(float(target.shape[0]), dtype=_float(target))
        return self.weights(target, **self.options).sum()

    def total(self, output: Tensor, target: Tensor) -> Tensor:
        """Numerator, a scalar."""
        losses = self.values(output, target, **self.options)
        if self.weights is None:
            return losses.mean() * target.shape[0]
        return (losses * self.weights(target, **self.options)).sum()

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """The loss of a single batch."""
        return self.total(output, target) / self.weight(target)


def _float(target: Tensor) -> Any:
    return target.dtype if target.is_floating_point() else torch.float32
