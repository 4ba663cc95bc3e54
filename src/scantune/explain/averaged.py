"""Maps of an averaged network: one of each of its networks, by its part in the averaged answer, then their mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from scantune.explain import layers
from scantune.explain.saliency import Saliency
from scantune.prediction.averaging import AveragedNetwork, mean_output


class Facing(nn.Module):
    """An averaged network seen from one of its networks, whose modules have the names that they have there.

    Args:
        network: the averaged one.
        number: the network whose layers can be read.
        fixed: outputs of all networks for the one sample that will be asked about, so that the others are not computed
            once more; None computes them.
    """

    def __init__(self, network: AveragedNetwork, number: int, fixed: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.number, self.fixed, self.class_axis = number, fixed, network.class_axis
        for name, child in network.networks[number].named_children():
            self.add_module(name, child)
        self.unseen = [network]  # in a list, so that the names of the others' modules are not among ours

    def forward(self, x: Tensor) -> Tensor:
        """The averaged output, [B, …]."""
        return mean_output(self._outputs(x), self.class_axis)

    def _outputs(self, x: Tensor) -> Iterator[Tensor]:
        for number, network in enumerate(self.unseen[0].networks):
            known = self.fixed is not None and number != self.number
            yield self.fixed[number] if known and self.fixed is not None else network(x)


def maps(
    network: AveragedNetwork, x: Tensor, layer: str | None, make: Callable[[nn.Module, str | None], list[Saliency]]
) -> list[Saliency]:
    """The mean over the networks of their maps.

    A map of one network is by its own layer and the gradient of the averaged answer there. All are scaled to their
    maximum before they are averaged, as :class:`Saliency` has them, and the mean is scaled to its own.

    Args:
        network: the averaged one.
        x: one sample, [1, C, …space].
        layer: as of :func:`scantune.explain.maps.maps`.
        make: from a network and the layer's name to one map a target.
    """
    with layers.evaluating(network), torch.no_grad():
        fixed = [one(x).float() for one in network.networks]
    found = []
    for number, one in enumerate(network.networks):
        name = layers.find(one, layer, x)[0] if layer or _has_layer(one) else layer
        found.append(make(Facing(network, number, fixed), name))
    return [_mean(each) for each in zip(*found)]


def _has_layer(network: nn.Module) -> bool:
    return getattr(getattr(network, "backbone", network), "saliency_layer", None) is not None


def _mean(each: Sequence[Saliency]) -> Saliency:
    """The mean of those that there are; undefined where there is none."""
    there = [one.map for one in each if one.map is not None]
    if not there:
        return each[0]
    total = np.mean(there, axis=0)
    return replace(next(one for one in each if one.map is not None), map=(total / total.max()).astype(np.float32))
