"""Normalisation by what the masks mark."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from scantune import models
from scantune.pipeline.train.foreground import foreground_normalization
from scantune.records import ScantuneError


def side(paths: list[Path]) -> SimpleNamespace:
    class Paths(SimpleNamespace):
        def __len__(self) -> int:
            return len(paths)

    return Paths(paths=paths, mask_paths=None)


def test_percentiles_mean_and_deviation_are_those_of_the_marked_values(tmp_path: Path) -> None:
    random, paths, marked = np.random.default_rng(0), [], []
    for number in range(3):
        image = random.normal(40 + number, 25, (1, 9, 10, 11)).astype(np.float32)
        mask = (random.random((1, 9, 10, 11)) < 0.3).astype(np.uint8)
        mask[mask == 0] = 255 * (random.random((mask == 0).sum()) < 0.1)  # pixels that do not count
        image[(mask == 0) | (mask == 255)] = -1000
        marked.append(image[mask == 1])
        paths.append(tmp_path / f"{number}.safetensors")
        save_file({"input": torch.from_numpy(image), "mask": torch.from_numpy(mask)}, paths[-1])
    values = np.concatenate(marked)
    norm = foreground_normalization(side(paths))  # type: ignore[arg-type]
    assert norm.mean[0] == pytest.approx(values.mean(), rel=1e-5)
    assert norm.std[0] == pytest.approx(values.std(), rel=1e-5)
    assert (norm.low[0], norm.high[0]) == pytest.approx(np.percentile(values, [0.5, 99.5]), rel=1e-5)  # type: ignore[index]

    net = models.build_dense("plain_unet", ndim=3, channels=[4, 4], seed=0)
    net.set_normalization(norm)
    seen: list[torch.Tensor] = []
    net.net.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network = models.Network(net).eval()
    x = torch.tensor([-1000.0, 40.0, 3000.0]).repeat(16)[None, None, :, None, None].expand(1, 1, 48, 4, 4)
    network(x)
    cut = np.clip([-1000.0, 40.0, 3000.0], norm.low[0], norm.high[0])  # type: ignore[index]
    np.testing.assert_allclose(seen[0][0, 0, :3, 0, 0], (cut - norm.mean[0]) / norm.std[0], rtol=1e-4)
    models.save(network, tmp_path / "model")
    opened = models.load(tmp_path / "model")
    assert opened.backbone.normalization == norm
    torch.testing.assert_close(opened(x), network(x), rtol=0, atol=0)


def test_masks_that_mark_nothing_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"input": torch.ones(1, 4, 4), "mask": torch.zeros(1, 4, 4, dtype=torch.uint8)}, path)
    with pytest.raises(ScantuneError, match="mark 0 pixels"):
        foreground_normalization(side([path]))  # type: ignore[arg-type]
