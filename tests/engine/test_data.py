from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from scantune import engine
from scantune.engine.data import as_input, read_cached
from scantune.engine.loading import Loader
from scantune.records import ScantuneError


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


@pytest.mark.parametrize("harm", ["cut", "gone", "other"])
def test_a_prepared_file_that_was_damaged_meanwhile_is_named_with_a_remedy(cached: list[Path], harm: str) -> None:
    path = cached[1]
    content = path.read_bytes()
    path.unlink()
    if harm != "gone":
        path.write_bytes(content[: len(content) // 2] if harm == "cut" else b"PK" + content)
    data = Loader(engine.CachedSamples(cached, np.zeros(4, np.float32)), workers=0)
    with pytest.raises(ScantuneError, match=rf"loaded: the prepared file .*{path.name}.*dvc repro -f prep"):
        list(data.batches(0, [np.arange(4)]))


def test_a_prepared_file_that_the_system_does_not_open_is_not_called_damaged(
    cached: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("safetensors.safe_open", refused)
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(ScantuneError, match=rf"{cached[0].name} cannot be opened \(Too many open files\)"):
        read_cached(cached[0])
