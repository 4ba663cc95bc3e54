"""Masks that a model must beat."""

from __future__ import annotations

import numpy as np
import pytest

from scantune.statistics import baselines
from scantune.statistics.overlap import dice


@pytest.mark.parametrize("sign", [1, -1])
def test_the_best_threshold_is_the_best_of_all(sign: int):
    rng = np.random.default_rng(0)
    masks = [rng.random((20, 24)) < 0.2 for _ in range(5)]
    images = [sign * (mask * 1.0 + rng.normal(0, 0.4, mask.shape)) for mask in masks]
    result = baselines.best_threshold(images, masks)
    assert result.above is (sign > 0)

    def mean_dice(value: float, above: bool) -> float:
        cut = baselines.Threshold(value, above, 0)
        return float(np.mean([dice(mask, cut.mask(image)) for image, mask in zip(images, masks)]))

    assert result.dice == pytest.approx(mean_dice(result.value, result.above))
    tried = [mean_dice(v, above) for v in np.linspace(-3, 3, 121) for above in (True, False)]
    assert result.dice > max(tried) - 0.01


def test_a_mean_mask_lies_where_the_structures_do():
    masks = []
    for shift in (0, 1, 2, 1, 1):
        mask = np.zeros((16, 16), np.uint8)
        mask[4 + shift : 9 + shift, 4:9] = 1
        mask[12:15, 2:12] = 2
        masks.append(mask)
    result = baselines.mean_mask(masks, 3)
    assert dice(masks[1] == 1, result == 1) == 1, "the place that most of them share"
    assert (result == 2).sum() == 30
    assert result[0, 0] == 0
