"""Rounding is no image: what is constant but for it is refused, and so are values that float16 rounds away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scantune.preprocess import intensity
from scantune.records import ReadError


@pytest.mark.parametrize("value", [0.1, 1 / 3, 1234.567, 30000.3])
@pytest.mark.parametrize("options", [("zscore", {"foreground": False}), ("percentile", {}), ("scale", {})])
def test_rounding_is_not_stretched_to_an_image(value, options):
    """As interpolation leaves it of a constant: neighbouring float32 numbers."""
    name, more = options
    array = np.full((100, 100), np.float32(value))
    array[::2] = np.nextafter(array[::2], np.float32(np.inf))
    with pytest.raises(ReadError, match=r"constant|equal"):
        intensity.apply(array, name, **more)
    with pytest.raises(ReadError, match=r"constant|equal"):
        intensity.apply(np.full((100, 100), np.float32(value)), name, **more)


@pytest.mark.parametrize("offset", [0.0, 1000.0, -30000.0])
def test_a_faint_image_is_still_one(offset, rng):
    array = (offset + 0.01 * max(1.0, abs(offset) / 100) * rng.random((50, 50))).astype(np.float32)
    for name, more in (("zscore", {"foreground": False}), ("percentile", {}), ("scale", {})):
        assert np.ptp(intensity.apply(array, name, **more)) >= 1


@pytest.mark.parametrize(("scale", "offset"), [(1e-7, 0.0), (1e-9, 0.0), (1.0, 30000.0), (0.1, -5000.0)])
def test_values_that_float16_rounds_away_are_refused_with_the_remedy(scale, offset, rng):
    array = (offset + scale * rng.random((20, 20))).astype(np.float32)
    with pytest.raises(ReadError, match=r"span \d+ steps of float16.*dtype: float32"):
        intensity.to_dtype(array, "float16")
    np.testing.assert_array_equal(intensity.to_dtype(array, "float32"), array)


@pytest.mark.parametrize(
    "array",
    [
        np.array([[0, 1], [1, 2]], np.float32),
        np.array([[2048, 2050], [4096, 4100]], np.float32),
        np.zeros((2, 2), np.float32),
        np.linspace(-1024, 3071, 4096, dtype=np.float32),
        np.linspace(0, 1, 300, dtype=np.float32),
        np.linspace(0.5, 0.51, 300, dtype=np.float32),
        np.full((2, 2), 9251.5, np.float32),
    ],
)
def test_values_that_float16_holds_or_rounds_by_little_are_kept(array):
    np.testing.assert_allclose(intensity.to_dtype(array, "float16"), array, rtol=5e-4)


@pytest.mark.parametrize("scale", [1e-35, 1e-20, 1e-9, 1e9, 1e20, 1e35])
@pytest.mark.parametrize("foreground", [True, False])
def test_z_scores_do_not_depend_on_the_unit(scale, foreground, rng):
    """Squares of 1e20 are infinite in float32: every value became 0."""
    array = rng.normal(size=(60, 60)).astype(np.float32)
    expected = intensity.zscore(array, foreground=foreground)
    result = intensity.zscore(array * np.float32(scale), foreground=foreground)
    np.testing.assert_allclose(result, expected, atol=1e-4)


@given(
    zeros=st.sampled_from([0.0, 0.005, 0.02, 0.1, 0.3]),
    noise=st.sampled_from([1.0, 3.0, 10.0, 30.0]),
    seed=st.integers(0, 9),
)
def test_foreground_of_a_head_in_measured_air_is_the_head_however_many_voxels_are_zero(zeros, noise, seed):
    rng = np.random.default_rng(seed)
    head = np.zeros((24, 24, 24), dtype=bool)
    head[6:18, 5:19, 6:18] = True
    air = np.round(np.hypot(*rng.normal(0, noise, (2, *head.shape))))
    air[rng.random(head.shape) < zeros] = 0
    array = np.where(head, rng.normal(800, 120, head.shape), air).clip(0).astype(np.float32)
    array[0, 0, 0] = 0
    assert (intensity.foreground(array) == head).mean() > 0.99


@pytest.mark.parametrize("outlier", [1, 40])
@pytest.mark.parametrize("margin", [0, 1, 6])
def test_foreground_of_a_brain_cut_out_is_all_that_is_left_of_it(rng, outlier, margin):
    brain = np.zeros((24, 24, 24), dtype=bool)
    brain[:, 1 : 24 - margin, margin : 24 - margin] = True  # 4 %, 16 % and 65 % of it are background
    array = np.where(brain, rng.normal(400, 150, brain.shape).clip(1), 0).astype(np.float32)
    array[12, 12, 12] *= outlier  # a vessel
    assert (intensity.foreground(array) == brain).all()


@pytest.mark.parametrize("array", [np.array([[2**30, 2**30 + 1] * 50], np.int32), np.array([[0.0, np.nan] * 50])])
def test_foreground_of_values_that_float32_does_not_tell_apart_is_no_error(array):
    assert intensity.foreground(array).shape == array.shape
