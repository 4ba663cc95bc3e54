from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from scantune.engine import half


def _gradients(layer: nn.Module, x: torch.Tensor, bf16: bool) -> list[torch.Tensor]:
    layer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16), half.safe_convolutions(layer, bf16):
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
        (nn.Conv3d(256, 256, 3, padding=1), (3, 256, 2, 2, 2)),  # many weights for few places: a product of matrices
        (nn.Conv3d(192, 256, 3, padding=1, stride=2), (2, 192, 3, 1, 4)),
        (nn.Conv2d(512, 256, 3, padding=(0, 1)), (2, 512, 3, 4)),
    ],
)
def test_bf16_gradients_are_those_of_float32(layer: nn.Module, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape)
    expected = _gradients(layer, x, bf16=False)
    for _ in range(3):  # what is wrong is not wrong every time
        for made, right in zip(_gradients(layer, x, bf16=True), expected):
            assert float((made - right).norm() / right.norm()) < 0.02


def test_large_layers_stay_in_bf16_and_small_ones_do_not() -> None:
    layer, seen = nn.Conv3d(1, 1, 3, padding=1), []
    layer.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    with torch.autocast("cpu", torch.bfloat16), half.safe_convolutions(layer, True):
        layer(torch.zeros(1, 1, 8, 8, 8))
        layer(torch.zeros(1, 1, 2, 2, 2))
        assert torch.is_autocast_enabled("cpu")
    layer(torch.zeros(1, 1, 2, 2, 2))
    assert seen == [torch.bfloat16, torch.float32, torch.float32]
    assert "forward" not in vars(layer)


def test_an_error_inside_leaves_autocast_as_it_was() -> None:
    layer = nn.Conv2d(1, 1, 3)
    with torch.autocast("cpu", torch.bfloat16), half.safe_convolutions(layer, True):
        with pytest.raises(RuntimeError):
            layer(torch.zeros(1, 2, 3, 3))
        assert torch.is_autocast_enabled("cpu")


_LAYERS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_CHANNELS_LAST = {2: torch.channels_last, 3: torch.channels_last_3d}
_CHANNELS = (1, 2, 3, 8, 16, 17, 33, 64, 128)
_SIZES = (5, 5, 5, 6, 7, 8, 9, 12, 13, 16, 20)


