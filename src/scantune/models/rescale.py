"""The last layer of a regression: from standardised outputs to the units of the target."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Rescale(nn.Module):
    """``mean + std · x`` in float32: converts a standardised output to the units of the target.

    Mean and standard deviation are constants (buffers, saved with the weights) without gradient and weight decay. The
    preceding layer has outputs of about one, which suits its random initialisation and the learning rate, and weight
    decay shrinks its prediction to the mean rather than to 0. Under bf16 the sum has the resolution of float32, whereas
    a bf16 layer that predicts 70 years directly has a resolution of half a year.

    Args:
        mean: of the target; a list of those of several.
        std: of the target, above 0; of several as many.
        outputs: numbers a sample where there are several and mean and std are to be loaded.

    Example:
        >>> Rescale(50.0, 10.0)(torch.tensor([[0.0], [1.5]]))
        tensor([[50.],
                [65.]])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, mean: float | Sequence[float] = 0.0, std: float | Sequence[float] = 1.0, *, outputs: int | None = None
    ) -> None:
        super().__init__()
        for name, value in (("mean", mean), ("std", std)):
            tensor = torch.tensor(value, dtype=torch.float32)
            self.register_buffer(name, tensor if outputs is None else tensor.repeat(outputs))

    @property
    def outputs(self) -> int | None:
        """Numbers a sample that have their own mean and standard deviation; None for one of all."""
        return len(self.mean) if self.mean.ndim else None

    def forward(self, x: Tensor) -> Tensor:
        """[B, …, outputs] standardised to [B, …, outputs] float32 in the units of the targets."""
        return self.mean + self.std * x.float()

    def transform_(self, scale: float, shift: float) -> None:
        """Change the output from y to ``scale · y + shift``, in place."""
        self.mean.mul_(scale).add_(shift)
        self.std.mul_(scale)
