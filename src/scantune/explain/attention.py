"""Attention of vision transformers of timm: one layer's, or rolled out over all of them.

The fused kernel never forms the matrix, so it is switched off while a map is made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from scantune.explain import layers
from scantune.explain.saliency import Saliency, finish
from scantune.records import ScantuneError
from scantune.tasks.questions import Target


def attention(
    network: nn.Module, x: Tensor, targets: Sequence[Target], layer: str | None, method: str, *, layer_idx: int = -1
) -> list[Saliency]:
    """Attention of the class token to each patch in one layer, mean over heads.

    Without a class token: the attention that each patch receives, mean over all that give it. It does not depend on
    the target.

    Args:
        network: with a timm vision transformer inside.
        x: [1, C, H, W].
        targets: asked for; each gets the same map.
        layer: not used; ``layer_idx`` says which.
        method: name of the method.
        layer_idx: block, counted from the first (0) or from the last (−1).

    Raises:
        ScantuneError: not such a transformer, or no such block.
    """
    vit = _transformer(network)
    if not -len(vit.blocks) <= layer_idx < len(vit.blocks):
        raise ScantuneError(f"layer_idx: {layer_idx} is none of this network's {len(vit.blocks)} blocks")
    index = layer_idx % len(vit.blocks)
    matrices, output = _matrices(network, vit, x)
    name = _path(network, vit.blocks[index].attn)
    return _to_patches(network, vit, matrices[index], output, x, targets, name, method)


def rollout(network: nn.Module, x: Tensor, targets: Sequence[Target], layer: str | None, method: str) -> list[Saliency]:
    """Attention rollout (Abnar & Zuidema 2020, eq. 1): ½·A + ½·I of every layer, multiplied through."""
    vit = _transformer(network)
    matrices, output = _matrices(network, vit, x)
    total = torch.eye(matrices[0].shape[-1], dtype=matrices[0].dtype, device=matrices[0].device)
    for matrix in matrices:
        total = (0.5 * matrix + 0.5 * torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)) @ total
    return _to_patches(network, vit, total, output, x, targets, "all blocks", method)


def _transformer(network: nn.Module) -> Any:
    for module in network.modules():
        blocks = getattr(module, "blocks", None)
        if (
            hasattr(module, "num_prefix_tokens")
            and blocks is not None
            and all(hasattr(getattr(block, "attn", None), "attn_drop") for block in blocks)
        ):
            return module
    raise ScantuneError(
        "method: attention and rollout need a vision transformer of timm (one grid of tokens through all blocks); "
        "this network is none, gradcam works on it"
    )


def _path(network: nn.Module, wanted: nn.Module) -> str:
    return next(name for name, module in network.named_modules() if module is wanted)


def _matrices(network: nn.Module, vit: Any, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Attention of every block, mean over heads [tokens, tokens] (row: who looks), and the network's output."""
    seen: list[Tensor] = []
    fused = [(block.attn, block.attn.fused_attn) for block in vit.blocks if hasattr(block.attn, "fused_attn")]
    handles = [
        block.attn.attn_drop.register_forward_pre_hook(lambda _m, args: seen.append(args[0].detach()[0].mean(0)))
        for block in vit.blocks
    ]
    try:
        for module, _ in fused:
            module.fused_attn = False
        with layers.evaluating(network), torch.no_grad():
            output = network(x)
    finally:
        for handle in handles:
            handle.remove()
        for module, was in fused:
            module.fused_attn = was
    return seen, output


def _to_patches(
    network: nn.Module,
    vit: Any,
    matrix: Tensor,
    output: Tensor,
    x: Tensor,
    targets: Sequence[Target],
    layer: str,
    method: str,
) -> list[Saliency]:
    grid = getattr(getattr(network, "backbone", network), "token_grid", None)
    patches_alone = grid is not None and math.prod(grid) == len(matrix)  # the class token joins in later blocks
    prefix = 0 if patches_alone else int(vit.num_prefix_tokens)
    row = matrix[0] if prefix else matrix.mean(0)
    cells = layers.tokens_to_grid(row[None, :, None], prefix, grid, x.ndim - 2)[0, 0].float().cpu().numpy()
    shape = tuple(x.shape[2:])
    return [finish(cells, shape, layer=layer, method=method, output=float(target(output[0]))) for target in targets]
