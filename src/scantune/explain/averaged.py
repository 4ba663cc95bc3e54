"""Maps of an averaged network: the mean of the maps of its networks, each for the averaged output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from scantune.explain import layers
from scantune.explain.saliency import Saliency
from scantune.prediction.averaging import AveragedNetwork, mean_output


class NetworkView(nn.Module):
    """An averaged network with the modules of one of its networks, under their names in that network.

    Args:
        network: the averaged network.
        number: of the network whose layers are accessible.
        cached: outputs of all networks for the explained sample, so that those of the other networks are not computed
            again; None computes them.
    """

    def __init__(self, network: AveragedNetwork, number: int, cached: Sequence[Tensor] | None = None) -> None:
        super().__init__()
        self.number, self.cached, self.class_axis = number, cached, network.class_axis
        for name, child in network.networks[number].named_children():
            self.add_module(name, child)
        self.averaged = [network]  # in a list, so that the modules of the other networks are not registered

    def forward(self, x: Tensor) -> Tensor:
        """The averaged output, [B, …]."""
        return mean_output(self._outputs(x), self.class_axis)

    def _outputs(self, x: Tensor) -> Iterator[Tensor]:
        for number, network in enumerate(self.averaged[0].networks):
            known = self.cached is not None and number != self.number
            yield self.cached[number] if known and self.cached is not None else network(x)


def maps(
    network: AveragedNetwork, x: Tensor, layer: str | None, make: Callable[[nn.Module, str | None], list[Saliency]]
) -> list[Saliency]:
    """Mean of the maps of the networks.

    The map of a network is from its own layer and the gradient of the averaged output there. Each map is scaled to its
    maximum before averaging, as in :class:`Saliency`, and so is the mean.

    Args:
        network: the averaged network.
        x: one sample, [1, C, …space].
        layer: as in :func:`scantune.explain.maps.maps`.
        make: function of a network and the name of its layer that returns one map per target.
    """
    with layers.evaluating(network), torch.no_grad():
        cached = [member(x).float() for member in network.networks]
    by_network = []
    for number, member in enumerate(network.networks):
        name = layers.find(member, layer, x)[0] if layer or _has_layer(member) else layer
        by_network.append(make(NetworkView(network, number, cached), name))
    return [_mean(each) for each in zip(*by_network)]


def _has_layer(network: nn.Module) -> bool:
    return getattr(getattr(network, "backbone", network), "saliency_layer", None) is not None


def _mean(maps_of_networks: Sequence[Saliency]) -> Saliency:
    """Mean of the defined maps; undefined without any."""
    defined = [saliency.map for saliency in maps_of_networks if saliency.map is not None]
    if not defined:
        return maps_of_networks[0]
    total = np.mean(defined, axis=0)
    return replace(
        next(saliency for saliency in maps_of_networks if saliency.map is not None),
        map=(total / total.max()).astype(np.float32),
        peak=float(np.mean([saliency.peak for saliency in maps_of_networks if saliency.map is not None])),
    )
