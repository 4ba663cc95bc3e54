import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scantune.statistics.correlation import (
    correlation_p,
    kendall,
    kendall_without,
    midranks,
    pearson,
    spearman,
    spearman_p,
    spearman_statistic,
)
from scantune.statistics.intervals import interval_of
from scantune.statistics.resampling import Distribution, Resampler

tied = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=60)


def sides(pairs):
    return np.array(pairs, float).T


@settings(deadline=None, max_examples=60)
@given(tied)
def test_kendall_equals_scipy_with_ties(pairs):
    x, y = sides(pairs)
    result = kendall(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert math.isnan(result.tau)
        return
    expected = stats.kendalltau(x, y)
    assert result.tau == pytest.approx(expected.statistic, abs=1e-12)
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("n", [2, 3, 10, 33, 34, 150])
def test_kendall_without_ties_equals_scipy(n):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=n), rng.normal(size=n)
    result, expected = kendall(x, y), stats.kendalltau(x, y)
    assert result.tau == pytest.approx(expected.statistic)
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-8)


def test_kendall_of_each_row_counts_its_partners():
    x, y = np.array([1, 2, 3, 3.0]), np.array([2, 1, 3, 4.0])
    # by hand: pairs (0,1) discordant; (0,2) (0,3) (1,2) (1,3) concordant; (2,3) tied
    np.testing.assert_array_equal(kendall(x, y).concordance, [1, 1, 2, 2])


def test_kendall_leaves_subjects_out():
    rng = np.random.default_rng(5)
    subjects = np.repeat(np.arange(30), rng.integers(1, 4, 30))
    x = rng.integers(0, 12, len(subjects)).astype(float)
    y = x + rng.integers(-3, 4, len(subjects))
    kept = [subjects != s for s in np.unique(subjects)]
    expected = [stats.kendalltau(x[k], y[k]).statistic for k in kept]
    np.testing.assert_allclose(kendall_without(x, y, subjects), expected)


RANKED = {
    "spearman_rho": lambda x, y, s: Resampler(s, 0).run([spearman_statistic(x, y, s)])[0]["spearman_rho"],
    "kendall_tau": lambda x, y, s: Distribution(kendall(x, y).tau, np.empty(0), kendall_without(x, y, s)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(RANKED))
@pytest.mark.parametrize("rho", [0.5, 0.99])
def test_intervals_of_rank_correlations_contain_the_truth_at_every_strength(name, rho):
    """By variances for normal data (Bonett & Wright; Fieller et al.) .14 and .12 miss on one side at .99."""
    truth = {"spearman_rho": 6 / math.pi * math.asin(rho / 2), "kendall_tau": 2 / math.pi * math.asin(rho)}[name]
    below = above = 0
    for cohort in range(200):
        x, e = np.random.default_rng([3, cohort]).normal(size=(2, 30))
        y = rho * x + math.sqrt(1 - rho * rho) * e
        result = interval_of(RANKED[name](x, y, np.arange(30)), "correlation", 30)
        below, above = below + (result.upper < truth), above + (result.lower > truth)
    assert below <= 18
    assert above <= 18


@settings(deadline=None, max_examples=60)
@given(tied)
def test_spearman_and_ranks_equal_scipy(pairs):
    x, y = sides(pairs)
    np.testing.assert_allclose(midranks(x), stats.rankdata(x))
    if len(set(x)) > 1 and len(set(y)) > 1:
        assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    else:
        assert math.isnan(spearman(x, y))


@settings(deadline=None, max_examples=40)
@given(tied, st.floats(0.1, 50), st.floats(-100, 100))
def test_scale_shift_symmetry_and_order(pairs, scale, shift):
    x, y = sides(pairs)
    order = np.random.default_rng(0).permutation(len(x))
    for r in (pearson, spearman, lambda a, b: kendall(a, b).tau):
        if math.isnan(r(x, y)):
            continue
        assert r(y, x) == pytest.approx(r(x, y), abs=1e-9)
        assert r(scale * x + shift, y) == pytest.approx(r(x, y), abs=1e-6)
        assert r(-x, y) == pytest.approx(-r(x, y), abs=1e-9)
        assert r(x[order], y[order]) == pytest.approx(r(x, y), abs=1e-9)


def test_p_values_equal_scipy():
    rng = np.random.default_rng(1)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30) * 2
    assert correlation_p(pearson(x, y), 30) == pytest.approx(stats.pearsonr(x, y).pvalue)
    assert correlation_p(spearman(x, y), 30) == pytest.approx(stats.spearmanr(x, y).pvalue)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("x", "y"),
    [
        ([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5]),
        ([1, 1, 2, 3, 3, 3], [2, 1, 1, 5, 4, 4]),
        ([1, 2, 3, 4, 5], [5, 3, 4, 1, 2]),
    ],
)
def test_spearman_p_of_few_rows_is_the_share_of_permutations_at_least_as_far_from_0(x, y):
    def rho(values):
        return abs(np.corrcoef(stats.rankdata(x), stats.rankdata(values))[0, 1])

    as_far = [rho(order) >= rho(y) - 1e-9 for order in permutations(y)]
    assert spearman_p(np.array(x, float), np.array(y, float)) == pytest.approx(np.mean(as_far))


@pytest.mark.parametrize("n", [3, 5, 8])
def test_spearman_p_of_rows_in_order_is_that_of_two_permutations(n):
    x = np.arange(float(n))
    assert spearman_p(x, x) == spearman_p(x, -x) == pytest.approx(2 / math.factorial(n))


def test_spearman_p_of_many_rows_is_student_s_and_never_0():
    x = np.arange(12.0)
    assert spearman_p(x, x) == pytest.approx(2 / math.factorial(12))
    y = np.random.default_rng(0).normal(size=40)
    assert spearman_p(np.arange(40.0), y) == pytest.approx(stats.spearmanr(np.arange(40), y).pvalue)
    assert math.isnan(spearman_p(x, np.ones(12)))


@pytest.mark.parametrize("n", [5, 30, 400])
def test_no_p_value_of_a_correlation_is_0(n):
    assert 0 < correlation_p(1.0, n) <= 2 / math.factorial(min(n, 20))
    assert correlation_p(-1.0, n) == correlation_p(1.0, n)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_has_no_correlation(value):
    x, y = np.array([1, 2, value, 4, 5]), np.arange(5.0)
    assert math.isnan(pearson(x, y)), "it was -1"
    assert math.isnan(pearson(y, x))
    assert math.isnan(spearman(x, y)) is math.isnan(value)


def test_answers_that_are_nearly_alike_have_a_correlation():
    y = np.arange(5, dtype=np.float32)
    assert pearson(y * np.float32(1e-25), y) == pytest.approx(1), "their squares are 0 in float32"
