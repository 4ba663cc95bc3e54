"""What a loss is here: a numerator, and a denominator that depends on the target alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

#: ``values(output, target, **options)`` → losses, one per element of the target, one per sample, or one in all.
Values = Callable[..., Tensor]
#: ``weights(target, **options)`` → the weight of each of these elements.
Weights = Callable[..., Tensor]


class Loss(Protocol):
    """A loss as the engine sees it.

    ``total / weight`` is the loss of a batch. Both are kept apart because the denominator of a batch that is cut into
    accumulation steps and spread over ranks is the sum of its parts' denominators; a mean of means would be another
    number wherever weights differ.
    """

    def weight(self, target: Tensor) -> Tensor:
        """Denominator, a scalar that depends on the target alone."""
        ...

    def total(self, output: Tensor, target: Tensor) -> Tensor:
        """Numerator, a scalar."""
        ...

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """``total / weight``."""
        ...


@dataclass(frozen=True)
class NamedLoss:
    """A loss of the registry with its options set.

    Without ``weights`` every sample counts the same: ``total`` is the mean of ``values`` times the number of samples B,
    ``weight`` is B. With ``weights`` the losses are summed with them and ``weight`` is their sum.

    Attributes:
        name: its name in the registry.
        values: the function of the registry.
        weights: the function that weights the elements, or None.
        options: given to both.
        compares: the loss of a sample depends on the others beside it.
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
        """The loss of a batch that stands alone."""
        return self.total(output, target) / self.weight(target)


def _float(target: Tensor) -> Any:
    import torch

    return target.dtype if target.is_floating_point() else torch.float32
