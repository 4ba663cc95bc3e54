"""bf16 on a CPU, but for the convolutions that PyTorch gets wrong there.

oneDNN's bf16 gradient of a convolution's weights is garbage, now and then infinite, and now and then written past its
memory, where the input is small against the kernel: a 3³ kernel on 2³ voxels, 7³ with stride 2 on fewer than 8 (PyTorch
2.15, AVX512-bf16). Nothing warns of it: the other layers learn, so the loss falls. Such layers compute in float32 here;
they are the small ones, and cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
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
    """Make unsafe convolutions of ``network`` compute in float32 until the end of the block.

    Args:
        network: hooks are put on its convolutions, and taken off at the end.
        enabled: whether bf16 is used on a CPU at all.
    """
    handles: list[Any] = []
    for module in network.modules() if enabled else ():
        if isinstance(module, _ConvNd):
            guard = _Guard()
            handles.append(module.register_forward_pre_hook(guard.before))
            handles.append(module.register_forward_hook(guard.after, always_call=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Guard:
    """Leaves autocast around one call of one convolution."""

    def __init__(self) -> None:
        self.left: list[torch.autocast | None] = []

    def before(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if not torch.is_autocast_enabled("cpu") or is_safe(module, inputs[0].shape):  # type: ignore[arg-type]
            self.left.append(None)
            return None
        outside = torch.autocast("cpu", enabled=False)
        outside.__enter__()
        self.left.append(outside)
        return tuple(tensor.float() for tensor in inputs)

    def after(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if self.left and (outside := self.left.pop()) is not None:
            outside.__exit__(None, None, None)
