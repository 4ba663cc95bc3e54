"""The losses of findings, from logits [B, F, 1] and targets [B, F]: 1 present, 0 absent, below 0 unknown."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from scantune.losses.registry import NotNegative, Share, register
from scantune.records import ScantuneError

_TARGETS = "findings"


def known(target: Tensor, **_: object) -> Tensor:
    """Each finding's weight: 1 where it is known, 0 where it is not."""
    return (target >= 0).float()


def _logits(output: Tensor, target: Tensor) -> Tensor:
    if output.numel() != target.numel():
        raise ScantuneError(f"logits {tuple(output.shape)} do not go with findings {tuple(target.shape)}")
    return output.reshape(target.shape).float()


def _entropy(
    output: Tensor, target: Tensor, pos_weight: float | Sequence[float], label_smoothing: float = 0.0
) -> Tensor:
    """Cross-entropy of each finding, [B, F]; of those that are unknown as if they were absent."""
    factor = torch.as_tensor(pos_weight, dtype=torch.float32, device=target.device)
    if factor.ndim and factor.shape != target.shape[1:]:
        raise ScantuneError(f"{len(factor)} values of pos_weight for {target.shape[1]} findings")
    truth = target.clamp_min(0).float() * (1 - label_smoothing) + 0.5 * label_smoothing
    return functional.binary_cross_entropy_with_logits(
        _logits(output, target), truth, pos_weight=factor, reduction="none"
    )


@register("masked_bce", targets=_TARGETS, weights=known)
def masked_bce(
    output: Tensor, target: Tensor, *, pos_weight: float | Sequence[float] = 1.0, label_smoothing: Share = 0.0
) -> Tensor:
    """Binary cross-entropy, mean over the findings that are known; those present count ``pos_weight`` times.

    ``pos_weight`` is one number, or one a finding. Two logits 0 and 2, targets 1 and unknown: log 2 = .6931.
    """
    return _entropy(output, target, pos_weight, label_smoothing)


@register("masked_focal", targets=_TARGETS, weights=known, short="focal")
def masked_focal(
    output: Tensor, target: Tensor, *, gamma: NotNegative = 2.0, pos_weight: float | Sequence[float] = 1.0
) -> Tensor:
    """(1 − p)^gamma times the binary cross-entropy, p the probability of the truth (Lin et al. 2017, eq. 4); mean over
    the findings that are known."""
    sign = torch.where(target > 0, 1.0, -1.0)
    # A power of the logarithm: the gradient of 0^gamma is infinite where gamma is below 1 and a finding is certain.
    missed = functional.logsigmoid(-sign * _logits(output, target)).mul(gamma).exp()
    return missed * _entropy(output, target, pos_weight)
