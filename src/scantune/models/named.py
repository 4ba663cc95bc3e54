"""Layers of a network by their dotted name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from torch import nn

from scantune.records import ScantuneError


def named_layer(network: nn.Module, layer: str) -> tuple[str, nn.Module]:
    """A layer whose name begins inside the network, its backbone or the backbone's ``net``.

    Returns:
        Dotted name inside ``network``, and the module.

    Raises:
        ScantuneError: there is none; with the nearest names.
    """
    modules = {name: module for name, module in network.named_modules() if name}
    for prefix in ("", "backbone.", "backbone.net.", "net."):
        if prefix + layer in modules:
            return prefix + layer, modules[prefix + layer]
    short = sorted({name.removeprefix("backbone.").removeprefix("net.") for name in modules})
    similar = difflib.get_close_matches(layer, short, n=5, cutoff=0.3) or convolutions(network)
    raise ScantuneError(f"{layer!r} is not a layer of this network; similar: {', '.join(similar)}")


def check_layer(key: str, layer: str | None, networks: Iterable[nn.Module]) -> None:
    """Check that every network has a layer.

    Args:
        key: of ``params.yaml`` that names it.
        layer: its name; None for none.
        networks: of a model.

    Raises:
        ScantuneError: one has none of that name; with the key and the nearest names.
    """
    for network in networks if layer is not None else ():
        try:
            named_layer(network, str(layer))
        except ScantuneError as error:
            raise ScantuneError(f"{key}: {error}") from error


def convolutions(network: nn.Module, last: int = 5) -> list[str]:
    """Names of the last convolutions of a network, which have a spatial grid."""
    kinds = (nn.Conv2d, nn.Conv3d)
    return [name for name, module in network.named_modules() if isinstance(module, kinds)][-last:]
