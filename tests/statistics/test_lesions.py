"""Lesions counted by hand."""

import math

import numpy as np
import pytest

from scantune.statistics.lesions import lesion_figures


def row(*spans, length=40):
    mask = np.zeros((3, length), bool)
    for start, end in spans:
        mask[1, start:end] = True
    return mask


def test_found_missed_and_invented_lesions_are_counted():
    truth = row((0, 4), (10, 14), (20, 24))
    result = lesion_figures(row((0, 4), (11, 15), (30, 34)), truth, overlap=0.5)
    assert result == {"lesion_f1": 4 / 6, "lesion_precision": 2 / 3, "lesion_recall": 2 / 3}  # 3 of 5 pixels suffice
    assert lesion_figures(row((0, 4), (11, 15), (30, 34)), truth, overlap=0.7)["lesion_f1"] == 2 / 6


def test_one_large_prediction_meets_one_lesion_only():
    result = lesion_figures(row((0, 14)), row((0, 6), (7, 14)), overlap=0.1)
    assert result == {"lesion_f1": 2 / 3, "lesion_precision": 1.0, "lesion_recall": 0.5}


def test_diagonal_neighbours_are_one_lesion():
    mask = np.eye(5, dtype=bool)
    assert lesion_figures(mask, mask, overlap=1.0)["lesion_f1"] == 1.0
    assert lesion_figures(mask[None], np.ones((1, 5, 5), bool), overlap=0.2)["lesion_recall"] == 1.0


def test_without_lesions_what_is_undefined_stays_so():
    none, one = row(), row((0, 3))
    assert all(math.isnan(v) for v in lesion_figures(none, none, overlap=0.5).values())
    assert set(lesion_figures(none, none, overlap=0.5, empty="one").values()) == {1.0}
    missed = lesion_figures(none, one, overlap=0.5)
    assert (missed["lesion_f1"], missed["lesion_recall"]) == (0.0, 0.0)
    assert math.isnan(missed["lesion_precision"])
    assert math.isnan(lesion_figures(one, none, overlap=0.5)["lesion_recall"])


@pytest.mark.parametrize("seed", range(3))
def test_mirrors_change_nothing(seed):
    rng = np.random.default_rng(seed)
    one, two = (rng.random((12, 13)) > 0.7 for _ in range(2))
    assert lesion_figures(one, two, overlap=0.1) == lesion_figures(one[::-1], two[::-1], overlap=0.1)
