"""Averaging of outputs of several networks or copies of a sample, as probabilities."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from scantune.tasks.protocol import ClassAxis


def mean_output(outputs: Iterable[Tensor], class_axis: ClassAxis) -> Tensor:
    """The mean of outputs [B, …], float32, of the shape of one; a single output is returned unchanged.

    Probabilities are averaged, not logits: the result is the logarithm of the mean probability (for one logit, its log
    odds) and can be used like the logits of a single network. Outputs are not stacked, since masks are large.

    Args:
        outputs: of each network and copy.
        class_axis: axis of the classes; ``each`` for logits of separate questions; None averages the values.

    Raises:
        ValueError: there are no outputs.
    """
    remaining = iter(outputs)
    first = next(remaining, None)
    if first is None:
        raise ValueError("nothing to average")
    first, total, count = first.float(), list[Tensor](), 1
    for output in remaining:
        total = total or _parts(first, class_axis)
        parts = _parts(output.float(), class_axis)
        add = torch.add if class_axis is None else torch.logaddexp
        total, count = [add(a, b) for a, b in zip(total, parts)], count + 1
    if count == 1:
        return first
    if class_axis is None:
        return total[0] / count
    return total[0] - total[1] if len(total) == 2 else total[0] - math.log(count)


def _parts(output: Tensor, class_axis: ClassAxis) -> list[Tensor]:
    """Summands: values; or log probabilities; for a single logit those of both classes."""
    if class_axis is None:
        return [output]
    if class_axis == "each" or output.shape[class_axis] == 1:
        return [functional.logsigmoid(output), functional.logsigmoid(-output)]
    return [output.log_softmax(class_axis)]


class AveragedNetwork(nn.Module):
    """A network that averages the outputs of several networks; see :func:`mean_output`.

    Args:
        networks: of one task.
        class_axis: of their output, as :attr:`scantune.tasks.protocol.Task.class_axis`.
    """

    def __init__(self, networks: Sequence[nn.Module], class_axis: ClassAxis) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.class_axis = class_axis

    def forward(self, *inputs: Tensor) -> Tensor:
        """The averaged output of images [B, C, …] and, where the networks have them, covariates [B, Q]; of the shape of
        one network's."""
        return mean_output((network(*inputs) for network in self.networks), self.class_axis)


def conditioned(network: nn.Module, covariates: Tensor | None) -> nn.Module:
    """The network with the covariates of one sample, so that it can be called with its image alone.

    Args:
        network: one network, or several averaged; its layers are shared with the result.
        covariates: [Q]; None returns the network itself.
    """
    if covariates is None:
        return network
    if isinstance(network, AveragedNetwork):
        return AveragedNetwork([conditioned(each, covariates) for each in network.networks], network.class_axis)
    bound = copy.copy(network)
    bound.condition = covariates[None]  # type: ignore[assignment]
    return bound


def averaged(networks: Sequence[nn.Module], class_axis: ClassAxis) -> nn.Module:
    """A single network itself, else :class:`AveragedNetwork`."""
    return networks[0] if len(networks) == 1 else AveragedNetwork(networks, class_axis)
