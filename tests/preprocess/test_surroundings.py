"""What surrounds a scan in a larger input has no part in the mean, deviation and percentiles of its values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scantune import io
from scantune.preprocess.grid import Grid, beyond
from tests.preprocess.direct import prepare_image, prepare_volume

BY_DISTRIBUTION = [{"name": "zscore"}, {"name": "zscore", "foreground": False}, {"name": "percentile"}]


@pytest.mark.parametrize("intensity", BY_DISTRIBUTION)
def test_a_volume_in_a_larger_grid_keeps_its_values(intensity: dict, tmp_path: Path):
    array = np.random.default_rng(0).normal(100, 10, (10, 12, 14)).astype(np.float32)
    io.write_nifti(tmp_path / "a.nii.gz", io.Volume(array, np.eye(4)))
    alone = prepare_volume([tmp_path / "a.nii.gz"], intensity=intensity, dtype="float32").tensor[0]
    larger = prepare_volume([tmp_path / "a.nii.gz"], intensity=intensity, shape=[28, 24, 20], dtype="float32").tensor[0]
    np.testing.assert_allclose(larger[5:15, 6:18, 7:21], alone, atol=1e-5)
    assert larger[0, 0, 0] == larger.min() == alone.min()


@pytest.mark.parametrize("intensity", BY_DISTRIBUTION)
def test_a_padded_picture_keeps_its_values(intensity: dict, tmp_path: Path):
    array = np.random.default_rng(0).normal(100, 10, (40, 20)).clip(0, 255).astype(np.uint8)
    io.write_png(tmp_path / "a.png", array)
    alone = prepare_image([tmp_path / "a.png"], intensity=intensity, dtype="float32").tensor[0]
    larger = prepare_image([tmp_path / "a.png"], intensity=intensity, shape=[40, 40], dtype="float32").tensor[0]
    np.testing.assert_allclose(larger[:, 10:30], alone, atol=1e-5)
    assert larger[0, 0] == larger.min() == alone.min()


def test_voxels_outside_of_a_volume_are_known_on_turned_grids_too():
    volume = io.Volume(np.zeros((4, 6, 8), np.float32), np.eye(4))
    assert beyond(volume, Grid((4, 6, 8), np.eye(4))) is None
    shifted = np.eye(4)
    shifted[0, 3] = 3  # three voxels along W
    outside = beyond(volume, Grid((4, 6, 8), shifted))
    assert outside is not None
    assert outside.sum() == 4 * 6 * 3
    angle = 0.3
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    outside = beyond(volume, Grid((4, 6, 8), turned))
    assert outside is not None
    x, y = turned[:2, :2] @ [7, 5]
    assert bool(outside[0, 5, 7]) is not (-0.5 <= x < 7.5 and -0.5 <= y < 5.5)
    assert not outside[0, 0, 0]


ALL = [{"name": "scale"}, {"name": "none"}, {"name": "window", "center": 40, "width": 400}, *BY_DISTRIBUTION]


@pytest.mark.parametrize("intensity", ALL)
@pytest.mark.parametrize("offset", [-1000.0, 0.0, 1000.0])
def test_padding_is_the_darkest_of_a_picture_whatever_its_values(offset: float, intensity: dict, tmp_path: Path):
    array = np.random.default_rng(0).normal(offset, 100, (40, 20, 1)).astype(np.float32)
    if "center" in intensity:
        intensity = {**intensity, "center": offset + 40}  # of values that lie wholly beside it nothing is left
    io.write_nifti(tmp_path / "a.nii.gz", io.Volume(array.transpose(2, 0, 1), np.eye(4)))
    alone = prepare_image([tmp_path / "a.nii.gz"], intensity=intensity, dtype="float32").tensor[0]
    edge = max(alone.shape)
    larger = prepare_image([tmp_path / "a.nii.gz"], intensity=intensity, shape=[edge, edge], dtype="float32").tensor[0]
    top, left = (edge - alone.shape[0]) // 2, (edge - alone.shape[1]) // 2
    np.testing.assert_allclose(larger[top:, left:][: alone.shape[0], : alone.shape[1]], alone, atol=1e-4)
    assert larger[0, 0] == larger[-1, -1] == alone.min()
