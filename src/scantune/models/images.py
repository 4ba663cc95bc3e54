"""2D backbones of timm, by their timm name or a short name."""

from __future__ import annotations

from typing import Any

from scantune.models import blocks
from scantune.models.backbone import Normalization, Parts
from scantune.models.names import ALIASES


def exists(name: str) -> bool:
    """Whether timm has the name (or the short name)."""
    import timm

    return timm.is_model(ALIASES.get(name, name))


def names() -> list[str]:
    """All names, short ones first."""
    import timm

    return [*ALIASES, *timm.list_models()]


def build(name: str, in_channels: int, *, size: tuple[int, int] | None = None, **options: Any) -> Parts:
    """The timm network ``name`` without its classifier, from random weights.

    Args:
        name: a timm model name or one of :data:`ALIASES`.
        in_channels: C of the input [B, C, H, W].
        size: (H, W) of the input; required by networks of a fixed input size (ViT, Swin).
        **options: passed to ``timm.create_model``, e.g. ``drop_path_rate``.
    """
    import timm

    timm_name = ALIASES.get(name, name)
    fixed: dict[str, Any] = {"img_size": tuple(size)} if size and _has_fixed_size(timm_name) else {}
    net: Any = timm.create_model(timm_name, pretrained=False, num_classes=0, in_chans=in_channels, **fixed, **options)
    cfg = net.pretrained_cfg
    normalization = Normalization(tuple(cfg["mean"]), tuple(cfg["std"])) if cfg.get("mean") else None
    dim = getattr(net, "head_hidden_size", net.num_features)  # some networks widen the features after pooling
    return Parts(net, dim, blocks.find(net), normalization=normalization, **_saliency(net))


def _has_fixed_size(name: str) -> bool:
    import timm

    cfg = timm.get_pretrained_cfg(name)
    return bool(cfg and cfg.fixed_input_size)


def _saliency(net: Any) -> dict[str, Any]:
    if hasattr(net, "blocks") and hasattr(net, "num_prefix_tokens"):
        grid = getattr(getattr(net, "patch_embed", None), "grid_size", None)
        if grid is None:  # of tokens without a stated place there is no map
            return {}
        last, grid = len(net.blocks) - 1, tuple(grid)
        tokens = {"token_grid": grid, "prefix_tokens": net.num_prefix_tokens}
        return {"kind": "vit", "layout": "tokens", "saliency_layer": f"blocks.{last}.norm1", **tokens}
    info = getattr(net, "feature_info", None)
    layer = info[-1]["module"] if info else None
    if layer not in dict(net.named_modules()):  # some networks list modules that do not exist
        layer = None
    layout = "channels_last" if getattr(net, "output_fmt", "NCHW") == "NHWC" else "channels_first"
    return {"saliency_layer": layer, "layout": layout}
