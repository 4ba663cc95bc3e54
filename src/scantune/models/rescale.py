"""The last layer of a regression: from standard units to the target's own."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Rescale(nn.Module):
    """``mean + std · x``, in float32: a network that answers in standard units speaks in the target's.

    Mean and standard deviation are constants (buffers, saved with the weights): no gradient and no weight decay reaches
    them. The layer before it has outputs of about one, for which its random start and the learning rate were made, and
    weight decay pulls its answer to the mean rather than to 0. Under bf16 the sum keeps float32's resolution, where a
    layer that answers 70 years by itself does so in steps of half a year.

    Args:
        mean: of the target.
        std: of the target, above 0.

    Example:
        >>> Rescale(50.0, 10.0)(torch.tensor([[0.0], [1.5]]))
        tensor([[50.],
                [65.]])
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(float(mean)))
        self.register_buffer("std", torch.tensor(float(std)))

    def forward(self, x: Tensor) -> Tensor:
        """[B, …] in standard units to [B, …] float32 in the target's units."""
        return self.mean + self.std * x.float()

    def transform_(self, scale: float, shift: float) -> None:
        """From now on answer ``scale · y + shift`` where it answered y."""
        self.mean.mul_(scale).add_(shift)
        self.std.mul_(scale)
