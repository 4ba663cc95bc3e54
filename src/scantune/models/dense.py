"""MONAI networks with an output per pixel or voxel, in 2D and 3D; MONAI is imported when one is built."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from torch import nn

from scantune.models import catalogue
from scantune.models.backbone import Blocks, Parts
from scantune.records import ScantuneError

#: Channels per level: half as many in 3D, where memory per level is much larger.
_CHANNELS = {2: (32, 64, 128, 256, 512), 3: (16, 32, 64, 128, 256)}


def names() -> list[str]:
    """Names that :func:`build` takes."""
    return catalogue.names("dense")


def build(name: str, ndim: int, in_channels: int, out_channels: int = 1, **options: Any) -> Parts:
    """The dense network ``name`` for ``ndim`` spatial axes, with random weights.

    Raises:
        ScantuneError: unknown name, ``ndim`` other than 2 and 3, an unknown option or an impossible value.
    """
    builder = catalogue.dense_builder(name)
    if ndim not in _CHANNELS:
        raise ScantuneError(f"ndim: {ndim} spatial axes; a segmentation network has 2 or 3")
    wrong = catalogue.foreign(options)
    if wrong:
        raise ScantuneError(f"model.options: {wrong}")
    return catalogue.built(name, functools.partial(builder, ndim, in_channels, out_channels), options)


#: Batch norm instead of MONAI's instance norm, because its statistics can be frozen.
_NORM = {"norm": "BATCH", "act": ("RELU", {"inplace": True})}


def unet(
    ndim: int, in_channels: int, out_channels: int, *, channels: Sequence[int] | None = None, **options: Any
) -> Parts:
    """U-Net (Ronneberger et al. 2015, arXiv:1505.04597): two convolutions per level, skips from full resolution on."""
    from monai.networks.nets.basic_unet import BasicUNet

    widths = tuple(channels or _CHANNELS[ndim])
    if len(widths) != 5:
        raise ScantuneError(f"model.options.channels: {list(widths)} has {len(widths)} levels; unet has 5")
    net = BasicUNet(ndim, in_channels, out_channels, (*widths, widths[0]), **{**_NORM, **options})
    blocks: Blocks = [("stem", [net.conv_0])]
    blocks += [(f"down{n}", [getattr(net, f"down_{n}")]) for n in (1, 2, 3, 4)]
    blocks += [(f"up{n}", [getattr(net, f"upcat_{n}")]) for n in (4, 3, 2, 1)]
    blocks.append(("output", [net.final_conv]))
    return Parts(net, out_channels, blocks, saliency_layer="down_4", divisor=16)


def res_unet(
    ndim: int,
    in_channels: int,
    out_channels: int,
    *,
    channels: Sequence[int] | None = None,
    units: int = 2,
    **options: Any,
) -> Parts:
    """Residual units in each level (Zhang et al. 2018, arXiv:1711.10684; MONAI's UNet), full resolution at the top.

    A separate convolution is the output layer, because the top level of MONAI's UNet has as many channels as classes.
    """
    from monai.networks.nets.unet import UNet

    widths = tuple(channels or _CHANNELS[ndim])
    strides = (1, *(2,) * (len(widths) - 2))
    body = UNet(ndim, in_channels, widths[0], widths, strides, num_res_units=units, **{**_NORM, **options})
    output: nn.Module = (nn.Conv2d if ndim == 2 else nn.Conv3d)(widths[0], out_channels, kernel_size=1)
    net = nn.Sequential()
    net.add_module("body", body)
    net.add_module("output", output)
    blocks = [*_nested_blocks(body.model), ("output", [output])]
    layer = _deepest(net, "body.model")
    return Parts(net, out_channels, blocks, saliency_layer=layer, divisor=2 ** (len(widths) - 2))


def attention_unet(
    ndim: int, in_channels: int, out_channels: int, *, channels: Sequence[int] | None = None, **options: Any
) -> Parts:
    """U-Net with attention gates on its skips (Oktay et al. 2018, arXiv:1804.03999)."""
    from monai.networks.nets.attentionunet import AttentionUnet

    widths = tuple(channels or _CHANNELS[ndim])
    net = AttentionUnet(ndim, in_channels, out_channels, widths, (2,) * (len(widths) - 1), **options)
    stem, levels, head = net.model
    blocks: Blocks = [("stem", [stem]), ("levels", [levels]), ("output", [head])]
    bottom = "model.1.submodule" + ".1.submodule" * (len(widths) - 2)
    return Parts(net, out_channels, blocks, saliency_layer=bottom, divisor=2 ** (len(widths) - 1))


def segresnet(ndim: int, in_channels: int, out_channels: int, *, init_filters: int = 16, **options: Any) -> Parts:
    """SegResNet, encoder and decoder of residual blocks (Myronenko 2018, arXiv:1810.11654)."""
    from monai.networks.nets.segresnet import SegResNet

    net = SegResNet(ndim, init_filters, in_channels, out_channels, **options)
    blocks: Blocks = [("stem", [net.convInit])]
    blocks += [(f"down{n}", [level]) for n, level in enumerate(net.down_layers)]
    blocks += [(f"up{n}", [up, sample]) for n, (up, sample) in enumerate(zip(net.up_layers, net.up_samples))]
    blocks.append(("output", [net.conv_final]))
    levels = len(net.down_layers) - 1
    return Parts(net, out_channels, blocks, saliency_layer=f"down_layers.{levels}", divisor=2**levels)


def _nested_blocks(model: nn.Module) -> Blocks:
    """Blocks of MONAI's nested U-Net in order: down path, bottom, up path."""
    down: Blocks = []
    up: Blocks = []
    level: Any = model
    while isinstance(level, nn.Sequential) and len(level) == 3 and hasattr(level[1], "submodule"):
        name = "stem" if not down else f"down{len(down)}"
        down.append((name, [level[0]]))
        up.append((f"up{len(up)}", [level[2]]))
        level = level[1].submodule
    return [*down, ("bottom", [level]), *reversed(up)]


def _deepest(net: nn.Module, name: str) -> str:
    level: Any = net.get_submodule(name)
    path = name
    while isinstance(level, nn.Sequential) and len(level) == 3 and hasattr(level[1], "submodule"):
        path += ".1.submodule"
        level = level[1].submodule
    return path
