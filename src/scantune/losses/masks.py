"""Losses for binary targets and masks, from logits.

Output [B, K, …space] with a mask [B, …space] (or [B, 1, …space]) of class numbers, or [B], [B, 1], [B, 2] with a
target [B]. One channel is the logit of the foreground. Two channels are classes 0 and 1, whose difference is that
logit. More channels are classes, of which 0 is the background. A mask of the output's shape has labels that may
overlap, each with a logit of its own.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from scantune.losses.classes import focusing
from scantune.losses.registry import NotNegative, Positive, Share, register
from scantune.records import ScantuneError


def binary(output: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and targets in {0, 1} of one shape, float32: one-versus-rest where there are more than two channels.

    Raises:
        ScantuneError: incompatible shapes.
    """
    output = output.float()
    if output.shape == target.shape:
        return output, target.float()
    if target.ndim == output.ndim and target.shape[1] == 1:
        target = target[:, 0]
    if output[:, 0].shape != target.shape:
        raise ScantuneError(f"logits {tuple(output.shape)} are incompatible with a target {tuple(target.shape)}")
    if output.shape[1] == 1:
        return output[:, 0], target.float()
    if output.shape[1] == 2:
        return output[:, 1] - output[:, 0], target.float()
    return output, _one_hot(target, output.shape[1])


def _one_hot(target: Tensor, classes: int) -> Tensor:
    return functional.one_hot(target.long(), classes).movedim(-1, 1).float()  # [B, …, K] -> [B, K, …]


def _soften(target: Tensor, smoothing: float) -> Tensor:
    return target * (1 - smoothing) + 0.5 * smoothing


@register("bce", targets="binary")
def bce(output: Tensor, target: Tensor, *, pos_weight: Positive = 1.0, label_smoothing: Share = 0.0) -> Tensor:
    """−[v·t·log p + (1 − t)·log(1 − p)], v ``pos_weight``; t smoothed to t(1 − s) + s/2."""
    logits, labels = binary(output, target)
    weight = logits.new_tensor(pos_weight)
    labels = _soften(labels, label_smoothing)
    return functional.binary_cross_entropy_with_logits(logits, labels, reduction="none", pos_weight=weight)


@register("focal_bce", targets="binary")
def focal_bce(output: Tensor, target: Tensor, *, alpha: Share = 0.25, gamma: NotNegative = 2.0) -> Tensor:
    """−a_t · (1 − p_t)^gamma · log p_t (Lin et al. 2017, eq. 5).

    p_t is p for positives and 1 − p for negatives; a_t is ``alpha`` for positives and 1 − ``alpha`` for negatives, so
    that it rebalances the two. The mean is over all elements, not over the sum of a_t.
    """
    logits, labels = binary(output, target)
    entropy = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    balance = alpha * labels + (1 - alpha) * (1 - labels)
    return balance * focusing(entropy, gamma) * entropy


def _probabilities(output: Tensor, target: Tensor, background: bool) -> tuple[Tensor, Tensor]:
    """Probability and one-hot mask [B, K', space flattened]; without class 0 unless ``background``.

    Of labels that may overlap, masks [B, K, …space], each has its own sigmoid.
    """
    output = output.float()
    if output.shape == target.shape:
        return output.sigmoid().flatten(2), target.float().flatten(2)
    if target.ndim == output.ndim and target.shape[1] == 1:
        target = target[:, 0]
    if output[:, 0].shape != target.shape:
        raise ScantuneError(f"logits {tuple(output.shape)} are incompatible with a mask {tuple(target.shape)}")
    if output.shape[1] == 1:
        return output.sigmoid().flatten(2), target.float().unsqueeze(1).flatten(2)
    first = 0 if background else 1
    return output.softmax(1)[:, first:].flatten(2), _one_hot(target, output.shape[1])[:, first:].flatten(2)


@register("dice", targets="masks")
def dice(
    output: Tensor,
    target: Tensor,
    *,
    smooth: Positive = 1e-6,
    squared_pred: bool = False,
    jaccard: bool = False,
    background: bool = False,
) -> Tensor:
    """1 − (2·Σpt + s) / (Σp + Σt + s) per sample and class, mean over classes: [B] (Milletari et al. 2016).

    The loss of an empty mask is 0 for an empty prediction and nearly 1 for any other prediction.

    Args:
        output: logits [B, K, …space].
        target: mask [B, …space].
        smooth: s.
        squared_pred: Σp² and Σt² in the denominator, as in Milletari et al.
        jaccard: 1 − (Σpt + s) / (Σp + Σt − Σpt + s) instead.
        background: include class 0 (with two or more channels).
    """
    p, t = _probabilities(output, target, background)
    both = (p * t).sum(-1)  # [B, K', N] -> [B, K']
    sizes = (p.square() + t.square()).sum(-1) if squared_pred else (p + t).sum(-1)
    ratio = (both + smooth) / (sizes - both + smooth) if jaccard else (2 * both + smooth) / (sizes + smooth)
    return (1 - ratio).mean(-1)


@register("jaccard", targets="masks")
def jaccard(
    output: Tensor, target: Tensor, *, smooth: Positive = 1e-6, squared_pred: bool = False, background: bool = False
) -> Tensor:
    """:func:`dice` with ``jaccard``: [B]."""
    return dice(output, target, smooth=smooth, squared_pred=squared_pred, jaccard=True, background=background)
