"""Small networks that were taught to find a striped patch in noise of the same mean and variance.

No pixel of the patch is brighter than the noise around it, so a network that learned nothing has nothing to see.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

SIZE = {2: 40, 3: 20}
PATCH = {2: 12, 3: 10}


class Teachable(nn.Module):
    """Three convolutions on a grid of a quarter of the size, pooled; ``head`` gives the output."""

    def __init__(self, dims: int, outputs: int, channels: int = 1, dense: bool = False) -> None:
        super().__init__()
        conv, norm = (nn.Conv2d, nn.BatchNorm2d) if dims == 2 else (nn.Conv3d, nn.BatchNorm3d)
        pool = nn.MaxPool2d if dims == 2 else nn.MaxPool3d
        self.stem = nn.Sequential(conv(channels, 8, 5 if dims == 2 else 3, padding="same"), norm(8), nn.ReLU(), pool(2))
        self.middle = nn.Sequential(conv(8, 16, 3, padding="same"), norm(16), nn.ReLU(), pool(2))
        self.last = nn.Sequential(conv(16, 16, 3, padding="same"), norm(16), nn.ReLU())
        self.saliency_layer = "last"
        self.dense = dense
        self.head = conv(16, outputs, 1) if dense else nn.Linear(16, outputs)

    def forward(self, x: Tensor) -> Tensor:
        features = self.last(self.middle(self.stem(x)))
        if self.dense:
            mode = "bilinear" if x.ndim == 4 else "trilinear"
            return nn.functional.interpolate(self.head(features), x.shape[2:], mode=mode)
        return self.head(features.flatten(2).mean(2))


def striped(n: int, dims: int, generator: torch.Generator, left: bool | None = None) -> tuple[Tensor, Tensor]:
    """Noise [n, 1, …space] with a patch of stripes along the last axis, and its mask [n, …space]."""
    size, patch = SIZE[dims], PATCH[dims]
    x = torch.randn(n, 1, *[size] * dims, generator=generator)
    mask = torch.zeros(n, *[size] * dims, dtype=torch.uint8)
    stripes = (torch.arange(patch) // 2 % 2 * 2 - 1).float().expand(*[patch] * dims)
    for row in range(n):
        corner = torch.randint(0, size - patch + 1, (dims,), generator=generator).tolist()
        if left is not None:
            corner[-1] = 2 if left else size - patch - 2
        where = tuple(slice(c, c + patch) for c in corner)
        x[(row, 0, *where)] = stripes
        mask[(row, *where)] = 1
    return x, mask


def teach(
    net: nn.Module, batch: Callable[[torch.Generator], tuple[Tensor, Tensor]], loss: Callable, steps: int
) -> float:
    """Trains until the steps are over; the last loss."""
    generator = torch.Generator().manual_seed(7)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    net.train()
    for _ in range(steps):
        x, target = batch(generator)
        value = loss(net(x), target)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    net.eval()
    return float(value.detach())


def presence(dims: int, n: int) -> Callable[[torch.Generator], tuple[Tensor, Tensor]]:
    """Half with a patch, half without; target 1.0 and 0.0 [n, 1]."""

    def batch(generator: torch.Generator) -> tuple[Tensor, Tensor]:
        x, _ = striped(n, dims, generator)
        x[n // 2 :] = torch.randn(x[n // 2 :].shape, generator=generator)
        return x, torch.cat([torch.ones(n // 2, 1), torch.zeros(n - n // 2, 1)])

    return batch


def detector(dims: int, seed: int, steps: int) -> Teachable:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Teachable(dims, 1)
    if steps:
        value = teach(net, presence(dims, 24), nn.functional.binary_cross_entropy_with_logits, steps)
        assert value < 0.3
    return net.eval()


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def trained() -> Teachable:
    return detector(2, 0, 150)


@pytest.fixture(scope="session")
def trained_again() -> Teachable:
    return detector(2, 1, 150)


@pytest.fixture(scope="session")
def untrained() -> Teachable:
    return detector(2, 2, 0)


@pytest.fixture(scope="session")
def trained_3d() -> Teachable:
    return detector(3, 0, 60)


@pytest.fixture(scope="session")
def planted() -> tuple[Tensor, np.ndarray]:
    """24 images with a patch, and the masks."""
    x, mask = striped(24, 2, torch.Generator().manual_seed(99))
    return x, mask.numpy()


@pytest.fixture(scope="session")
def planted_3d() -> tuple[Tensor, np.ndarray]:
    x, mask = striped(12, 3, torch.Generator().manual_seed(98))
    return x, mask.numpy()
