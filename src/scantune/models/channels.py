"""The first layer of a network: its number of input channels, and its stride.

Published first layers of C channels are adapted to another number of input channels: one channel uses the *sum* of the
C filters, so that a grey image gives the result of its C-channel copy (the input normalisation is then the mean over
the C channels); more channels repeat the filters in turn, scaled by C over their number.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from scantune.records import ScantuneError

Convolution = nn.Conv2d | nn.Conv3d


def adapt(weight: Tensor, in_channels: int) -> Tensor:
    """First-layer weights [F, C, …kernel] for ``in_channels`` channels, as described for this module."""
    channels = weight.shape[1]
    if in_channels == channels:
        return weight
    if in_channels == 1:
        return weight.sum(dim=1, keepdim=True)
    repeated = weight[:, torch.arange(in_channels) % channels]  # [F, C, …] -> [F, in_channels, …]
    return repeated * (channels / in_channels)


def first_convolution(net: nn.Module) -> tuple[str, Convolution]:
    """Dotted name and module of the first convolution.

    Raises:
        ScantuneError: the network has none.
    """
    for name, module in net.named_modules():
        if isinstance(module, Convolution):
            return name, module
    raise ScantuneError(f"{type(net).__name__} has no convolution at its input")


def resize_input(net: nn.Module, in_channels: int) -> None:
    """Replace the first convolution by one of ``in_channels`` channels, its weights adapted."""
    name, original = first_convolution(net)
    convolution: Any = type(original)(
        in_channels,
        original.out_channels,
        kernel_size=original.kernel_size,  # type: ignore[arg-type]
        stride=original.stride,  # type: ignore[arg-type]
        padding=original.padding,  # type: ignore[arg-type]
        dilation=original.dilation,  # type: ignore[arg-type]
        bias=original.bias is not None,
    )
    with torch.no_grad():
        convolution.weight.copy_(adapt(original.weight, in_channels))
        if original.bias is not None:
            convolution.bias.copy_(original.bias)
    parent, _, leaf = name.rpartition(".")
    setattr(net.get_submodule(parent), leaf, convolution)


def set_first_stride(net: nn.Module, stride: int, *, keep_time: bool) -> None:
    """Set the stride of the first convolution; its weights do not depend on it, its cost does.

    Args:
        net: the network.
        stride: 1 for small inputs; most networks have 2.
        keep_time: do not change the stride of the first of three axes (time).

    Raises:
        ScantuneError: the first convolution extracts patches: its stride is the patch size.
    """
    _, first = first_convolution(net)
    if tuple(first.kernel_size) == tuple(first.stride) and max(first.kernel_size) > 1:
        raise ScantuneError(
            f"model.first_stride: {type(getattr(net, 'frames', net)).__name__} divides its input into patches of "
            f"{tuple(first.kernel_size)}; its first stride cannot be changed"
        )
    axes = len(first.kernel_size)
    first.stride = (first.stride[0], *(stride,) * (axes - 1)) if keep_time and axes == 3 else (stride,) * axes  # type: ignore[assignment]
