"""Published names of tensors to those of the networks here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from scantune.models.weights import efficientnet_names, torchvision_names

Tensors = Mapping[str, Tensor]

#: DenseNets saved before PyTorch 0.4: ``denselayer1.norm.1.weight`` is ``denselayer1.norm1.weight`` since.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")

#: Hugging Face's ViT and DINOv2 names, in the order in which they are replaced.
_HUGGINGFACE = (
    (r"embeddings\.cls_token$", "cls_token"),
    (r"embeddings\.register_tokens$", "reg_token"),
    (r"embeddings\.position_embeddings$", "pos_embed"),
    (r"embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"encoder\.layer\.(\d+)\.", r"blocks.\1."),
    (r"layernorm_before\.", "norm1."),
    (r"layernorm_after\.", "norm2."),
    (r"attention\.output\.dense\.", "attn.proj."),
    (r"intermediate\.dense\.", "mlp.fc1."),
    (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"layer_scale([12])\.lambda1$", r"ls\1.gamma"),
    (r"(^|\.)layernorm\.(weight|bias)$", r"\1norm.\2"),
)
_QKV = re.compile(r"^(.*)attention\.attention\.(query|key|value)\.(weight|bias)$")


def _huggingface(tensors: Tensors) -> dict[str, Tensor]:
    """timm's names, with query, key and value as one tensor."""
    made: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        split = _QKV.match(name)
        if split:
            whole = f"{_replaced(split[1], _HUGGINGFACE)}attn.qkv.{split[3]}"
            parts.setdefault(whole, {})[split[2]] = value
        else:
            made[_replaced(name, _HUGGINGFACE)] = value
    for whole, three in parts.items():
        if len(three) == 3:
            made[whole] = torch.cat([three["query"], three["key"], three["value"]])
    return made


def _replaced(name: str, rules: Collection[tuple[str, str]]) -> str:
    for pattern, new in rules:
        name = re.sub(pattern, new, name)
    return name


def _old_densenet(tensors: Tensors) -> dict[str, Tensor]:
    return {_OLD_DENSENET.sub(lambda m: m[1] + m[2], name): value for name, value in tensors.items()}


#: A stage of MONAI's 3D Swin transformer: ``layers1.0`` in the network, ``layers1.0.0`` where it was wrapped once more.
_SWIN_3D = re.compile(r"(?:^|\.)layers[1-4]\.0\.(?:0\.)?(?:blocks\.\d+|downsample)\.")


def _swin_3d(tensors: Tensors) -> dict[str, Tensor]:
    """SwinUNETR's self-supervised encoders, of both layouts: the MLP's layers have timm's names in one of them."""
    rules = ((r"(layers[1-4]\.0)\.0\.", r"\1."), (r"(layers[1-4]\.0\.blocks\.\d+\.mlp)\.fc([12])\.", r"\1.linear\2."))
    return {_replaced(name, rules): value for name, value in tensors.items()}


#: (what a format's names have somewhere, how they are renamed)
_FORMATS: tuple[tuple[re.Pattern[str], Callable[[Tensors], dict[str, Tensor]]], ...] = (
    (_OLD_DENSENET, _old_densenet),
    (_SWIN_3D, _swin_3d),
    (re.compile(r"embeddings\.patch_embeddings\.projection"), _huggingface),
    (efficientnet_names.SIGN, efficientnet_names.timm_names),
    (re.compile(r"encoder_layer_0\.self_attention\."), torchvision_names.vit),
    (re.compile(r"features\.1\.0\.layer_scale$"), torchvision_names.convnext),
    (re.compile(r"features\.1\.0\.block\.1\.fc1\."), torchvision_names.efficientnet),
)


def translate(tensors: Tensors) -> dict[str, Tensor]:
    """The tensors under the names of today's networks, whatever known format they came in."""
    made = dict(tensors)
    for sign, rename in _FORMATS:
        if any(sign.search(name) for name in made):
            made = rename(made)
    return made


def align(names: Collection[str], wanted: Collection[str]) -> dict[str, str]:
    """Name in the file → name in the network, after the one change of prefix that makes most of them agree.

    Files are saved from inside other things: ``module.`` (DataParallel), ``state_dict.model.``, ``densenet121.`` … and
    a network may be wrapped itself (``swinViT.``). One prefix is taken off all names and one put before them, never one
    per name: ``encoder.norm.weight`` must not pass for ``norm.weight``.
    """
    ends: dict[str, list[str]] = {}
    for name in wanted:
        for prefix, end in _cuts(name):
            ends.setdefault(end, []).append(prefix)
    counts = Counter((gone, put) for name in names for gone, end in _cuts(name) for put in ends.get(end, ()))
    if not counts:
        return {name: name for name in names}
    gone, put = max(counts, key=lambda pair: (counts[pair], -len(pair[0]) - len(pair[1])))
    return {name: put + name.removeprefix(gone) for name in names if name.startswith(gone)}


def _cuts(name: str, deepest: int = 4) -> list[tuple[str, str]]:
    """A dotted name as (prefix, rest), every way with at most so many parts in the prefix."""
    parts = name.split(".")
    cuts = range(min(len(parts), deepest + 1))
    return [("".join(f"{part}." for part in parts[:cut]), ".".join(parts[cut:])) for cut in cuts]
