from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from scantune import engine
from scantune.engine.data import as_input
from scantune.records import ScantuneError
from tests.engine.toy import Numbers, Sum, network

CPU = {"device": "cpu", "devices": 1, "precision": "32"}


def test_answers_are_in_order_whatever_the_batch() -> None:
    net, data = network(), Numbers(11, 0)
    with torch.no_grad():
        wanted = net.eval()(torch.from_numpy(data.x))[:, 0].numpy()
    for batch in (1, 4, 11):
        made = engine.predict(net, Sum(), data, batch_size=batch, fabric=engine.launch(**CPU))
        np.testing.assert_allclose(made.reduced, wanted, rtol=1e-5)
        np.testing.assert_array_equal(made.targets, data.y)
        assert made.spread is None


def test_test_time_augmentation_is_the_mean_over_the_sample_and_its_copies() -> None:
    def shifted(sample: Tensor, mask: Any, generator: torch.Generator) -> Any:
        by = torch.rand((), generator=generator)
        return sample + by, mask, SimpleNamespace(flipped=False)

    class Identity(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[:, :1]

    data, net = Numbers(6, 0), nn.Sequential(Identity(), nn.Identity())
    net.register_parameter("idle", nn.Parameter(torch.zeros(1)))
    made = engine.predict(net, Sum(), data, augment=shifted, num_augmentations=5, fabric=engine.launch(**CPU))
    drawn = made.reduced * 6 / 5 - data.x[:, 0] * 6 / 5  # mean shift of the five copies
    assert ((drawn > 0) & (drawn < 1)).all()
    assert made.spread is not None
    assert (made.spread > 0).all()
    again = engine.predict(
        net, Sum(), data, augment=shifted, num_augmentations=5, batch_size=2, fabric=engine.launch(**CPU)
    )
    np.testing.assert_allclose(again.reduced, made.reduced, rtol=1e-6)


def test_test_time_augmentation_may_not_swap_sides() -> None:
    def flipped(sample: Tensor, mask: Any, generator: torch.Generator) -> Any:
        return sample, mask, SimpleNamespace(flipped=True)

    with pytest.raises(ScantuneError, match="may not mirror"):
        engine.predict(
            network(), Sum(), Numbers(2, 0), augment=flipped, num_augmentations=1, fabric=engine.launch(**CPU)
        )


class _Dense(Sum):
    dense = True

    def reduce(self, output: Tensor, batch: Any) -> Tensor:
        return output


class _Pictures:
    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> dict[str, Any]:
        picture = np.random.default_rng(index).normal(size=(1, 5, 5)).astype(np.float32)
        return {"input": picture, "target": np.zeros((5, 5), np.int64), "index": index}


def test_mirrored_dense_answers_are_turned_back() -> None:
    torch.manual_seed(0)
    net = nn.Conv2d(1, 1, 3, padding=1)
    with torch.no_grad():
        net.weight.copy_((net.weight + net.weight.flip(2)) / 2)
        net.weight.copy_((net.weight + net.weight.flip(3)) / 2)  # a kernel that knows no sides
    plain = engine.predict(net, _Dense(), _Pictures(), fabric=engine.launch(**CPU))
    turned = engine.predict(net, _Dense(), _Pictures(), mirrors=True, fabric=engine.launch(**CPU))
    np.testing.assert_allclose(turned.reduced, plain.reduced, atol=1e-6)
    with pytest.raises(ScantuneError, match="by mirrors"):
        engine.predict(net, _Dense(), _Pictures(), num_augmentations=2, fabric=engine.launch(**CPU))


@pytest.fixture
def cached(tmp_path: Path) -> list[Path]:
    paths = []
    for i in range(4):
        paths.append(tmp_path / f"sample{i}.safetensors")
        picture = torch.full((1, 4, 6), float(i)) + torch.arange(6.0)
        mask = (torch.arange(6) < 2).expand(1, 4, 6).to(torch.uint8).contiguous()
        save_file({"input": picture.to(torch.float16), "mask": mask}, paths[-1])
    return paths


def test_cached_samples_draw_anew_each_epoch_and_repeat(cached: list[Path]) -> None:
    def noisy(sample: Tensor, mask: Any, generator: torch.Generator) -> Any:
        return sample + torch.rand(sample.shape, generator=generator), mask, SimpleNamespace(flipped=False)

    data = engine.CachedSamples(cached, np.zeros(4, np.float32), augment=noisy, seed=1)
    first = data[2]["input"]
    assert first.dtype == torch.float32
    assert torch.equal(data[2]["input"], first)
    data.set_epoch(1)
    assert not torch.equal(data[2]["input"], first)
    data.set_epoch(0)
    assert torch.equal(data[2]["input"], first)
    assert not torch.equal(data[2]["input"] - 2, data[1]["input"] - 1)


def test_mirroring_swaps_the_target_and_masks_are_targets_of_dense_tasks(cached: list[Path]) -> None:
    def mirrored(sample: Tensor, mask: Tensor | None, generator: torch.Generator) -> Any:
        return sample.flip(-1), None if mask is None else mask.flip(-1), SimpleNamespace(flipped=True)

    sides = np.array([[0, 3]] * 4)
    data = engine.CachedSamples(cached, sides, np.array([0, 1, 0, -1]), augment=mirrored, flip=lambda t: t[::-1])
    assert data[1]["target"].tolist() == [3, 0]
    assert data[1]["group"] == 1
    dense = engine.CachedSamples(cached, None, augment=mirrored)
    assert dense[0]["target"].dtype == torch.int64
    assert dense[0]["target"][0].tolist() == [0, 0, 0, 0, 1, 1]


def test_partners_are_spoiled_copies_of_the_good_ones(cached: list[Path]) -> None:
    good = np.array([True, False, True, False])
    partners = engine.Partners(lambda sample, generator: sample * 0, good)
    data = engine.CachedSamples(cached, np.zeros(4), partners=partners)
    assert data[0]["has_partner"] is True
    assert float(data[0]["partner"].abs().sum()) == 0
    assert data[1]["has_partner"] is False
    assert torch.equal(data[1]["partner"], data[1]["input"])


def test_bytes_become_0_to_1() -> None:
    assert as_input(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [0.0, 1.0]
    assert as_input(torch.tensor([0.5, 200.0], dtype=torch.float16)).tolist() == [0.5, 200.0]
