"""Layers of a network by their dotted name, and what saliency maps need of a network."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

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


#: Arguments of :func:`check_maps` that a block of settings has.
FOR_NETWORK = {"method", "layer", "layer_idx"}
#: Methods of saliency maps that read the attention of a vision transformer.
ATTENTION = ("attention", "rollout")
VISION_TRANSFORMER = "a timm vision transformer (one grid of tokens in all blocks)"


def transformer_of(network: nn.Module) -> nn.Module | None:
    """The vision transformer of timm, with one grid of tokens in all blocks, in a network; None without one."""
    for module in network.modules():
        blocks = getattr(module, "blocks", None)
        if (
            hasattr(module, "num_prefix_tokens")
            and blocks is not None
            and all(hasattr(getattr(block, "attn", None), "attn_drop") for block in blocks)
        ):
            return module
    return None


def check_maps(where: str, networks: Iterable[nn.Module], method: str, layer: str | None, layer_idx: int = -1) -> None:
    """Check that every network has what saliency maps read.

    Args:
        where: what stands before the names of the settings in messages, such as ``evaluate.saliency.``.
        networks: of a model.
        method: of the maps.
        layer: dotted name of the layer that is read; None for the default.
        layer_idx: of ``attention``: the block, from the first (0) or the last (-1).

    Raises:
        ScantuneError: one has no layer of that name, no attention, or not as many blocks; with the setting.
    """
    for network in networks:
        if layer is not None:
            try:
                named_layer(network, layer)
            except ScantuneError as error:
                raise ScantuneError(f"{where}layer: {error}") from error
        if method not in ATTENTION:
            continue
        vit: Any = transformer_of(network)
        if vit is None:
            raise ScantuneError(f"{where}method: {method} requires {VISION_TRANSFORMER}; use gradcam for this network")
        if not -len(vit.blocks) <= layer_idx < len(vit.blocks):
            raise ScantuneError(f"{where}layer_idx: {layer_idx} is outside this network's {len(vit.blocks)} blocks")


def convolutions(network: nn.Module, last: int = 5) -> list[str]:
    """Names of the last convolutions of a network, which have a spatial grid."""
    kinds = (nn.Conv2d, nn.Conv3d)
    return [name for name, module in network.named_modules() if isinstance(module, kinds)][-last:]
