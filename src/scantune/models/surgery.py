"""Replacing the output layer, or rescaling the output, of a trained network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from scantune.models.network import Network
from scantune.models.rescale import Rescale
from scantune.records import ScantuneError

_OUTPUTS = (nn.Linear, nn.Conv2d, nn.Conv3d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def output_layer(network: Network) -> tuple[str, Any]:
    """Dotted name and module of the last linear layer of the head, or of the last convolution of a dense network.

    Raises:
        ScantuneError: there is no such layer.
    """
    dense = network.backbone.recipe.dense
    inside, prefix = (network.backbone, "backbone") if dense else (network.head, "head")
    candidates = [(name, part) for name, part in inside.named_modules() if isinstance(part, _OUTPUTS)]
    if not candidates:
        raise ScantuneError("the network has no linear output layer to replace or rescale")
    name, layer = candidates[-1]
    return (f"{prefix}.{name}" if name else prefix), layer


def replace_output(
    network: Network,
    outputs: int,
    *,
    shape: tuple[int, ...] | None = None,
    units: tuple[list[float], list[float]] | None = None,
    generator: torch.Generator | None = None,
) -> None:
    """Replace the output layer: Xavier-uniform weights, bias 0; the other layers keep their trained weights.

    A :class:`Rescale` behind it, of numbers that are no longer answered, is taken away.

    Args:
        network: changed in place.
        outputs: number of outputs per sample (channels of a dense network).
        shape: of the output of a head that ends in a reshape (zones, classes); its product is ``outputs``.
        units: mean and standard deviation of each number, in whose units the new layer answers; None for logits.
        generator: of the random weights; None uses the global random state.
    """
    name, original = output_layer(network)
    _replace(network, name, original, outputs, generator)
    for coarser, layer in _coarser_outputs(network, original):
        _replace(network, coarser, layer, outputs, generator)
    for name, part in list(network.head.named_modules()):
        if isinstance(part, Rescale):
            parent, _, leaf = f"head.{name}".rpartition(".")
            setattr(network.get_submodule(parent), leaf, nn.Identity())
    if units is not None:
        network.head = nn.Sequential(network.head, Rescale(*units))
    if shape is not None:
        reshapes = [name for name, part in network.head.named_modules() if isinstance(part, nn.Unflatten)]
        parent, _, leaf = f"head.{reshapes[-1]}".rpartition(".")
        setattr(network.get_submodule(parent), leaf, nn.Unflatten(1, shape))
    if network.backbone.recipe.dense:
        _note_dense_outputs(network, outputs)


def _replace(network: Network, name: str, original: Any, outputs: int, generator: torch.Generator | None) -> None:
    if isinstance(original, nn.Linear):
        layer: Any = nn.Linear(original.in_features, outputs, bias=original.bias is not None)
    else:
        geometry = {key: getattr(original, key) for key in ("kernel_size", "stride", "padding", "dilation")}
        extra = (
            {"output_padding": original.output_padding}
            if hasattr(original, "output_padding") and original.transposed
            else {}
        )
        layer = type(original)(original.in_channels, outputs, bias=original.bias is not None, **geometry, **extra)
    with torch.no_grad():
        nn.init.xavier_uniform_(layer.weight, generator=generator)
        if layer.bias is not None:
            layer.bias.zero_()
    layer = layer.to(original.weight.device, original.weight.dtype)
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, layer)
    for _, modules in network.backbone.blocks:  # freezing and learning rates go by them
        modules[:] = [layer if part is original else part for part in modules]


def _coarser_outputs(network: Network, last: Any) -> list[tuple[str, Any]]:
    """The output layers of coarser stages, which deep supervision has beside the last."""
    if not network.backbone.recipe.dense or not network.backbone.recipe.options.get("deep_supervision"):
        return []
    coarse = {id(part) for name, parts in network.backbone.blocks if name == "output" for part in parts}
    modules = network.named_modules()
    return [(name, part) for name, part in modules if id(part) in coarse and part.out_channels == last.out_channels]


def rescale_output(network: Network, source: tuple[float, float], target: tuple[float, float]) -> None:
    """Rescale the output of a network from scores in [s0, s1] to [t0, t1].

    Output y becomes scale·y + shift, scale = (t1 − t0)/(s1 − s0), shift = t0 − s0·scale. It is applied to a final
    :class:`Rescale`; otherwise the weights of the output layer are multiplied by scale, and its bias becomes
    scale·bias + shift.

    Args:
        network: changed in place; its output layer needs a bias.
        source: (s0, s1).
        target: (t0, t1).
    """
    if source[0] == source[1]:
        raise ScantuneError(f"rescaling from the range {list(source)}: its limits must differ")
    scale = (target[1] - target[0]) / (source[1] - source[0])
    shift = target[0] - source[0] * scale
    name, layer = output_layer(network)
    last = list(network.head.modules())[-1]
    with torch.no_grad():
        if isinstance(last, Rescale):
            last.transform_(scale, shift)
            return
        if layer.bias is None:
            raise ScantuneError(f"rescaling: output layer {name} has no bias to shift")
        layer.weight.mul_(scale)
        layer.bias.mul_(scale).add_(shift)


def _note_dense_outputs(network: Network, outputs: int) -> None:
    backbone = network.backbone
    backbone.recipe = replace(backbone.recipe, options={**backbone.recipe.options, "out_channels": outputs})
    backbone.feature_dim = outputs