def _drawn(seed: int, n: int, work: float) -> Iterator[tuple[nn.Module, torch.Tensor]]:
    """Convolutions and inputs that bf16 is said to be right for, small ones more often than not."""
    draws = np.random.default_rng(seed)

    def per_axis(choices: Any, axes: int) -> tuple[int, ...]:
        result = draws.choice(choices, axes if draws.random() < 0.4 else 1)
        return tuple(int(v) for v in result) * (axes // len(result))

    while n:
        axes = int(draws.choice([1, 2, 2, 3, 3]))
        kernel, stride, dilation, size = (
            per_axis(c, axes) for c in ((1, 2, 3, 3, 3, 5), (1, 1, 2, 3), (1, 1, 1, 2), _SIZES)
        )
        spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
        padding = [int(draws.choice([0, span // 2, span // 2, span - 1])) for span in spans]
        groups = int(draws.choice([1, 1, 1, 2, 4]))
        inside, outside, batch = (int(draws.choice(c)) for c in (_CHANNELS, _CHANNELS, (1, 2, 3, 4, 8)))
        inside, outside = inside * groups, outside * groups
        if batch * inside * outside * np.prod(size) * np.prod(kernel) / groups > work or min(size) < max(spans):
            continue
        if draws.random() < 0.2:
            transposed = _TRANSPOSED[axes]
            layer: nn.Module = transposed(inside, outside, kernel, stride, padding, groups=groups, dilation=dilation)  # type: ignore[arg-type]
        else:
            layer = _LAYERS[axes](inside, outside, kernel, stride, padding, dilation, groups)  # type: ignore[arg-type]
        x = torch.randn((batch, inside, *size), generator=torch.Generator().manual_seed(n))
        if not half.is_safe(layer, x.shape):
            continue
        if axes > 1 and draws.random() < 0.4:
            x = x.to(memory_format=_CHANNELS_LAST[axes])
            layer = layer.to(memory_format=_CHANNELS_LAST[axes]) if draws.random() < 0.5 else layer  # type: ignore[call-overload]
        n -= 1
        yield layer, x


def _worst(layer: nn.Module, x: torch.Tensor) -> float:
    """Largest relative difference of output and gradients (input, weights, bias), bf16 against float32, of three."""

    def run(bf16: bool) -> list[torch.Tensor]:
        layer.zero_grad()
        leaf = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            answer = layer(leaf)
        towards = torch.randn(answer.shape, generator=torch.Generator().manual_seed(1))
        answer.backward(towards.to(answer.dtype))
        gradients = [g.grad.float() for g in (leaf, *layer.parameters()) if g.grad is not None]
        return [answer.detach().float(), *gradients]

    expected, worst = run(False), 0.0
    floor = 0.3 * expected[0][:, 0].numel() ** 0.5  # sums over places that happen to cancel are not to be divided by
    for _ in range(3):
        for i, (made, right) in enumerate(zip(run(True), expected)):
            size = max(float(right.square().mean().sqrt()), floor if i > 1 else 0.05)
            error = float((made - right).square().mean().sqrt()) / size
            worst = max(worst, error if error == error else float("inf"))
    return worst


def _check(seed: int, n: int, work: float) -> None:
    torch.manual_seed(seed)
    wrong = [(layer, tuple(x.shape)) for layer, x in _drawn(seed, n, work) if not _worst(layer, x) < 0.03]
    assert not wrong


def test_of_some_dozen_geometries_none_that_runs_in_bf16_is_wrong() -> None:
    _check(0, 40, 3e6)


@pytest.mark.heavy
@pytest.mark.parametrize("threads", [1, 2])
def test_of_hundreds_of_geometries_none_that_runs_in_bf16_is_wrong(threads: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        _check(threads, 600, 1e8)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    "layer, shape",
    [
        (nn.Conv2d(34, 6, 3, (1, 3), (1, 0), groups=2), (1, 34, 9, 5)),
        (nn.Conv2d(16, 64, (1, 4), (1, 4)), (8, 16, 8, 8)),
        (nn.Conv1d(33, 2, 7, 2, 18, 3), (4, 33, 41)),
        (nn.Conv2d(2, 2, (1, 7), 1, (0, 9), 3, 2), (4, 2, 6, 40)),
        (nn.Conv3d(34, 34, 3, (2, 1, 1), (1, 3, 6), (1, 3, 6), 34), (1, 34, 7, 14, 29)),
        (nn.ConvTranspose2d(2, 16, (2, 1), 2), (1, 2, 7, 3)),
    ],
)
def test_kinds_of_layers_that_amx_gets_wrong_are_computed_in_float32(layer, shape) -> None:
    assert not half.is_safe(layer, torch.Size(shape))
    with half.safe_convolutions(layer, True):
        assert _worst(layer, torch.randn(shape, generator=torch.Generator().manual_seed(0))) < 0.03


@pytest.mark.parametrize(
    "layer, shape",
    [
        (nn.Conv2d(3, 64, 7, 2, 3), (8, 3, 224, 224)),
        (nn.Conv2d(64, 128, 3, 2, 1), (8, 64, 56, 56)),
        (nn.Conv2d(64, 128, 1, 2), (8, 64, 7, 7)),
        (nn.Conv2d(64, 64, 5, 1, "same", groups=64), (8, 64, 14, 14)),
        (nn.ConvTranspose3d(32, 16, (1, 2, 2), (1, 2, 2)), (2, 32, 8, 16, 16)),
    ],
)
def test_the_usual_layers_keep_bf16(layer, shape) -> None:
    assert half.is_safe(layer, torch.Size(shape))


def test_five_places_are_enough_for_a_kernel_of_three_but_four_are_not() -> None:
    layer = nn.Conv2d(1, 1, 3, padding=1)
    assert half.is_safe(layer, torch.Size([1, 1, 5, 9]))
    assert not half.is_safe(layer, torch.Size([1, 1, 4, 9]))
    assert not half.is_safe(nn.Conv2d(1, 1, 5, padding=2), torch.Size([1, 1, 9, 9]))
    assert not half.is_safe(nn.Conv2d(1, 1, 3, padding=2, dilation=2), torch.Size([1, 1, 9, 9]))
    assert not half.is_safe(nn.ConvTranspose2d(1, 1, 3, padding=2), torch.Size([1, 1, 5, 5]))
