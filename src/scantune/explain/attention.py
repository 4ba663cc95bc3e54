"""Attention maps of timm vision transformers: of one layer, or by rollout over all layers.

The fused kernel does not compute the attention matrix, so it is disabled while a map is computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from scantune.explain import layers
from scantune.explain.saliency import Saliency, finish
from scantune.models.named import VISION_TRANSFORMER, transformer_of
from scantune.records import ScantuneError
from scantune.tasks.questions import Target


def attention(
    network: nn.Module, x: Tensor, targets: Sequence[Target], layer: str | None, method: str, *, layer_idx: int = -1
) -> list[Saliency]:
    """Attention of the class token to each patch in one layer, mean over heads.

    Without a class token: the mean attention that each patch receives from all patches. The map does not depend on the
    target.

    Args:
        network: with a timm vision transformer inside.
        x: [1, C, H, W].
        targets: explained outputs; each gets the same map.
        layer: not used; see ``layer_idx``.
        method: name of the method.
        layer_idx: block, counted from the first (0) or from the last (−1).

    Raises:
        ScantuneError: the network is no such transformer, or the block does not exist.
    """
    vit = _transformer(network)
    if not -len(vit.blocks) <= layer_idx < len(vit.blocks):
        raise ScantuneError(f"layer_idx: {layer_idx} is outside this network's {len(vit.blocks)} blocks")
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
    found = transformer_of(network)
    if found is None:
        raise ScantuneError(f"method: attention and rollout require {VISION_TRANSFORMER}; use gradcam for this network")
    return found


def _path(network: nn.Module, target: nn.Module) -> str:
    return next(name for name, module in network.named_modules() if module is target)


def _matrices(network: nn.Module, vit: Any, x: Tensor) -> tuple[list[Tensor], Tensor]:
    """Attention of every block, mean over heads [tokens, tokens] (rows: queries), and the output of the network."""
    matrices: list[Tensor] = []
    fused = [(block.attn, block.attn.fused_attn) for block in vit.blocks if hasattr(block.attn, "fused_attn")]
    handles = [
        block.attn.attn_drop.register_forward_pre_hook(lambda _m, args: matrices.append(args[0].detach()[0].mean(0)))
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
        for module, enabled in fused:
            module.fused_attn = enabled
    return matrices, output


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
    patches_alone = grid is not None and math.prod(grid) == len(matrix)  # the class token is added in later blocks
    prefix = 0 if patches_alone else int(vit.num_prefix_tokens)
    row = matrix[0] if prefix else matrix.mean(0)
    cells = layers.tokens_to_grid(row[None, :, None], prefix, grid, x.ndim - 2)[0, 0].float().cpu().numpy()
    shape = tuple(x.shape[2:])
    return [finish(cells, shape, layer=layer, method=method, output=float(target(output[0]))) for target in targets]
