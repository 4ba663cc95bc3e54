"""Video backbones of torchvision: input [B, C, T, H, W]."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from scantune.models import blocks
from scantune.models.backbone import Normalization, Parts
from scantune.models.channels import resize_input

#: Means and standard deviations of the published Kinetics-400 weights (torchvision's presets).
_RESNET = Normalization((0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989))
_MVIT = Normalization((0.45, 0.45, 0.45), (0.225, 0.225, 0.225))
_SWIN = Normalization((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def resnet(name: str, in_channels: int) -> Parts:
    """r2plus1d_18, r3d_18 or mc3_18 (Tran et al. 2018, arXiv:1711.11248), without the classification layer; F 512."""
    from torchvision.models import video

    net = _make(getattr(video, name), in_channels)
    net.fc = nn.Identity()
    return Parts(net, 512, blocks.find(net), saliency_layer="layer4", normalization=_RESNET)


def mvit_v2_s(in_channels: int, *, size: tuple[int, int, int] = (16, 224, 224), **options: Any) -> Parts:
    """MViT v2 small (Li et al. 2022, arXiv:2112.01526) for inputs of (T, H, W) ``size``, H = W; F 768."""
    from torchvision.models import video

    defaults = {"residual_pool": True, "residual_with_cls_embed": False, "rel_pos_embed": True, "proj_after_attn": True}
    net: Any = video.MViT(
        spatial_size=tuple(size[1:]),
        temporal_size=size[0],
        block_setting=_mvit_blocks(),
        **{**defaults, "stochastic_depth_prob": 0.2, **options},
    )
    net.head = nn.Identity()
    if in_channels != 3:
        resize_input(net, in_channels)
    last = f"blocks.{len(net.blocks) - 1}.norm1"
    grid = (
        net.pos_encoding.temporal_size,
        *(math.ceil(n / 8) for n in net.pos_encoding.spatial_size),
    )  # three halvings
    return Parts(
        net, 768, blocks.find(net), last, layout="tokens", token_grid=grid, prefix_tokens=1, normalization=_MVIT
    )


def _mvit_blocks() -> list[Any]:
    """The sixteen blocks of MViT v2 small; torchvision's function is limited to 16 × 224²."""
    from torchvision.models.video.mvit import MSBlockConfig

    heads = [1, 2, 2] + [4] * 11 + [8, 8]
    widths = [96, 96, 192, 192] + [384] * 11 + [768, 768]
    halvings = (1, 3, 14)
    keys = [8, 4, 4] + [2] * 11 + [1, 1]
    return [
        MSBlockConfig(
            num_heads=heads[n],
            input_channels=widths[n],
            output_channels=widths[n + 1],
            kernel_q=[3, 3, 3],
            kernel_kv=[3, 3, 3],
            stride_q=[1, 2, 2] if n in halvings else [1, 1, 1],
            stride_kv=[1, keys[n], keys[n]],
        )
        for n in range(16)
    ]


def swin3d_t(in_channels: int, **options: Any) -> Parts:
    """Video Swin tiny (Liu et al. 2022, arXiv:2106.13230), without the classification layer; F 768."""
    from torchvision.models import video

    net = _make(video.swin3d_t, in_channels, **options)
    net.head = nn.Identity()
    last = f"features.{len(net.features) - 1}"
    return Parts(net, 768, blocks.find(net), last, layout="channels_last", normalization=_SWIN)


def _make(make: Callable[..., nn.Module], in_channels: int, **options: Any) -> Any:
    net = make(weights=None, progress=False, **options)
    if in_channels != 3:  # torchvision has no option for the number of channels
        resize_input(net, in_channels)
    return net
