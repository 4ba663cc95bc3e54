import math

import pytest
from scipy import stats

from scantune.statistics import distributions as d


@pytest.mark.parametrize("df", [1, 2, 5, 16, 200.5])
@pytest.mark.parametrize("t", [0.0, 0.3, -2.1, 12.0])
def test_students_t_equals_scipy(t, df):
    assert d.t_two_sided(t, df) == pytest.approx(2 * stats.t.sf(abs(t), df), rel=1e-10)


@pytest.mark.parametrize("p", [0.025, 0.5, 0.975, 0.999])
@pytest.mark.parametrize("df", [(1, 3), (5, 12.7), (40, 2)])
def test_quantiles_equal_scipy(p, df):
    assert d.f_quantile(p, *df) == pytest.approx(stats.f.ppf(p, *df), rel=1e-8)
    assert d.t_quantile(p, df[1]) == pytest.approx(stats.t.ppf(p, df[1]), rel=1e-8, abs=1e-12)
    assert d.chi2_quantile(p, df[0]) == pytest.approx(stats.chi2.ppf(p, df[0]), rel=1e-8)
    assert d.beta_quantile(p, *df) == pytest.approx(stats.beta.ppf(p, *df), rel=1e-8)


@pytest.mark.parametrize("x", [0.01, 1.0, 2.534, 30.0])
def test_chi_squared_equals_scipy(x):
    for df in (1, 2, 7):
        assert d.chi2_sf(x, df) == pytest.approx(stats.chi2.sf(x, df), rel=1e-8, abs=1e-14)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (50, 170)])
def test_exact_binomial_interval_equals_scipy(k, n):
    expected = stats.binomtest(k, n).proportion_ci(method="exact")
    assert d.binomial_interval(k, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_normal_tails_and_ends():
    assert d.normal_cdf(-9) == pytest.approx(stats.norm.cdf(-9), rel=1e-10)
    assert d.normal_quantile(0) == -math.inf
    assert d.normal_quantile(1) == math.inf
