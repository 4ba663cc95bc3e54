"""Videos by a 2D network of timm on each frame, and pooling over time: input [B, C, T, H, W]."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from scantune.models import blocks, images
from scantune.models.backbone import Parts
from scantune.records import ScantuneError

#: Pooling of the features of all frames, [B, T, F] → [B, F].
POOLS = {"mean": lambda features: features.mean(dim=1), "max": lambda features: features.amax(dim=1)}


class FramePooling(nn.Module):
    """A 2D network on each frame, its features pooled over the frames.

    Args:
        frames: [N, C, H, W] → features [N, F].
        pool: ``mean`` or ``max`` over time. The order of the frames has no influence.
    """

    def __init__(self, frames: nn.Module, pool: str) -> None:
        super().__init__()
        self.frames, self.pool = frames, pool

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, F] of ``x`` [B, C, T, H, W]."""
        batch, _, time = x.shape[:3]
        single = x.transpose(1, 2).flatten(0, 1)  # B, C, T, H, W -> B·T, C, H, W
        return POOLS[self.pool](self.frames(single).unflatten(0, (batch, time)))


def build(
    name: str, in_channels: int, *, size: tuple[int, int, int] | None = None, pool: str = "mean", **options: Any
) -> Parts:
    """The timm network ``name`` on each frame, without its classifier, from random weights.

    Args:
        name: a timm model name or a short one, see :func:`scantune.models.images.build`.
        in_channels: C of the input [B, C, T, H, W].
        size: (T, H, W) of the input; required by networks of a fixed input size (ViT, Swin).
        pool: ``mean`` or ``max`` over the frames.
        **options: passed to ``timm.create_model``.

    Raises:
        ScantuneError: an unknown ``pool``.
    """
    if pool not in POOLS:
        raise ScantuneError(f"model.options.pool: {pool!r} is not one of {', '.join(POOLS)}")
    parts = images.build(name, in_channels, size=None if size is None else (size[1], size[2]), **options)
    layer = parts.saliency_layer
    return replace(
        parts,
        net=FramePooling(parts.net, pool),
        blocks=blocks.find(parts.net),
        saliency_layer=None if layer is None else f"frames.{layer}",
        kind="cnn",  # its maps are by frame: attention maps have no axis of time
        frames=True,
    )
