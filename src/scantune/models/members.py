"""Several networks as one: their answers averaged in the space in which they are probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

#: Axis of the classes in a task's output; None where the output is a plain number.
CLASS_AXIS: dict[str, int | None] = {"regression": None, "classification": 1, "zones": 2, "segmentation": 1}


class Members(nn.Module):
    """The average of several networks, itself a network.

    Args:
        networks: of one task, in eval mode.
        axis: of the classes in their output; None averages the outputs themselves.

    The output is the logarithm of the mean probability (of one logit: its log odds), so that what reads logits
    reads it as it would a single network's.
    """

    def __init__(self, networks: Sequence[nn.Module], axis: int | None) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        """The members' averaged output of ``x`` [B, C, …], of the shape of one member's."""
        outputs = torch.stack([network(x).float() for network in self.networks])  # [M, B, …]
        if self.axis is None:
            return outputs.mean(0)
        if outputs.shape[self.axis + 1] == 1:
            share = outputs.sigmoid().mean(0)
            return torch.logit(share, eps=1e-7)
        return outputs.log_softmax(self.axis + 1).logsumexp(0) - torch.log(torch.tensor(float(len(outputs))))


def averaged(networks: Sequence[nn.Module], task: str) -> nn.Module:
    """The network itself where there is one, else :class:`Members` of a task's networks."""
    return networks[0] if len(networks) == 1 else Members(networks, CLASS_AXIS[task])
