"""A head made of the MNI152 brain that lies in nilearn's wheel: cerebrospinal fluid, skull and scalp around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import ndimage

from scantune import io
from scantune.preprocess.brain.registration import template
from scantune.preprocess.grid import resample, target_grid


@dataclass(frozen=True, eq=False)
class Head:
    """A T1-weighted head, uint16 values in ``volume``, and its brain, bool [D, H, W]."""

    volume: io.Volume
    brain: np.ndarray


@pytest.fixture(scope="session")
def head() -> Head:
    whole = template()
    grid = target_grid(whole, (2.0,) * 3, (96, 114, 92))
    brain = resample(whole, grid, fill=0.0)
    brain = brain / np.percentile(brain[brain > 0], 99)
    inside = brain > 0.05
    distance = ndimage.distance_transform_edt(~inside, sampling=2.0)
    layers = [(3.0, 0.12), (8.0, 0.04), (14.0, 0.9)]  # outer border in mm and signal: fluid, bone, scalp
    array = np.zeros_like(brain)
    for border, signal in reversed(layers):
        array[distance <= border] = signal
    array = np.where(inside, brain, array)
    noise = np.random.default_rng(1).normal(0, 0.01, array.shape)
    return Head(io.Volume(np.abs(array + noise).astype(np.float32) * 1000, grid.affine), inside)
