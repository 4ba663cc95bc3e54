"""Small convolutional networks for any modality: fast to train, without published weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from scantune.models.backbone import SPACE, Modality, Parts

_CONV = {2: nn.Conv2d, 3: nn.Conv3d}
_NORM = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
_POOL = {2: nn.MaxPool2d, 3: nn.MaxPool3d}


class Convolutions(nn.Module):
    """Per width a 3-wide convolution, batch norm, ReLU and max pooling by 2; then global average pooling.

    Args:
        in_channels: C of the input.
        widths: channels after each layer; the last is the number of features.
        ndim: number of spatial axes, 2 or 3.
    """

    def __init__(self, in_channels: int, widths: Sequence[int], ndim: int) -> None:
        super().__init__()
        in_widths = [in_channels, *widths[:-1]]
        self.layers = nn.Sequential(*(_layer(a, b, ndim) for a, b in zip(in_widths, widths)))

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, F] of ``x`` [B, C, …space]."""
        x = self.layers(x)
        return torch.flatten(x, 2).mean(dim=2)  # [B, F, …] -> [B, F]


def _layer(channels: int, width: int, ndim: int) -> nn.Sequential:
    return nn.Sequential(
        _CONV[ndim](channels, width, kernel_size=3, padding=1, bias=False),
        _NORM[ndim](width),
        nn.ReLU(inplace=True),
        # ceil_mode: an axis of length 1 stays 1 instead of becoming 0
        _POOL[ndim](2, ceil_mode=True),
    )


def build(in_channels: int, *, modality: Modality, widths: Sequence[int]) -> Parts:
    """A network of ``len(widths)`` layers for images [B,C,H,W], volumes [B,C,D,H,W] or videos [B,C,T,H,W]."""
    net = Convolutions(in_channels, widths, SPACE[modality])
    blocks: list[tuple[str, list[nn.Module]]] = [
        ("stem" if index == 0 else f"layer{index}", [layer]) for index, layer in enumerate(net.layers)
    ]
    # before the last pooling, at twice the resolution of the features
    return Parts(net, widths[-1], blocks, saliency_layer=f"layers.{len(widths) - 1}.2")


def small_cnn(in_channels: int, *, modality: Modality, widths: Sequence[int] = (16, 32, 64)) -> Parts:
    """Three layers, 23 thousand parameters in 2D: for demonstrations and tests."""
    return build(in_channels, modality=modality, widths=widths)


def custom_1(in_channels: int, *, modality: Modality, widths: Sequence[int] = (32, 64, 128, 256, 256)) -> Parts:
    """The small five-layer network for chest X-rays, about a million parameters in 2D."""
    return build(in_channels, modality=modality, widths=widths)
