from __future__ import annotations

import pytest
import torch
from torch import nn

from scantune.engine import half


def _gradients(layer: nn.Module, x: torch.Tensor, bf16: bool) -> list[torch.Tensor]:
    layer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16), half.guarded(layer, bf16):
        answer = layer(x)
    torch.manual_seed(1)
    answer.float().backward(torch.randn(answer.shape))
    return [p.grad.clone() for p in layer.parameters() if p.grad is not None]


@pytest.mark.parametrize(
    "layer,shape",
    [
        (nn.Conv3d(64, 64, 3, padding=1), (2, 64, 2, 2, 2)),  # oneDNN's bf16 gradient is garbage for these
        (nn.Conv3d(16, 16, 3, padding=1, stride=2), (2, 16, 3, 1, 4)),
        (nn.Conv3d(8, 8, 5, padding=2), (1, 8, 4, 6, 6)),
        (nn.Conv2d(33, 17, 3, padding=1, stride=2), (2, 33, 18, 1)),
        (nn.Conv3d(16, 16, 3, padding=1), (2, 16, 8, 8, 8)),  # and right for these
        (nn.Conv3d(1, 16, 7, padding=3, stride=2), (2, 1, 16, 16, 16)),
    ],
)
def test_bf16_gradients_are_those_of_float32(layer: nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape)
    wanted = _gradients(layer, x, bf16=False)
    for _ in range(3):  # what is wrong is not wrong every time
        for made, right in zip(_gradients(layer, x, bf16=True), wanted):
            assert float((made - right).norm() / right.norm()) < 0.02


def test_large_layers_stay_in_bf16_and_small_ones_do_not() -> None:
    layer, seen = nn.Conv3d(1, 1, 3, padding=1), []
    layer.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16), half.guarded(layer, True):
        layer(torch.zeros(1, 1, 8, 8, 8))
        layer(torch.zeros(1, 1, 2, 2, 2))
        assert torch.is_autocast_enabled("cpu")
    layer(torch.zeros(1, 1, 2, 2, 2))
    assert seen == [torch.bfloat16, torch.float32, torch.float32]
    assert len(layer._forward_pre_hooks) == 0


def test_an_error_inside_leaves_autocast_as_it_was() -> None:
    layer = nn.Conv2d(1, 1, 3)
    with torch.autocast("cpu", torch.bfloat16), half.guarded(layer, True):
        with pytest.raises(RuntimeError):
            layer(torch.zeros(1, 2, 3, 3))
        assert torch.is_autocast_enabled("cpu")
