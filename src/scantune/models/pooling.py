"""Max pooling on a CPU, two to four times faster with bitwise identical results.

PyTorch's forward kernel for channels-first tensors compares one value at a time, that for channels-last tensors a
register of channels at once; the backward kernels have the opposite property. The forward pass therefore uses the
channels-last kernel and the backward pass the channels-first one. The maximum is exact and ties resolve to the first
position in both, so nothing else changes. After the first convolution of a 3D ResNet, PyTorch's forward kernel takes a
tenth of the time of a step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_aten = torch.ops.aten
#: spatial axes: forward kernel, backward kernel, memory format of the forward input
_KERNELS = {
    2: (_aten.max_pool2d_with_indices, _aten.max_pool2d_with_indices_backward, torch.channels_last),
    3: (_aten.max_pool3d_with_indices, _aten.max_pool3d_with_indices_backward, torch.channels_last_3d),
}
#: Fewer channels do not fill a register, and the change of memory format costs more than it saves.
_MIN_CHANNELS = 16


def accelerate(net: nn.Module) -> nn.Module:
    """Use the faster kernels for all max pooling of ``net``; names, weights and results do not change."""
    for module in net.modules():
        if type(module) in _FAST and not module.return_indices:
            module.__class__ = _FAST[type(module)]
    return net


def _is_faster(x: Tensor, axes: int) -> bool:
    """Whether the faster kernel applies: channels-last tensors have it already, and a GPU does not benefit."""
    channels_first = x.is_contiguous() and not x.is_contiguous(memory_format=_KERNELS[axes][2])
    return x.device.type == "cpu" and x.ndim == axes + 2 and x.shape[1] >= _MIN_CHANNELS and channels_first


def _arguments(module: Any, axes: int) -> tuple[list[int], list[int], list[int], list[int], bool]:
    def each(value: int | tuple[int, ...]) -> list[int]:
        return [value] * axes if isinstance(value, int) else list(value)

    sizes = (each(value) for value in (module.kernel_size, module.stride, module.padding, module.dilation))
    return (*sizes, module.ceil_mode)  # type: ignore[return-value]


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, axes: int, arguments: Any) -> Tensor:  # type: ignore[override]
        pooled, positions = _KERNELS[axes][0](x.contiguous(memory_format=_KERNELS[axes][2]), *arguments)
        ctx.save_for_backward(x, positions.contiguous())
        ctx.axes, ctx.arguments = axes, arguments
        return pooled.contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        x, positions = ctx.saved_tensors
        return _KERNELS[ctx.axes][1](gradient.contiguous(), x, *ctx.arguments, positions), None, None


class _MaxPool2d(nn.MaxPool2d):
    def forward(self, x: Tensor) -> Any:
        return _MaxPool.apply(x, 2, _arguments(self, 2)) if _is_faster(x, 2) else super().forward(x)


class _MaxPool3d(nn.MaxPool3d):
    def forward(self, x: Tensor) -> Any:
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            x = x.float()  # as PyTorch's autocast does for three spatial axes only
        return _MaxPool.apply(x, 3, _arguments(self, 3)) if _is_faster(x, 3) else super().forward(x)


_FAST: dict[type, type[nn.Module]] = {nn.MaxPool2d: _MaxPool2d, nn.MaxPool3d: _MaxPool3d}
