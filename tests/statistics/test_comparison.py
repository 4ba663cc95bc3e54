import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scantune.statistics.baselines import design, linear, logistic, prevalence
from scantune.statistics.comparison import equivalence, holm, mcnemar, non_inferiority, non_inferiority_p
from scantune.statistics.decision import THRESHOLDS, decision_statistic
from scantune.statistics.resampling import Resampler


def test_mcnemar_by_hand_and_equal_to_the_binomial_test():
    first = np.array([True] * 12 + [False] * 5 + [True] * 40 + [False] * 3)
    second = np.array([False] * 12 + [True] * 5 + [True] * 40 + [False] * 3)
    result = mcnemar(first, second)
    assert (result.only_first, result.only_second) == (12, 5)
    assert result.p_exact == pytest.approx(stats.binomtest(5, 17).pvalue)
    assert result.p_mid == pytest.approx(result.p_exact - stats.binom.pmf(5, 17, 0.5))
    assert mcnemar(first, first).p_exact == 1
    assert mcnemar(second, first).p_mid == pytest.approx(result.p_mid)


@pytest.mark.parametrize("n", [2, 10])
def test_mcnemar_with_equal_discordance_is_one_and_mid_p_below(n):
    first = np.arange(n) < n // 2
    result = mcnemar(first, ~first)
    assert result.p_exact == 1
    assert result.p_mid == pytest.approx(1 - stats.binom.pmf(n // 2, n, 0.5))


def test_holm_by_hand():
    result = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": None})
    assert result == {"a": pytest.approx(0.03), "b": pytest.approx(0.06), "c": pytest.approx(0.06), "d": None}


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 1), min_size=1))
def test_holm_never_lowers_a_p_value_and_keeps_their_order(p_values):
    result = holm(p_values)
    assert all(result[k] >= p for k, p in p_values.items())
    ordered = sorted(p_values, key=lambda k: p_values[k])
    assert all(result[a] <= result[b] for a, b in zip(ordered, ordered[1:]))  # noqa: RUF007


@pytest.mark.parametrize(
    ("lower", "upper", "lower_is_better", "holds", "superior"),
    [
        (-0.01, 0.05, False, True, False),
        (-0.03, 0.05, False, False, False),
        (0.01, 0.05, False, True, True),
        (-0.05, 0.01, True, True, False),
        (-0.05, -0.01, True, True, True),
        (-0.05, 0.03, True, False, False),
    ],
)
def test_non_inferiority_reads_the_worse_end(lower, upper, lower_is_better, holds, superior):
    result = non_inferiority(lower, upper, 0.02, lower_is_better=lower_is_better)
    assert (result.holds, result.superior) == (holds, superior)


def test_non_inferiority_without_an_interval_is_undecided():
    assert non_inferiority(None, None, 0.02, lower_is_better=False).holds is None


def test_net_benefit_of_all_and_none():
    positive = np.arange(200) < 20
    result = Resampler(np.arange(200), 0).run([decision_statistic(positive.astype(float), positive, np.arange(200))])[0]
    assert result["model/50"].value == pytest.approx(0.1)  # a perfect model gains the prevalence
    tenth = int(np.argmin(np.abs(THRESHOLDS - 0.1)))
    assert result[f"all/{tenth}"].value == pytest.approx(0, abs=1e-12)


def test_linear_baseline_equals_least_squares_and_fills_what_is_missing():
    rng = np.random.default_rng(0)
    age = rng.uniform(10, 80, 50)
    sex = np.array(["F", "M"], dtype=object)[rng.integers(0, 2, 50)]
    y = 0.1 * age + 3 * (sex == "M")
    x, new, names = design(
        {"age": age, "sex": sex}, {"age": np.array([50.0, np.nan]), "sex": np.array(["M", "X"], object)}
    )
    assert names == ["age", "sex=M"]
    result = linear(x, y, new)
    assert result[0] == pytest.approx(8)
    assert result[1] == pytest.approx(0.1 * age.mean())


def test_logistic_baseline_equals_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(1)
    x = rng.normal(size=(150, 2))
    for classes in (2, 3):
        y = np.clip((x[:, 0] + rng.normal(size=150) > 0).astype(int) + (x[:, 1] > 0.5) * (classes - 2), 0, classes - 1)
        expected = LogisticRegression(C=1 if classes > 2 else 0.5, tol=1e-8, max_iter=500).fit(x, y).predict_proba(x)
        # With two classes ours penalises both columns of coefficients, ±β/2 each: half of scikit-learn's penalty.
        result = logistic(x, y, x, classes, ridge=1.0 if classes > 2 else 4.0)
        np.testing.assert_allclose(result, expected, atol=2e-3)
        assert logistic(np.empty((150, 0)), y, np.empty((1, 0)), classes) == pytest.approx(prevalence(y, classes, 1))


def test_separated_classes_keep_finite_probabilities():
    x = np.arange(20.0)[:, None] - 10
    result = logistic(x / 5, (x[:, 0] > 0).astype(int), x / 5, 2)
    assert ((result > 0) & (result < 1)).all()


def test_equivalence_is_two_one_sided_tests_and_their_interval():
    x = np.random.default_rng(0).normal(0.1, 1, 50)
    error, df = stats.sem(x), 49
    for margin in (0.2, 0.5):
        result = equivalence(float(x.mean()), error, df, margin)
        tests = [
            stats.ttest_1samp(x, -margin, alternative="greater").pvalue,
            stats.ttest_1samp(x, margin, alternative="less").pvalue,
        ]
        assert result.p_value == pytest.approx(max(tests))
        assert (result.lower, result.upper) == pytest.approx(stats.t.interval(0.9, df, x.mean(), error))
        assert result.holds == (-margin < result.lower and result.upper < margin)


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_non_inferiority_has_the_p_value_of_its_interval(lower_is_better):
    x = np.random.default_rng(1).normal(0.0, 1, 30)
    value, error = float(x.mean()), float(stats.sem(x))
    interval = stats.t.interval(0.95, 29, value, error)
    for margin in (0.1, 0.3, 0.5):
        p = non_inferiority_p(value, error, 29, margin, lower_is_better=lower_is_better)
        assert (p < 0.025) == non_inferiority(*interval, margin, lower_is_better=lower_is_better).holds
    assert non_inferiority_p(value, error, math.inf, 0, lower_is_better=False) == pytest.approx(
        stats.norm.sf(value / error)
    )
