"""The last layer of a regression: from standardised outputs to the units of the target."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Rescale(nn.Module):
    """``mean + std · x`` in float32: converts a standardised output to the units of the target.

    Mean and standard deviation are constants (buffers, saved with the weights) without gradient and weight decay. The
    preceding layer has outputs of about one, which suits its random initialisation and the learning rate, and weight
    decay shrinks its prediction to the mean rather than to 0. Under bf16 the sum has the resolution of float32, whereas
    a bf16 layer that predicts 70 years directly has a resolution of half a year.

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
        """[B, …] standardised to [B, …] float32 in the units of the target."""
        return self.mean + self.std * x.float()

    def transform_(self, scale: float, shift: float) -> None:
        """Change the output from y to ``scale · y + shift``, in place."""
        self.mean.mul_(scale).add_(shift)
        self.std.mul_(scale)
