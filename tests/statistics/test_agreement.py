import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scantune.statistics.agreement import bland_altman, error_statistic, repeated_statistic
from scantune.statistics.reliability import icc
from scantune.statistics.resampling import Resampler

numbers = arrays(float, st.integers(6, 40), elements=st.integers(0, 34).map(lambda v: v / 2))


def figures(x, y, subjects=None, significant=2.0):
    rows = np.arange(len(x))
    resampler = Resampler(rows if subjects is None else subjects, 0)
    result = resampler.run([error_statistic(np.asarray(x, float), np.asarray(y, float), rows, significant)])[0]
    return {k: v.value for k, v in result.items()}


def test_by_hand():
    result = figures([0, 2, 4, 6], [1, 2, 3, 10])
    # errors 1 0 −1 4: mean 1, sum of squares 18
    assert result["mae"] == 1.5
    assert result["rmse"] == pytest.approx(math.sqrt(18 / 4))
    assert result["r2"] == pytest.approx(1 - 18 / 20)
    assert result["bland_altman_bias"] == 1
    assert result["bland_altman_sd"] == pytest.approx(math.sqrt(14 / 3))
    assert result["bland_altman_upper"] == pytest.approx(1 + 1.96 * math.sqrt(14 / 3))
    assert result["clinical_error_rate"] == 0.25
    # Lin: 2 cov / (var + var + shift²) with n as divisor: cov 7, var 5 and 12.5
    assert result["ccc"] == pytest.approx(14 / (5 + 12.5 + 1))


def test_an_error_of_exactly_the_limit_is_not_significant():
    assert figures([10.1, 0, 0], [12.1, 2, 2.5])["clinical_error_rate"] == pytest.approx(1 / 3)


@settings(deadline=None, max_examples=50)
@given(numbers, st.integers(0, 10_000))
def test_sums_agree_with_the_functions_for_one_pair_a_subject(x, seed):
    y = x + np.random.default_rng(seed).normal(size=len(x))
    result = figures(x, y)
    ba = bland_altman(x, y)
    assert result["bland_altman_bias"] == pytest.approx(ba.bias)
    assert result["bland_altman_lower"] == pytest.approx(ba.lower)
    assert result["bland_altman_slope"] == pytest.approx(ba.slope, abs=1e-7)
    assert result["icc_2_1"] == pytest.approx(icc(np.stack([x, y], 1))["icc_2_1"].value, abs=1e-9)
    if len(set(x)) > 1:
        lin = 2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
        assert result["ccc"] == pytest.approx(lin, abs=1e-9)


@settings(deadline=None, max_examples=40)
@given(numbers, st.floats(-1e4, 1e4))
def test_a_common_shift_changes_nothing_and_order_neither(x, shift):
    y = x[::-1] + 0.5
    plain, moved = figures(x, y), figures(x + shift, y + shift)
    turned = figures(x[::-1], y[::-1])
    for name, value in plain.items():
        assert moved[name] == pytest.approx(value, abs=1e-5, nan_ok=True), name
        assert turned[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


def test_perfect_constant_and_swapped():
    x = np.arange(10.0)
    perfect = figures(x, x)
    assert (perfect["ccc"], perfect["icc_2_1"], perfect["r2"], perfect["mae"]) == pytest.approx((1, 1, 1, 0))
    constant = figures(x, np.full(10, 3.0))
    assert math.isnan(constant["pearson_r"])
    assert constant["ccc"] == 0
    assert math.isnan(figures(np.full(10, 3.0), x)["r2"])
    there, back = figures(x, x**2), figures(x**2, x)
    assert there["bland_altman_bias"] == -back["bland_altman_bias"]
    assert there["icc_2_1"] == pytest.approx(back["icc_2_1"])


def test_repeated_measures_by_hand():
    # Differences of two subjects: (1, 3) and (5, 7). Within: mean square 2. Between: mean square 16, 2 a subject.
    subjects = np.array(["a", "a", "b", "b"])
    difference = np.array([1.0, 3, 5, 7])
    result = Resampler(subjects, 0).run([repeated_statistic(np.zeros(4), difference, subjects, np.arange(4))])[0]
    sd = math.sqrt(2 + (16 - 2) / 2)
    assert result["bland_altman_bias"].value == 4
    assert result["bland_altman_sd"].value == pytest.approx(sd)
    assert result["bland_altman_upper"].value == pytest.approx(4 + 1.96 * sd)


def test_repeated_measures_with_unequal_numbers_recover_the_variances():
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(3000), rng.integers(1, 6, 3000))
    difference = rng.normal(0, 2, 3000)[subjects] + rng.normal(0, 1, len(subjects))
    result = Resampler(subjects, 0).run(
        [repeated_statistic(np.zeros(len(subjects)), difference, subjects, np.arange(len(subjects)))]
    )[0]
    assert result["bland_altman_sd"].value == pytest.approx(math.sqrt(5), rel=0.03)
