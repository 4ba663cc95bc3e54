"""bf16 on a CPU, except for convolutions whose bf16 gradients PyTorch computes incorrectly.

oneDNN's bf16 gradient of a convolution's weights is wrong, sometimes infinite and sometimes written beyond its memory,
where the input is small relative to the kernel: a 3³ kernel on 2³ voxels, 7³ with stride 2 on fewer than 8 (PyTorch
2.15, AVX512-bf16). So it is of some layers that skip or spread values: 3² with stride 3 on 9×5 pixels, a transposed 2×1
with stride 2 (PyTorch 2.15, AMX). There is no warning: the other layers learn, so the loss decreases. These layers
compute in float32 here; those with many weights and few output positions, as in the last stage of a 3D ResNet, compute
as a bf16 matrix product, which is correct and three times as fast.
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
    """Whether the bf16 gradient of a convolution is correct for an input.

    It is correct where every axis of the input is at least twice as long as the kernel, and where a kernel of at most 3
    meets an input of at least 5 on every axis, unless the convolution is transposed (its output can be smaller than its
    input); both for strides of at most 2, for padding by at most half of the kernel, without dilation, and for
    transposed ones whose kernel is as long as the stride. Among some thousand random geometries of each kind, with one
    and with two threads, none of these was wrong; the tests draw such geometries again.
    """
    kernel, stride, sizes = convolution.kernel_size, convolution.stride, shape[2:]
    padding = [0] if isinstance(convolution.padding, str) else convolution.padding  # by name it is half at most
    if max(stride) > 2 or max(convolution.dilation) > 1 or any(p > k // 2 for p, k in zip(padding, kernel)):
        return False
    if convolution.transposed and any(k < step for k, step in zip(kernel, stride)):
        return False
    if not convolution.transposed and max(kernel) <= 3 and min(sizes) >= 5:
        return True
    return all(k == 1 or size >= 2 * k for k, size in zip(kernel, sizes))


@contextmanager
def safe_convolutions(network: nn.Module, enabled: bool) -> Iterator[None]:
    """Compute the unsafe convolutions of ``network`` in float32 or as a matrix product within the context.

    Args:
        network: the ``forward`` of its convolutions is replaced, and restored at the end.
        enabled: whether the network computes in bf16 on a CPU.
    """
    convolutions: list[Any] = [module for module in network.modules() if enabled and isinstance(module, _ConvNd)]
    original_forwards = {module: vars(module).get("forward") for module in convolutions}
    for module in original_forwards:
        module.forward = partial(_forward, module)
    try:
        yield
    finally:
        for module, forward in original_forwards.items():
            if forward is None:
                del module.forward
            else:
                module.forward = forward


def _forward(module: Any, x: Tensor, *arguments: Any) -> Tensor:
    original_forward = type(module).forward
    if not torch.is_autocast_enabled("cpu") or is_safe(module, x.shape):
        return original_forward(module, x, *arguments)
    if _suits_matrix_product(module, x.shape):
        return _as_matrix_product(module, x)
    with torch.autocast("cpu", enabled=False):
        return original_forward(module, x.float(), *arguments)


def _suits_matrix_product(module: _ConvNd, shape: torch.Size) -> bool:
    """Whether a matrix product is faster: many weights and few output positions."""
    standard = not module.transposed and module.groups == 1 and module.padding_mode == "zeros"
    standard = standard and max(module.dilation) == 1 and not isinstance(module.padding, str)
    return standard and module.weight.numel() >= 1_000_000 and shape[2:].numel() <= 16


def _as_matrix_product(module: Any, x: Tensor) -> Tensor:
    """The convolution as patches [B, positions, C·kernel] times weights: [B, C, …space] → [B, K, …space]."""
    axes = len(module.kernel_size)
    patches = functional.pad(x, [n for size in reversed(module.padding) for n in (size, size)])
    for axis in range(axes):
        patches = patches.unfold(2 + axis, module.kernel_size[axis], module.stride[axis])
    space = patches.shape[2 : 2 + axes]
    patches = patches.permute(0, *range(2, 2 + axes), 1, *range(2 + axes, 2 + 2 * axes)).flatten(axes + 1)
    output = functional.linear(patches.flatten(1, axes), module.weight.flatten(1), module.bias)
    return output.transpose(1, 2).reshape(len(x), -1, *space)
