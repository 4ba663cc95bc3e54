"""U-Nets as nnU-Net builds them: instance norm, leaky ReLU, strided convolutions, a plain or a residual encoder.

Isensee et al. 2021 (doi:10.1038/s41592-020-01008-z) and 2024 (arXiv:2404.09556). Kernels and strides are set for each
stage, so that thick slices are neither convolved nor pooled across before their spacing is that of the plane.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from scantune.models.backbone import Blocks, Parts
from scantune.records import ScantuneError

_CONVOLUTION: dict[int, Any] = {2: nn.Conv2d, 3: nn.Conv3d}
_UP: dict[int, Any] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_NORM: dict[int, Any] = {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}
_POOL: dict[int, Any] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
#: Channels per stage, at most 512 in 2D and 320 in 3D, as nnU-Net has them.
_CHANNELS = {2: (32, 64, 128, 256, 512, 512), 3: (32, 64, 128, 256, 320)}
#: Residual blocks per stage.
_BLOCKS = (1, 3, 4, 6, 6, 6)

Edges = Sequence[int]


class ConvNorm(nn.Sequential):
    """Convolution, instance norm and leaky ReLU (slope .01), the last only where ``act``."""

    def __init__(self, ndim: int, ins: int, outs: int, kernel: Edges, stride: Edges, act: bool = True) -> None:
        padding = tuple(n // 2 for n in kernel)
        super().__init__(
            _CONVOLUTION[ndim](ins, outs, tuple(kernel), tuple(stride), padding),
            _NORM[ndim](outs, affine=True),
            *([nn.LeakyReLU(0.01, inplace=True)] if act else []),
        )


class Residual(nn.Module):
    """Two convolutions beside a shortcut, which averages where the block strides and has a 1×1 convolution where the
    number of channels changes (ResNet-D; He et al. 2019, arXiv:1812.01187)."""

    def __init__(self, ndim: int, ins: int, outs: int, kernel: Edges, stride: Edges) -> None:
        super().__init__()
        self.first = ConvNorm(ndim, ins, outs, kernel, stride)
        self.second = ConvNorm(ndim, outs, outs, kernel, (1,) * ndim, act=False)
        shortcut: list[nn.Module] = []
        if any(n > 1 for n in stride):
            shortcut.append(_POOL[ndim](tuple(stride), tuple(stride)))
        if ins != outs:
            shortcut += [_CONVOLUTION[ndim](ins, outs, 1, bias=False), _NORM[ndim](outs, affine=True)]
        self.shortcut = nn.Sequential(*shortcut)
        self.act = nn.LeakyReLU(0.01, inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """[B, ins, …space] to [B, outs, …space / stride]."""
        return self.act(self.second(self.first(x)) + self.shortcut(x))


class Decoder(nn.Module):
    """From the features of all stages to logits: transposed convolutions, skips, plain convolutions.

    In training, with ``deep_supervision``, a tuple: logits at full resolution, then of each coarser stage but the two
    coarsest.

    Args:
        ndim: number of spatial axes.
        channels: of each stage, from full resolution on.
        out_channels: K.
        kernels: of each stage.
        strides: into each stage; the first has no effect.
        convolutions: per stage.
        deep_supervision: coarser stages have logits too.
    """

    def __init__(
        self,
        ndim: int,
        channels: Sequence[int],
        out_channels: int,
        kernels: Sequence[Edges],
        strides: Sequence[Edges],
        convolutions: int = 1,
        deep_supervision: bool = False,
    ) -> None:
        super().__init__()
        self.ups, self.stages, self.coarse = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        one = (1,) * ndim
        for stage in range(len(channels) - 2, -1, -1):
            here, below = channels[stage], channels[stage + 1]
            stride = tuple(strides[stage + 1])
            self.ups.append(_UP[ndim](below, here, stride, stride))
            layers = [ConvNorm(ndim, 2 * here, here, kernels[stage], one)]
            layers += [ConvNorm(ndim, here, here, kernels[stage], one) for _ in range(convolutions - 1)]
            self.stages.append(nn.Sequential(*layers))
            if deep_supervision and 0 < stage < len(channels) - 2:
                self.coarse.append(_CONVOLUTION[ndim](here, out_channels, 1))
        self.output = _CONVOLUTION[ndim](channels[0], out_channels, 1)

    def forward(self, features: Sequence[Tensor]) -> Tensor | tuple[Tensor, ...]:
        """Features of each stage, from full resolution on, to logits [B, K, …space]."""
        x, levels = features[-1], list[Tensor]()
        depth = len(self.stages)
        for number, (up, stage) in enumerate(zip(self.ups, self.stages)):
            x = stage(torch.cat([up(x), features[-2 - number]], dim=1))
            if self.training and len(self.coarse) and 0 < number < depth - 1:
                levels.append(self.coarse[number - 1](x))
        output = self.output(x)
        return (output, *reversed(levels)) if levels else output


class UNet(nn.Module):
    """Encoder and :class:`Decoder`."""

    def __init__(self, encoder: Sequence[nn.Module], decoder: Decoder) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(encoder)
        self.decoder = decoder

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """[B, C, …space] to logits [B, K, …space]; in training see :class:`Decoder`."""
        features = []
        for stage in self.encoder:
            x = stage(x)
            features.append(x)
        return self.decoder(features)


def plain_unet(ndim: int, in_channels: int, out_channels: int, **options: Any) -> Parts:
    """nnU-Net's plain U-Net: two convolutions per stage on either side; options as of :func:`resenc_unet`."""
    return _build(ndim, in_channels, out_channels, residual=False, **options)


