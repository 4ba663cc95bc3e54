"""The faster max pooling is PyTorch's own, to the last bit."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from scantune import models
from scantune.engine import half
from scantune.models import pooling


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "plain,shape",
    [
        (nn.MaxPool3d(3, 2, 1), (2, 32, 9, 8, 7)),
        (nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)), (1, 16, 4, 9, 9)),
        (nn.MaxPool3d(2), (2, 16, 8, 8, 8)),
        (nn.MaxPool3d(3, 2, 1), (2, 1, 8, 8, 8)),  # too few channels: PyTorch's own way
        (nn.MaxPool2d(3, 2, 1), (2, 64, 13, 12)),
        (nn.MaxPool2d(3, 2, ceil_mode=True), (2, 17, 12, 12)),
        (nn.MaxPool2d(3, 1, 1, dilation=2), (1, 16, 9, 9)),
        (nn.MaxPool2d(2), (3, 16, 6, 6)),
    ],
)
def test_values_gradients_and_layout_are_those_of_pytorch(
    plain: nn.Module, shape: tuple[int, ...], dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape).relu().to(dtype)  # many ties, as behind every ReLU
    x.view(-1)[5] = float("nan")
    result = []
    for pool in (plain, pooling.accelerate(copy.deepcopy(plain))):
        leaf = x.clone().requires_grad_()
        pooled = pool(leaf)
        pooled.backward(torch.randn(pooled.shape, generator=torch.Generator().manual_seed(1)).to(dtype))
        assert leaf.grad is not None
        result.append((pooled.detach(), leaf.grad))
    for own, faster in zip(*result):
        assert torch.equal(own.nan_to_num(9), faster.nan_to_num(9))
        assert own.stride() == faster.stride()


@pytest.mark.slow
@pytest.mark.parametrize("bf16", [False, True])
def test_a_step_with_it_ends_with_the_very_weights_of_one_without(monkeypatch: pytest.MonkeyPatch, bf16: bool) -> None:
    def step() -> dict[str, torch.Tensor]:
        net = models.build("resnet10_3d", modality="volume", in_channels=1, seed=0)
        optimizer = torch.optim.SGD(net.parameters(), 0.1)
        x = torch.randn(2, 1, 32, 32, 32, generator=torch.Generator().manual_seed(0))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16), half.safe_convolutions(net, bf16):
            features = net(x)
        features.float().square().mean().backward()
        optimizer.step()
        return net.state_dict()

    fast = step()
    monkeypatch.setattr(pooling, "accelerate", lambda net: net)
    for name, tensor in step().items():
        assert torch.equal(tensor, fast[name]), name


def test_channels_last_tensors_stay_so() -> None:
    pool = pooling.accelerate(nn.MaxPool2d(2))
    x = torch.randn(2, 16, 8, 8).to(memory_format=torch.channels_last)
    assert pool(x).is_contiguous(memory_format=torch.channels_last)
    assert isinstance(pool, nn.MaxPool2d)
