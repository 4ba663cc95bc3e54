"""Losses for classes, from logits.

Output [B, K] with target [B]; zones [B, Z, K] with [B, Z]; dense [B, K, …space] with [B, …space] (at least two spatial
axes). Targets are int64 class numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from scantune.losses.registry import NotNegative, Share, register
from scantune.records import ScantuneError


def class_last(output: Tensor, target: Tensor) -> Tensor:
    """Logits with the classes on the last axis: [B, …, K] for a target [B, …].

    The single channel of a dense network is the logit of class 1; the logit of class 0 is 0.

    Raises:
        ScantuneError: incompatible shapes.
    """
    if output.ndim >= 4:
        if output.shape[1] == 1:
            output = torch.cat([torch.zeros_like(output), output], dim=1)
        output = output.movedim(1, -1)  # [B, K, …space] -> [B, …space, K]
    if output.shape[:-1] != target.shape:
        raise ScantuneError(f"logits {tuple(output.shape)} are incompatible with class numbers {tuple(target.shape)}")
    return output


def focusing(entropy: Tensor, gamma: float) -> Tensor:
    """(1 − p)^gamma of the target's probability p, from its cross-entropy −log p, with a finite gradient at p = 1."""
    return (-torch.expm1(-entropy)).clamp_min(torch.finfo(entropy.dtype).tiny).pow(gamma)


def _smoothed(output: Tensor, target: Tensor, weights: Tensor | None, smoothing: float) -> Tensor:
    """Unnormalised cross-entropy per element, weights inside, smoothed as PyTorch does (Szegedy et al. 2016)."""
    logits = class_last(output, target)
    if weights is not None and len(weights) != logits.shape[-1]:
        raise ScantuneError(f"{len(weights)} class_weights for logits of {logits.shape[-1]} classes")
    flat = functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]),
        target.reshape(-1).long(),
        weight=None if weights is None else weights.to(logits.dtype),
        label_smoothing=smoothing,
        reduction="none",
    )
    return flat.reshape(target.shape)


@register("cross_entropy", targets="classes")
def cross_entropy(output: Tensor, target: Tensor, *, label_smoothing: Share = 0.0) -> Tensor:
    """−log softmax of the target's class, smoothed to (1 − s) on it and s/K on every class."""
    return _smoothed(output, target, None, label_smoothing)


def _class_weights(class_weights: Sequence[float], target: Tensor) -> Tensor:
    return torch.as_tensor(class_weights, dtype=torch.float32, device=target.device)


def of_target(target: Tensor, *, class_weights: Sequence[float], **_: object) -> Tensor:
    """Weight of each element: that of its class."""
    weights = _class_weights(class_weights, target)
    return weights[target.long()]


@register("weighted_cross_entropy", targets="classes", weights=of_target)
def weighted_cross_entropy(
    output: Tensor, target: Tensor, *, class_weights: Sequence[float], label_smoothing: Share = 0.0
) -> Tensor:
    """Σ w·CE / Σ w, w the weight of the target's class.

    Logits [2,0,0,0,0] twice, targets 0 and 4, weights [1,1,1,1,.3]: .89419. With label smoothing as PyTorch's
    ``cross_entropy(weight=…, label_smoothing=…)``: the smoothed part of each class has that class's weight.
    """
    weights = _class_weights(class_weights, target)
    losses = _smoothed(output, target, weights, label_smoothing)
    # The caller multiplies by the weight of the target; an element of weight 0 is excluded with its smoothing.
    scale = of_target(target, class_weights=class_weights).to(losses.dtype)
    return torch.where(
        scale > 0,
        losses / scale.clamp_min(torch.finfo(losses.dtype).tiny),
        torch.zeros_like(losses),
    )


def _focal_weights(target: Tensor, *, class_weights: Sequence[float] | None = None, **_: object) -> Tensor:
    if class_weights is None:
        return torch.ones(target.shape, device=target.device)
    return of_target(target, class_weights=class_weights)


@register("focal_cross_entropy", targets="classes", weights=_focal_weights, short="focal")
def focal_cross_entropy(
    output: Tensor, target: Tensor, *, gamma: NotNegative = 2.0, class_weights: Sequence[float] | None = None
) -> Tensor:
    """(1 − p)^gamma · (−log p) of the target's class (Lin et al. 2017, eq. 4); Σ w· / Σ w with class weights."""
    entropy = _smoothed(output, target, None, 0.0)
    return focusing(entropy, gamma) * entropy
