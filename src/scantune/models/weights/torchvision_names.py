"""Translation of tensor names of torchvision's ViT, ConvNeXt and EfficientNet to timm; other networks need none."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

Tensors = Mapping[str, Tensor]
Rules = tuple[tuple[str, str], ...]

_VIT: Rules = (
    (r"class_token$", "cls_token"),
    (r"encoder\.pos_embedding$", "pos_embed"),
    (r"conv_proj\.", "patch_embed.proj."),
    (r"encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"self_attention\.in_proj_", "attn.qkv."),
    (r"self_attention\.out_proj\.", "attn.proj."),
    (r"mlp\.(?:0|linear_1)\.", "mlp.fc1."),
    (r"mlp\.(?:3|linear_2)\.", "mlp.fc2."),
    (r"encoder\.ln\.", "norm."),
)
_CONVNEXT_PARTS = {"block.0": "conv_dw", "block.2": "norm", "block.3": "mlp.fc1", "block.5": "mlp.fc2"}
#: Layers of EfficientNet blocks with and without expansion, by position in torchvision's ``block``.
_EXPANDED = {
    "0.0": "conv_pw",
    "0.1": "bn1",
    "1.0": "conv_dw",
    "1.1": "bn2",
    "2.fc1": "se.conv_reduce",
    "2.fc2": "se.conv_expand",
    "3.0": "conv_pwl",
    "3.1": "bn3",
}
_SEPARABLE = {
    "0.0": "conv_dw",
    "0.1": "bn1",
    "1.fc1": "se.conv_reduce",
    "1.fc2": "se.conv_expand",
    "2.0": "conv_pw",
    "2.1": "bn2",
}
_ENDS = {"0.0": "conv_stem", "0.1": "bn1", "8.0": "conv_head", "8.1": "bn2"}


def vit(tensors: Tensors) -> dict[str, Tensor]:
    """Vision transformers such as ``vit_b_16``."""
    return {_replaced(name, _VIT): value for name, value in tensors.items()}


def convnext(tensors: Tensors) -> dict[str, Tensor]:
    """ConvNeXt such as ``convnext_tiny``: even positions of ``features`` downsample, odd ones are stages."""
    renamed: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if name.endswith("layer_scale"):
            value = value.flatten()  # [C, 1, 1] -> [C]
        renamed[_convnext_name(name)] = value
    return renamed


def _convnext_name(name: str) -> str:
    block = re.search(r"features\.(\d)\.(\d+)\.(layer_scale|block\.\d)(.*)$", name)
    if block:
        part = "gamma" if block[3] == "layer_scale" else _CONVNEXT_PARTS.get(block[3], block[3])
        return f"{name[: block.start()]}stages.{(int(block[1]) - 1) // 2}.blocks.{block[2]}.{part}{block[4]}"
    name = re.sub(r"features\.0\.([01])\.", r"stem.\1.", name)
    name = re.sub(r"features\.(\d)\.([01])\.", lambda m: f"stages.{int(m[1]) // 2}.downsample.{m[2]}.", name)
    return re.sub(r"classifier\.0\.", "head.norm.", name)


def efficientnet(tensors: Tensors) -> dict[str, Tensor]:
    """EfficientNets ``efficientnet_b0`` to ``b7``."""
    return {_efficientnet_name(name, tensors): value for name, value in tensors.items()}


def _efficientnet_name(name: str, tensors: Tensors) -> str:
    end = re.search(r"features\.([08]\.[01])\.(\w+)$", name)
    if end:
        return f"{name[: end.start()]}{_ENDS[end[1]]}.{end[2]}"
    block = re.search(r"features\.(\d)\.(\d+)\.block\.(\d\.(?:\d|fc\d))\.(\w+)$", name)
    if not block:
        return name
    prefix = name[: block.start(3)]
    table = _EXPANDED if f"{prefix}3.0.weight" in tensors else _SEPARABLE
    return f"{name[: block.start()]}blocks.{int(block[1]) - 1}.{block[2]}.{table[block[3]]}.{block[4]}"


def _replaced(name: str, rules: Rules) -> str:
    for pattern, new in rules:
        name = re.sub(pattern, new, name)
    return name
