"""bf16 on a CPU, but for the convolutions that PyTorch gets wrong there.

oneDNN's bf16 gradient of a convolution's weights is garbage, now and then infinite, and now and then written past its
memory, where the input is small against the kernel: a 3³ kernel on 2³ voxels, 7³ with stride 2 on fewer than 8 (PyTorch
2.15, AVX512-bf16). Nothing warns of it: the other layers learn, so the loss falls. Such layers compute in float32 here,
and where they have many weights for few places, as in the last stage of a 3D ResNet, as a bf16 product of matrices,
which is right and three times as fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules.conv import _ConvNd


def is_safe(convolution: _ConvNd, shape: torch.Size) -> bool:
    """Whether bf16 is right for a convolution and an input.

    It is where every axis of the input is at least twice as long as the kernel there (dilation counted in); and where
    a kernel of at most 3 meets at least 5 on every axis, unless the convolution is a transposed one, whose output can
    be smaller than its input. Of some thousand random geometries, with one thread and with two, none that this holds
    for was wrong; the tests draw such geometries anew.
    """
    sizes = shape[2:]
    spans = [d * (k - 1) + 1 for k, d in zip(convolution.kernel_size, convolution.dilation)]
    if not convolution.transposed and max(spans) <= 3 and min(sizes) >= 5:
        return True
    return all(span == 1 or size >= 2 * span for span, size in zip(spans, sizes))


@contextmanager
def guarded(network: nn.Module, enabled: bool) -> Iterator[None]:
    """Compute the unsafe convolutions of ``network`` some other way until the end of the block.

    Args:
        network: its convolutions get a ``forward`` of their own, taken off at the end.
        enabled: whether bf16 is used on a CPU at all.
    """
    convolutions: list[Any] = [module for module in network.modules() if enabled and isinstance(module, _ConvNd)]
    before = {module: vars(module).get("forward") for module in convolutions}
    for module in before:
        module.forward = partial(_forward, module)
    try:
        yield
    finally:
        for module, own in before.items():
            if own is None:
                del module.forward
            else:
                module.forward = own


def _forward(module: Any, x: Tensor, *more: Any) -> Tensor:
    plain = type(module).forward
    if not torch.is_autocast_enabled("cpu") or is_safe(module, x.shape):
        return plain(module, x, *more)
    if _is_product(module, x.shape):
        return _product(module, x)
    with torch.autocast("cpu", enabled=False):
        return plain(module, x.float(), *more)


def _is_product(module: _ConvNd, shape: torch.Size) -> bool:
    """Whether the weights are so many, and the places so few, that a product of matrices is the faster way."""
    usual = not module.transposed and module.groups == 1 and module.padding_mode == "zeros"
    usual = usual and max(module.dilation) == 1 and not isinstance(module.padding, str)
    return usual and module.weight.numel() >= 1_000_000 and shape[2:].numel() <= 16


def _product(module: Any, x: Tensor) -> Tensor:
    """The convolution as patches [B, places, C·kernel] times weights: [B, C, …space] → [B, K, …space]."""
    axes = len(module.kernel_size)
    patches = functional.pad(x, [n for size in reversed(module.padding) for n in (size, size)])
    for axis in range(axes):
        patches = patches.unfold(2 + axis, module.kernel_size[axis], module.stride[axis])
    space = patches.shape[2 : 2 + axes]
    patches = patches.permute(0, *range(2, 2 + axes), 1, *range(2 + axes, 2 + 2 * axes)).flatten(axes + 1)
    made = functional.linear(patches.flatten(1, axes), module.weight.flatten(1), module.bias)
    return made.transpose(1, 2).reshape(len(x), -1, *space)