def resenc_unet(ndim: int, in_channels: int, out_channels: int, **options: Any) -> Parts:
    """Residual encoder U-Net: 1, 3, 4, 6, 6, 6 residual blocks, one convolution per stage of the decoder.

    Args:
        ndim: number of axes of space.
        in_channels: C of the input.
        out_channels: K.
        **options: ``channels`` and ``blocks`` per stage; ``kernels`` and ``strides`` per stage, each a number or one
            number per axis ([D,] H, W), 3 and 2 by default, the first stride 1; ``deep_supervision``: in training the
            coarser stages have a loss too.
    """
    return _build(ndim, in_channels, out_channels, residual=True, **options)


def _build(
    ndim: int,
    in_channels: int,
    out_channels: int,
    *,
    residual: bool,
    channels: Sequence[int] | None = None,
    blocks: Sequence[int] | None = None,
    kernels: Sequence[int | Edges] | None = None,
    strides: Sequence[int | Edges] | None = None,
    deep_supervision: bool = False,
) -> Parts:
    widths = tuple(channels or _CHANNELS[ndim])
    stages = len(widths)
    counts = tuple(blocks or (_BLOCKS[:stages] if residual else (2,) * stages))
    kernel = _each("kernels", kernels or [3] * stages, stages, ndim)
    stride = _each("strides", strides or [1] + [2] * (stages - 1), stages, ndim)
    if stages < 2 or len(counts) != stages:
        raise ScantuneError(
            f"model.options.channels: {list(widths)} with blocks: {list(counts)}: one number a stage each, at least two"
        )
    encoder, ins = [], in_channels
    for number, (outs, count) in enumerate(zip(widths, counts)):
        block = Residual if residual else ConvNorm
        layers: list[nn.Module] = []
        if residual and number == 0:  # the input has too few channels for a residual block
            layers.append(ConvNorm(ndim, ins, outs, kernel[0], (1,) * ndim))
            ins = outs
        for place in range(count):
            layers.append(block(ndim, ins, outs, kernel[number], stride[number] if place == 0 else (1,) * ndim))
            ins = outs
        encoder.append(nn.Sequential(*layers))
    decoder = Decoder(ndim, widths, out_channels, kernel, stride, 1 if residual else 2, deep_supervision)
    net = UNet(encoder, decoder)
    for part in net.modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d | nn.ConvTranspose2d | nn.ConvTranspose3d):
            nn.init.kaiming_normal_(part.weight, a=0.01)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    down: Blocks = [(f"down{number}" if number else "stem", [stage]) for number, stage in enumerate(encoder)]
    return Parts(
        net,
        out_channels,
        down + decoder_blocks(decoder),
        saliency_layer=f"encoder.{stages - 1}",
        divisor=tuple(math.prod(step[axis] for step in stride) for axis in range(ndim)),
    )


def decoder_blocks(decoder: Decoder) -> Blocks:
    """The units of freezing of a decoder, from the coarsest stage to the output."""
    count = len(decoder.ups)
    ups: Blocks = [(f"up{count - n}", [up, stage]) for n, (up, stage) in enumerate(zip(decoder.ups, decoder.stages))]
    return [*ups, ("output", [*decoder.coarse, decoder.output])]


def _each(name: str, values: Sequence[int | Edges], stages: int, ndim: int) -> list[tuple[int, ...]]:
    """One number per axis for each stage."""
    edges = [(value,) * ndim if isinstance(value, int) else tuple(value) for value in values]
    if len(edges) != stages or any(len(lengths) != ndim for lengths in edges):
        raise ScantuneError(
            f"model.options.{name}: {list(values)}: {stages} stages need {stages} entries, a number or {ndim} each"
        )
    return edges
