"""The largest connected component."""

from __future__ import annotations

import numpy as np
import pytest

from scantune.statistics.components import beside_largest, smaller


def test_neighbours_by_a_corner_are_one_component_and_the_rest_is_beside():
    mask = np.array([[1, 0, 0, 0, 1], [0, 1, 0, 0, 1], [0, 0, 1, 0, 0]], bool)
    np.testing.assert_array_equal(np.argwhere(beside_largest(mask)), [[0, 4], [1, 4]])


@pytest.mark.parametrize("shape", [(5, 6), (4, 5, 6)])
def test_nothing_is_beside_one_component_or_none(shape):
    mask = np.zeros(shape, bool)
    assert not beside_largest(mask).any()
    mask[(1,) * len(shape)] = True
    assert not beside_largest(mask).any()


def test_it_does_not_depend_on_the_order_of_axes():
    rng = np.random.default_rng(0)
    mask = rng.random((9, 10, 11)) < 0.05
    mask[2:5, 2:5, 2:5] = True
    np.testing.assert_array_equal(beside_largest(mask).T, beside_largest(mask.T))
    np.testing.assert_array_equal(beside_largest(mask)[::-1], beside_largest(mask[::-1]))


def test_of_components_of_one_size_the_first_stays():
    np.testing.assert_array_equal(beside_largest(np.array([[True, False, True]])), [[False, False, True]])


def test_components_of_fewer_pixels_than_stated_are_small():
    mask = np.zeros((5, 5), bool)
    mask[0, 0] = mask[2, 2] = mask[3, 3] = True
    np.testing.assert_array_equal(np.argwhere(smaller(mask, 2)), [[0, 0]])
    assert not smaller(mask, 1).any()
    assert (smaller(mask, 2.5) == mask).all()
    assert not smaller(np.zeros((3, 3), bool), 2).any()
