"""Losses for continuous targets: output and target [B, …] float of equal size; errors are target − output."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from scantune.losses.registry import Between, NotNegative, Positive, register
from scantune.records import ScantuneError


def _error(output: Tensor, target: Tensor) -> Tensor:
    if output.numel() != target.numel():
        raise ScantuneError(f"output {tuple(output.shape)} is incompatible with a target {tuple(target.shape)}")
    # Reshaped instead of broadcast: [B, 1] − [B] would be [B, B] without an error.
    return target.to(output.dtype) - output.reshape(target.shape)


@register("mse", targets="numbers")
def mse(output: Tensor, target: Tensor) -> Tensor:
    """e²."""
    return _error(output, target).square()


@register("l1", targets="numbers")
def l1(output: Tensor, target: Tensor) -> Tensor:
    """abs(e)."""
    return _error(output, target).abs()


def inverse_frequency(target: Tensor, *, frequencies: Mapping[float, float]) -> Tensor:
    """1/frequency of each target in the training set; for an absent one that of the nearest target.

    Of two equally near targets the lower one is used.

    Args:
        target: [B, …] float.
        frequencies: value of the target → frequency in the training set.
    """
    if not frequencies:
        raise ScantuneError("weighted_mse requires the frequencies of the target in the training set")
    pairs = sorted((float(value), float(count)) for value, count in frequencies.items() if count > 0)
    values = torch.tensor([value for value, _ in pairs], dtype=torch.float64, device=target.device)
    weights = torch.tensor([1.0 / count for _, count in pairs], dtype=torch.float64, device=target.device)
    nearest = (target.double().unsqueeze(-1) - values).abs().argmin(dim=-1)  # [B, …, values] -> [B, …]
    return weights[nearest].float()


@register("weighted_mse", targets="numbers", weights=inverse_frequency)
def weighted_mse(output: Tensor, target: Tensor, *, frequencies: Mapping[float, float]) -> Tensor:
    """Σ w e² / Σ w with w = 1/frequency of the target in the training set, see :func:`inverse_frequency`."""
    return _error(output, target).square()


@register("huber", targets="numbers")
def huber(output: Tensor, target: Tensor, *, delta: Positive = 1.0) -> Tensor:
    """½e² where abs(e) ≤ delta, else delta·(abs(e) − ½delta) (Huber 1964, Ann Math Stat 35:73)."""
    size = _error(output, target).abs()
    return torch.where(size <= delta, 0.5 * size.square(), delta * (size - 0.5 * delta))


@register("focal_regression", targets="numbers", short="focal")
def focal_regression(output: Tensor, target: Tensor, *, alpha: Positive = 1.0, gamma: NotNegative = 2.0) -> Tensor:
    """alpha · abs(e)^gamma · e², with more weight on large errors than mse."""
    # One power: the gradient of abs(e)^gamma alone is infinite at an error of 0 where gamma is below 1.
    return alpha * _error(output, target).abs().pow(gamma + 2)


@register("quantile", targets="numbers")
def quantile(output: Tensor, target: Tensor, *, q: Between = 0.5) -> Tensor:
    """max(q·e, (q − 1)·e) with e = target − output: its minimum is the q-quantile (Koenker & Bassett 1978)."""
    if not 0 < q < 1:
        raise ScantuneError(f"quantile: q is {q}; it must be between 0 and 1")
    error = _error(output, target)
    return torch.maximum(q * error, (q - 1) * error)
