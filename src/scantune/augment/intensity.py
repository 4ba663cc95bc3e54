"""Intensity transforms that are equivalent for z-scored inputs, inputs in 0 … 1 and raw units.

All of them commute with ``a·x + b`` (a > 0): contrast scales about the mean, brightness about the darkest value, and
the unit of noise is the standard deviation or the range of the sample. None of them clips.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

NoiseUnit = Literal["sd", "range"]


def contrast(input: Tensor, factor: float) -> Tensor:
    """(x − mean)·factor + mean, with the mean over the sample."""
    mean = input.mean()
    return (input - mean) * factor + mean


def brightness(input: Tensor, factor: float) -> Tensor:
    """(x − darkest)·factor + darkest, which keeps the darkest value. For inputs in 0 … 1 this is x·factor."""
    darkest = input.min()
    return (input - darkest) * factor + darkest


def noise(input: Tensor, sd: float, generator: Generator, unit: NoiseUnit) -> Tensor:
    """Adds Gaussian noise, independent in every element.

    Args:
        input: any shape, floating.
        sd: standard deviation of the noise in ``unit``.
        generator: of the random numbers.
        unit: "sd", the standard deviation of the sample (1 if z-scored), or "range", its maximum − minimum (1 if it
            covers 0 … 1).
    """
    scale = input.std(correction=0) if unit == "sd" else input.max() - input.min()
    drawn = torch.empty_like(input, memory_format=torch.contiguous_format).normal_(generator=generator)
    return drawn.mul_(sd * scale).add_(input)


def gamma(input: Tensor, exponent: float) -> Tensor:
    """((x − darkest) / range)^γ · range + darkest: darkest and brightest value stay, those between move."""
    low, high = input.min(), input.max()
    if high == low:
        return input
    return ((input - low) / (high - low)).clamp(0, 1).pow(exponent) * (high - low) + low


def low_resolution(input: Tensor, share: float) -> Tensor:
    """A sample [C, …space] as it looks from ``share`` of its resolution: nearest pixels, then linear between them."""
    mode = "bilinear" if input.ndim == 3 else "trilinear"
    coarse = [max(1, round(n * share)) for n in input.shape[1:]]
    small = F.interpolate(input[None], coarse, mode="nearest-exact")
    return F.interpolate(small, input.shape[1:], mode=mode, align_corners=False)[0]


def blur_by(input: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of a sample [C, …space] with a standard deviation in pixels; see :func:`blur`."""
    kernel = 2 * max(1, round(3 * sigma)) + 1
    return _blurred(input, kernel, input.ndim - 1, sigma)


def blur(input: Tensor, kernel: int, dims: int) -> Tensor:
    """Gaussian blur over the last ``dims`` axes, separable, edges reflected.

    The standard deviation follows from the odd ``kernel`` size as in OpenCV: 0.3·((kernel − 1)/2 − 1) + 0.8.
    """
    return _blurred(input, kernel, dims, 0.3 * ((kernel - 1) / 2 - 1) + 0.8)


def _blurred(input: Tensor, kernel: int, dims: int, sigma: float) -> Tensor:
    offsets = torch.arange(kernel, dtype=input.dtype) - kernel // 2
    weights = torch.exp(-(offsets**2) / (2 * sigma**2))
    weights /= weights.sum()
    for axis in range(1, dims + 1):
        last = input.movedim(-axis, -1)
        rows = last.reshape(-1, 1, last.shape[-1])
        rows = F.conv1d(_reflect(rows, kernel // 2), weights[None, None])
        input = rows.reshape(last.shape).movedim(-1, -axis)
    return input


def _reflect(rows: Tensor, margin: int) -> Tensor:
    mode = "reflect" if rows.shape[-1] > margin else "replicate"
    return F.pad(rows, (margin, margin), mode=mode)
