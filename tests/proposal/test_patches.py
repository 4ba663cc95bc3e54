"""Patch and pooling by the files: equal spacing, thick slices, small files."""

from __future__ import annotations

import numpy as np
import pytest

from scantune import models
from scantune.proposal import patches


def test_pooling_waits_for_thick_slices():
    strides, kernels = patches.topology((0.5, 0.5, 3.0), (128, 128, 16), 6)
    assert strides[:4] == [(1, 1, 1), (2, 2, 1), (2, 2, 1), (2, 2, 2)]
    assert kernels[:3] == [(3, 3, 1), (3, 3, 1), (3, 3, 3)], "as coarse as the slices: 2 mm against 3"
    left = np.array([128, 128, 16]) / np.prod(strides, axis=0)
    assert (left >= 4).all()


def test_thick_slices_keep_their_finest_tenth():
    spacings = np.array([[0.7, 0.7, gap] for gap in (2.5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5)])
    assert patches.target_spacing(spacings)[2] == pytest.approx(5.0)
    spacings[1:3, 2] = 2.5
    assert patches.target_spacing(spacings).tolist() == [0.7, 0.7, 2.5]
    assert patches.target_spacing(np.full((5, 3), 1.0)).tolist() == [1, 1, 1]


@pytest.mark.parametrize("gpu", [False, True])
@pytest.mark.parametrize(
    ("shapes", "spacings"),
    [
        ([[584, 565]] * 20, []),
        ([[35, 50, 36], [34, 52, 35]], [[1, 1, 1]] * 2),
        ([[512, 512, 90], [512, 512, 110]], [[0.8, 0.8, 5.0]] * 2),
        ([[20, 24]], []),
    ],
)
def test_a_plan_is_a_network_that_takes_its_patch(shapes, spacings, gpu):
    import torch

    planned = patches.plan(np.array(shapes), np.array(spacings, float).reshape(-1, 3), gpu=gpu)
    axes = len(shapes[0])
    most = {2: {False: 2**17, True: 2**20}, 3: {False: 2**18, True: 2**21}}[axes][gpu]
    assert np.prod(planned.patch) <= most
    assert all(edge <= max(2 * size, 16) for edge, size in zip(planned.patch, planned.shape, strict=True))
    small = {**planned.model, "channels": [2] * len(planned.model["channels"])}
    net = models.build_dense("plain_unet", ndim=axes, seed=0, **small)
    size = planned.patch[::-1] if axes == 3 else planned.patch
    assert all(edge % divisor == 0 for edge, divisor in zip(size, net.divisor, strict=True))
    if not gpu:
        assert net.eval()(torch.zeros(1, 1, *size)).shape[2:] == size


def test_a_scan_with_thick_slices_gets_a_flat_patch():
    planned = patches.plan(np.array([[512, 512, 100]] * 3), np.array([[0.8, 0.8, 5.0]] * 3), gpu=True)
    assert planned.spacing == (0.8, 0.8, 5.0)
    assert planned.patch[0] >= 4 * planned.patch[2]
    assert planned.model["kernels"][0] == [1, 3, 3]
    assert planned.model["strides"][1] == [1, 2, 2]
