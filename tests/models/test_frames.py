"""A 2D network on each frame of a video, its features pooled over time."""

from __future__ import annotations

import pytest
import torch

from scantune import explain, models
from scantune.models import freezing
from scantune.records import ScantuneError

NAME = "mobilenetv3_small_050"


@pytest.mark.parametrize("pool", ["mean", "max"])
def test_features_are_those_of_the_frames_pooled(pool: str) -> None:
    video = models.build(NAME, modality="video", in_channels=1, seed=0, pool=pool).eval()
    image = models.build(NAME, modality="image", in_channels=1, seed=0).eval()
    x = torch.rand(2, 1, 3, 40, 48, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        frames = torch.stack([image(x[:, :, t]) for t in range(3)])
        pooled = frames.mean(0) if pool == "mean" else frames.amax(0)
        torch.testing.assert_close(video(x), pooled)


def test_published_weights_of_the_2d_network_are_loaded(tmp_path) -> None:
    image = models.build(NAME, modality="image", in_channels=3, seed=1).eval()
    file = tmp_path / "mobilenetv3_small_050.safetensors"
    from safetensors.torch import save_file

    save_file(image.net.state_dict(), file)
    video = models.build(NAME, modality="video", in_channels=3, weights=file, seed=0).eval()
    assert video.load_report.share == 1
    x = torch.rand(1, 3, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    image.set_normalization(video.normalization)
    with torch.no_grad():
        torch.testing.assert_close(video(x), image(x[:, :, 0]))


def test_a_map_has_an_axis_of_time_and_shows_the_frame_that_matters() -> None:
    backbone = models.build(NAME, modality="video", in_channels=1, seed=0, pool="max")
    network = models.Network(backbone, torch.nn.Linear(backbone.feature_dim, 2)).eval()
    x = torch.zeros(1, 4, 112, 112)
    x[0, 2, 40:80, 40:80] = 1.0
    result = explain.map(network, x, method="eigencam")
    assert result.map is not None
    assert result.map.shape == (4, 112, 112)
    assert result.grid[0] == 4
    spread = result.map.std(axis=(1, 2))
    assert spread.argmax() == 2


def test_freezing_knows_the_blocks_of_the_2d_network() -> None:
    backbone = models.build(NAME, modality="video", in_channels=1, seed=0)
    image = models.build(NAME, modality="image", in_channels=1, seed=0)
    assert [name for name, _ in backbone.blocks] == [name for name, _ in image.blocks]
    network = models.Network(backbone, torch.nn.Linear(backbone.feature_dim, 2))
    schedule = freezing.plan(network, epochs=4, head_epochs=1)
    schedule.apply(network, 0)
    assert [name for name, p in network.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]


def test_channels_last_serves_2d_layers_in_a_network_of_videos() -> None:
    from scantune.engine import Settings
    from scantune.engine.hardware import prepared_network

    network = models.Network(
        models.build(NAME, modality="video", in_channels=3, seed=0), torch.nn.Linear(1024, 2)
    ).eval()
    x = torch.rand(1, 3, 2, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = network(x)
        with prepared_network(network, Settings(channels_last=True)):
            stem = network.backbone.net.frames.conv_stem.weight
            assert stem.is_contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(network(x), before)


def test_faults_are_named() -> None:
    with pytest.raises(ScantuneError, match="pool: 'median' is not one of mean, max"):
        models.build(NAME, modality="video", in_channels=1, pool="median")
    strided = models.build(NAME, modality="video", in_channels=1, seed=0, first_stride=1)
    assert strided.net.frames.conv_stem.stride == (1, 1)
