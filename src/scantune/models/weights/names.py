"""Translation of published tensor names to those of the networks here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from scantune.models.weights import efficientnet_names, torchvision_names

Tensors = Mapping[str, Tensor]

#: DenseNets saved before PyTorch 0.4: ``denselayer1.norm.1.weight`` is now ``denselayer1.norm1.weight``.
_OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)")

#: Hugging Face's ViT and DINOv2 names, in the order of replacement.
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
    """Names of timm, with query, key and value in one tensor."""
    renamed: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        split = _QKV.match(name)
        if split:
            qkv_name = f"{_replaced(split[1], _HUGGINGFACE)}attn.qkv.{split[3]}"
            parts.setdefault(qkv_name, {})[split[2]] = value
        else:
            renamed[_replaced(name, _HUGGINGFACE)] = value
    for qkv_name, projections in parts.items():
        if len(projections) == 3:
            renamed[qkv_name] = torch.cat([projections["query"], projections["key"], projections["value"]])
    return renamed


def _replaced(name: str, rules: Collection[tuple[str, str]]) -> str:
    for pattern, new in rules:
        name = re.sub(pattern, new, name)
    return name


def _old_densenet(tensors: Tensors) -> dict[str, Tensor]:
    return {_OLD_DENSENET.sub(lambda m: m[1] + m[2], name): value for name, value in tensors.items()}


#: A stage of MONAI's 3D Swin transformer: ``layers1.0`` in the network, ``layers1.0.0`` with an additional wrapper.
_SWIN_3D = re.compile(r"(?:^|\.)layers[1-4]\.0\.(?:0\.)?(?:blocks\.\d+|downsample)\.")


def _swin_3d(tensors: Tensors) -> dict[str, Tensor]:
    """Both layouts of SwinUNETR's self-supervised encoders: in one the MLP layers have names of timm."""
    rules = ((r"(layers[1-4]\.0)\.0\.", r"\1."), (r"(layers[1-4]\.0\.blocks\.\d+\.mlp)\.fc([12])\.", r"\1.linear\2."))
    return {_replaced(name, rules): value for name, value in tensors.items()}


#: (pattern that identifies a format, function that renames its tensors)
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
    """The tensors with the names of the networks here, translated from any known format."""
    translated = dict(tensors)
    for sign, rename in _FORMATS:
        if any(sign.search(name) for name in translated):
            translated = rename(translated)
    return translated


def align(names: Collection[str], targets: Collection[str]) -> dict[str, str]:
    """Name in the file → name in the network, by the change of prefix that matches most names.

    Files have prefixes of wrappers: ``module.`` (DataParallel), ``state_dict.model.``, ``densenet121.`` …, and so may a
    network (``swinViT.``). One prefix is removed from, and one added to, all names: ``encoder.norm.weight`` must not
    match ``norm.weight``.
    """
    ends: dict[str, list[str]] = {}
    for name in targets:
        for prefix, end in _cuts(name):
            ends.setdefault(end, []).append(prefix)
    counts = Counter((removed, added) for name in names for removed, end in _cuts(name) for added in ends.get(end, ()))
    if not counts:
        return {name: name for name in names}
    removed, added = max(counts, key=lambda pair: (counts[pair], -len(pair[0]) - len(pair[1])))
    return {name: added + name.removeprefix(removed) for name in names if name.startswith(removed)}


def _cuts(name: str, max_depth: int = 4) -> list[tuple[str, str]]:
    """All splits of a dotted name into (prefix, rest) with at most ``max_depth`` parts in the prefix."""
    parts = name.split(".")
    cuts = range(min(len(parts), max_depth + 1))
    return [("".join(f"{part}." for part in parts[:cut]), ".".join(parts[cut:])) for cut in cuts]
