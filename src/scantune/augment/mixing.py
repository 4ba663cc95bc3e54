"""MixUp and CutMix of a batch: combinations of two samples, with the share of the first."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor


class Mixed(NamedTuple):
    """A mixed batch.

    Attributes:
        inputs: [B, C, …space].
        target: [B, …], of the sample with share ``lam`` of the input.
        target_b: [B, …], of the other sample; ``target`` itself for CutMix of masks, where the patch is pasted.
        lam: share of ``target``, 0 … 1; 1 for an unmixed batch.
    """

    inputs: Tensor
    target: Tensor
    target_b: Tensor
    lam: float


def mixup(inputs: Tensor, targets: Tensor, generator: Generator, *, alpha: float = 0.2) -> Mixed:
    """MixUp (Zhang et al. 2018, equation 1): lam·x + (1 − lam)·x of another sample of the batch, lam ~ Beta(α, α)."""
    lam, order = _beta(generator, alpha), torch.randperm(len(inputs), generator=generator)
    return Mixed(torch.lerp(inputs[order], inputs, lam), targets, targets[order], lam)


def cutmix(inputs: Tensor, targets: Tensor, generator: Generator, *, alpha: float = 1.0, dims: int = 2) -> Mixed:
    """CutMix (Yun et al. 2019, section 3.1): a box is replaced by another sample; lam is the remaining share.

    Args:
        inputs: [B, C, …space].
        targets: [B, …]; those with the spatial axes of the inputs, [B, …space], are masks, in which the box is replaced
            as well.
        generator: of order, box and share.
        alpha: of the Beta distribution of the share.
        dims: number of last axes of the box: 2 for images and videos (the same in every frame), 3 for volumes.

    Returns:
        The mixed batch; ``lam`` is exact for the box clipped at the border.
    """
    lam, order = _beta(generator, alpha), torch.randperm(len(inputs), generator=generator)
    share = (1 - lam) ** (1 / dims)
    box = [_side(size, share, generator) for size in inputs.shape[-dims:]]
    remaining = 1 - float(np.prod([s.stop - s.start for s in box])) / float(np.prod(inputs.shape[-dims:]))
    mixed = inputs.clone()
    region: Any = (..., *box)
    mixed[region] = inputs[order][region]
    if targets.shape[1:] != inputs.shape[2:]:
        return Mixed(mixed, targets, targets[order], remaining)
    pasted = targets.clone()
    pasted[region] = targets[order][region]
    return Mixed(mixed, pasted, pasted, 1.0)


def _beta(generator: Generator, alpha: float) -> float:
    """Beta(α, α). PyTorch's Beta takes no generator, so NumPy's is seeded from ``generator``."""
    seed = int(torch.randint(2**62, (), generator=generator))
    return float(np.random.default_rng(seed).beta(alpha, alpha))


def _side(size: int, share: float, generator: Generator) -> slice:
    """An interval of ``share``·size around a uniform centre, clipped at the border."""
    length, centre = round(size * share), int(torch.randint(size, (), generator=generator))
    return slice(max(0, centre - length // 2), min(size, centre - length // 2 + length))
