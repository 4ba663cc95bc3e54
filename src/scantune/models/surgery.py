"""Another output layer, or another range of the output, on a trained network."""

from __future__ import annotations

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
        ScantuneError: there is none.
    """
    dense = network.backbone.recipe.dense
    inside, prefix = (network.backbone, "backbone") if dense else (network.head, "head")
    found = [(name, part) for name, part in inside.named_modules() if isinstance(part, _OUTPUTS)]
    if not found:
        raise ScantuneError("the network has no linear layer at its output: nothing to replace or rescale")
    name, layer = found[-1]
    return (f"{prefix}.{name}" if name else prefix), layer


def replace_output(
    network: Network, outputs: int, *, shape: tuple[int, ...] | None = None, generator: torch.Generator | None = None
) -> None:
    """Give the network an output layer of ``outputs`` numbers: Xavier-uniform weights, bias 0; the rest stays trained.

    Args:
        network: changed in place.
        outputs: numbers a sample (channels of a dense network).
        shape: of a head that ends in a reshape (zones: how many, and their classes), whose product is ``outputs``.
        generator: draws the weights; None draws from the global state.
    """
    name, old = output_layer(network)
    if isinstance(old, nn.Linear):
        made: Any = nn.Linear(old.in_features, outputs, bias=old.bias is not None)
    else:
        kept = {key: getattr(old, key) for key in ("kernel_size", "stride", "padding", "dilation")}
        extra = {"output_padding": old.output_padding} if hasattr(old, "output_padding") and old.transposed else {}
        made = type(old)(old.in_channels, outputs, bias=old.bias is not None, **kept, **extra)
    with torch.no_grad():
        nn.init.xavier_uniform_(made.weight, generator=generator)
        if made.bias is not None:
            made.bias.zero_()
    made = made.to(old.weight.device, old.weight.dtype)
    parent, _, leaf = name.rpartition(".")
    setattr(network.get_submodule(parent), leaf, made)
    if shape is not None:
        reshapes = [name for name, part in network.head.named_modules() if isinstance(part, nn.Unflatten)]
        parent, _, leaf = f"head.{reshapes[-1]}".rpartition(".")
        setattr(network.get_submodule(parent), leaf, nn.Unflatten(1, shape))
    if network.backbone.recipe.dense:
        _note_dense_outputs(network, outputs)


def rescale_output(network: Network, source: tuple[float, float], target: tuple[float, float]) -> None:
    """Make a network trained on scores in [s0, s1] answer in [t0, t1].

    Output y becomes scale·y + shift, scale = (t1 − t0)/(s1 − s0), shift = t0 − s0·scale. A last layer that is a
    :class:`Rescale` takes it; else the output layer's weights are multiplied by scale, its bias is scale·bias + shift.

    Args:
        network: changed in place; its output layer needs a bias.
        source: (s0, s1).
        target: (t0, t1).
    """
    if source[0] == source[1]:
        raise ScantuneError(f"rescaling from the range {list(source)}: its ends must differ")
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
    from dataclasses import replace

    backbone = network.backbone
    backbone.recipe = replace(backbone.recipe, options={**backbone.recipe.options, "out_channels": outputs})
    backbone.feature_dim = outputs
