"""Intraclass and concordance correlation and repeatability by hand, and their intervals by simulation."""

import math

import numpy as np
import pytest

from scantune.statistics.agreement import bland_altman
from scantune.statistics.reliability import icc, icc_statistic, repeatability
from scantune.statistics.resampling import Resampler


def test_repeatability_by_hand_and_without_repeats():
    result = repeatability(np.array([1.0, 3, 10, 10, 4]), np.array([0, 0, 1, 1, 2]))
    # within variance: (2²/2 + 0) / 2 = 1
    assert result.value == pytest.approx(1.96 * math.sqrt(2))
    assert (result.n, result.n_subjects) == (4, 2)
    assert repeatability(np.arange(4.0), np.arange(4)).reason == "nothing was measured twice"


def test_icc_refuses_what_it_cannot_use():
    with pytest.raises(ValueError, match="at least 2 subjects by 2 raters"):
        icc(np.array([[1.0, np.nan], [2, 3]]))
    assert math.isnan(icc(np.full((5, 3), 2.0))["icc_2_1"].value)


@pytest.mark.heavy
def test_coverage_of_analytic_intervals():
    rng = np.random.default_rng(5)
    truth_icc, truth_sd = 1 / 1.5, math.sqrt(2 * 0.5)
    covered = {"icc": 0, "bias": 0, "lower": 0}
    studies = 2000
    for _ in range(studies):
        level = rng.normal(size=40)
        x, y = (level + rng.normal(0, math.sqrt(0.5), 40) for _ in range(2))
        result = icc(np.stack([x, y], 1))["icc_2_1"]
        ba = bland_altman(x, y)
        covered["icc"] += result.lower <= truth_icc <= result.upper
        covered["bias"] += ba.bias_interval[0] <= 0 <= ba.bias_interval[1]
        covered["lower"] += ba.lower_interval[0] <= -1.96 * truth_sd <= ba.lower_interval[1]
    assert all(0.935 < v / studies < 0.97 for v in covered.values()), covered


def test_icc_from_sums_is_that_of_the_table_with_and_without_each_subject():
    table = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
    resampler = Resampler(np.arange(6), draws=0)
    (named,) = resampler.run([icc_statistic(table, np.arange(6))], draws=False)
    assert named["icc_2_1"].value == pytest.approx(0.28976, abs=5e-6)  # Shrout & Fleiss, table 4
    for left, group in zip(named["icc_2_1"].jackknife, named["icc_2_1"].groups):
        assert left == pytest.approx(icc(np.delete(table, group, 0))["icc_2_1"].value)


def test_repeats_of_one_value_differ_by_nothing_and_have_no_interval():
    """The rounding of their mean is no difference."""
    entry = repeatability(np.full(19, 3.3), np.arange(19) // 2)
    assert entry.value == 0
    assert entry.lower is None
    assert entry.reason == "no interval: all repeats give the same value"
