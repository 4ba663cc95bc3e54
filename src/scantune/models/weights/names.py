"""Published names of tensors to those of the networks here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from scantune.models.weights import torchvision_names

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


#: (what a format's names have somewhere, how they are renamed)
_FORMATS: tuple[tuple[re.Pattern[str], Callable[[Tensors], dict[str, Tensor]]], ...] = (
    (_OLD_DENSENET, _old_densenet),
    (re.compile(r"embeddings\.patch_embeddings\.projection"), _huggingface),
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
    """Name in the file → name in the network, after the one prefix that makes most of them agree.

    Files are saved from inside other things: ``module.`` (DataParallel), ``state_dict.model.``, ``densenet121.`` … One
    prefix is taken off all names, never one per name: ``encoder.norm.weight`` must not pass for ``norm.weight``. A
    network that is wrapped (``swinViT.``) has the prefix on its own side instead.
    """
    gone = _common_prefix(names, wanted)
    added = _common_prefix(wanted, names)
    if gone[1] >= added[1]:
        return {name: name.removeprefix(gone[0]) for name in names if name.startswith(gone[0])}
    return {name: added[0] + name for name in names}


def _common_prefix(longer: Collection[str], shorter: Collection[str]) -> tuple[str, int]:
    """The prefix of names in ``longer`` behind which most names of ``shorter`` stand, and how many."""
    counts: Counter[str] = Counter()
    for name in longer:
        parts = name.split(".")
        for cut in range(len(parts)):
            if ".".join(parts[cut:]) in shorter:
                counts["".join(f"{part}." for part in parts[:cut])] += 1
    if not counts:
        return "", 0
    return max(counts.items(), key=lambda item: (item[1], -len(item[0])))
