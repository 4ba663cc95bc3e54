"""Intervals by hand, by what they must not depend on, and by how often they hold the truth."""

import math

import numpy as np
import pytest
from scipy import stats

from benchmarks import coverage
from benchmarks.coverage_cohorts import binary
from benchmarks.coverage_tables import line
from scantune.statistics.discrimination import area_statistic, delong_interval, macro
from scantune.statistics.distributions import binomial_interval, mid_p_interval
from scantune.statistics.intervals import interval_of, jackknife_t, limits_of_agreement, scaled_chi2, spread
from scantune.statistics.resampling import Distribution, Resampler, Share
from scantune.statistics.trials import effective_trials, perfect_mean, share_interval, too_rare
from scantune.tasks.plan import mean_statistic


def mean_of(x: np.ndarray) -> Distribution:
    statistic = mean_statistic({"mean": x}, np.arange(len(x)), {"mean": "real"})
    return Resampler(np.arange(len(x)), 0).run([statistic])[0]["mean"]


def test_of_a_mean_it_is_students_t():
    x = np.random.default_rng(0).uniform(size=20)  # flatter than the normal: all degrees of freedom count
    result = interval_of(mean_of(x), "real", 20)
    expected = stats.t.interval(0.95, 19, x.mean(), stats.sem(x))
    assert (result.lower, result.upper) == pytest.approx(expected)
    assert result.p_value == pytest.approx(stats.ttest_1samp(x, 0).pvalue)


def test_few_subjects_that_carry_the_metric_leave_few_degrees_of_freedom():
    even, one = np.tile([0.0, 1.0], 10), np.eye(20)[0]
    assert spread(even)[1] == 19
    assert spread(one)[1] == 3


def test_shares_are_the_exact_and_the_mid_p_interval():
    for k, n in ((0, 6), (6, 6)):
        assert mid_p_interval(k, n) == binomial_interval(k, n)
    lower, upper = mid_p_interval(9, 12)
    for p, tail in ((lower, stats.binom.sf(9, 12, lower)), (upper, stats.binom.cdf(8, 12, upper))):
        assert tail + 0.5 * stats.binom.pmf(9, 12, p) == pytest.approx(0.025, abs=1e-9)
    ones = np.ones(12)
    result = share_interval([Share((np.arange(12) < 9).astype(float), ones)])
    assert (result.lower, result.upper) == (lower, upper)


def test_trials_of_one_subject_count_as_one_where_they_always_agree():
    trials = np.full(20, 4.0)
    alike = Share(np.where(np.arange(20) < 15, 4.0, 0.0), trials)
    k, n, independent = effective_trials(alike)
    assert not independent
    assert k / n == pytest.approx(0.75)
    assert 15 < n < 20
    mixed = Share(np.full(20, 3.0), trials)
    assert effective_trials(mixed)[1] > 60


def test_errors_of_few_subjects_leave_few_degrees_of_freedom():
    """Of 60 subjects with 3 trials each two fail in all of theirs."""
    trials = np.full(60, 3.0)
    two = np.where(np.arange(60) < 2, 0.0, 3.0)
    k, n, _ = effective_trials(Share(two, trials))
    deviations = two - 174 / 180 * trials
    effect = 60 / 59 * (deviations**2).sum() / 180**2 / (174 / 180 * 6 / 180 / 180)
    kurtosis = stats.kurtosis(deviations, bias=False) + 3
    df = max(3.0, 2 * 59 / (1.3 * kurtosis - 1))
    assert n == pytest.approx(180 / effect * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, df)) ** 2)
    assert k / n == pytest.approx(174 / 180)


def test_limits_of_agreement_are_close_to_the_exact_ones_of_normal_differences():
    """Against the noncentral t of a normal quantile (Carkeet, Optom Vis Sci 2015;92:e71)."""
    d = stats.norm.ppf((np.arange(1, 41) - 0.5) / 40)
    sums = d.sum(), (d**2).sum()
    left = [(sums[0] - v) / 39 for v in d], [math.sqrt((sums[1] - v * v - (sums[0] - v) ** 2 / 39) / 38) for v in d]
    bias, sd = (Distribution(v, np.empty(0), np.array(j)) for v, j in zip((d.mean(), d.std(ddof=1)), left, strict=True))
    _, upper = limits_of_agreement(bias, sd, 1.96, 40)
    exact = [stats.nct.ppf(q, 39, 1.96 * math.sqrt(40)) / math.sqrt(40) * d.std(ddof=1) for q in (0.025, 0.975)]
    assert (upper.lower, upper.upper) == pytest.approx(exact, rel=0.1)


@pytest.mark.parametrize("kind", ["real", "correlation", "unit", "below_one"])
def test_bounds_lie_on_the_scale(kind):
    left = 0.9 + np.random.default_rng(1).normal(0, 0.02, 12)
    result = jackknife_t(0.9, np.minimum(left, 1.0), kind)
    assert result.lower < 0.9 < result.upper
    assert kind == "real" or result.upper < 1
    assert kind not in ("correlation", "unit") or result.lower > (0 if kind == "unit" else -1)


@pytest.mark.heavy
@pytest.mark.parametrize("repeats", [False, True])
@pytest.mark.parametrize("scenario", coverage.SCENARIOS, ids=lambda s: s.name)
def test_coverage_at_30_subjects(scenario, repeats):
    """The bench in short: 250 cohorts tell .93 from .88 (three standard errors of a share of .93 are .048)."""
    for row in coverage.cell(scenario, 30, repeats, 250, beside=False):
        assert row["coverage"] > 0.882, line(row)
        assert max(row["below"], row["above"]) < 0.1, line(row)


@pytest.mark.heavy
@pytest.mark.parametrize("subjects", [15, 30, 60])
def test_two_equal_models_differ_in_five_percent(subjects):
    for name, share in coverage.type_one(subjects, 400).items():
        assert share < 0.06 + 3 * math.sqrt(0.06 * 0.94 / 400), name


def test_a_mean_of_perfect_shares_has_the_exact_bound_of_all_their_trials():
    assert perfect_mean([12]) == pytest.approx(binomial_interval(12, 12)[0])
    assert perfect_mean([6] * 10) == pytest.approx(binomial_interval(60, 60)[0])  # alike: one share of all trials
    # 2 and 8 trials: c solves (2c)² (8c)⁸ = .025 with 8c below 1, so p = 2c and 8c, unless the second reaches 1
    p = 0.025**0.5, 1.0
    c = (0.025 / (2**2 * 8**8)) ** 0.1
    assert perfect_mean([2, 8]) == pytest.approx((2 * c + 8 * c) / 2 if 8 * c < 1 else sum(p) / 2)
    assert perfect_mean([2, 8]) == perfect_mean([8, 2]) < perfect_mean([5, 5])


@pytest.mark.parametrize(("positives", "total", "fewest"), [(9, 20, 10), (3, 30, None), (10, 20, None)])
def test_a_brier_score_of_a_rare_class_has_no_interval(positives, total, fewest):
    result = too_rare((np.arange(2 * total) < 2 * positives).astype(int), 2, np.arange(2 * total) // 2)
    assert (result is None) == (fewest is None)
    if result is not None:
        assert result.reason.startswith(f"no interval: {positives} of {total} subjects")
        assert f"{fewest} of it are needed, or 30 in all" in result.reason


def test_a_mean_of_shares_is_that_of_their_trials():
    """Equal shares of two classes of 40 and 10: as 4 / (1/40 + 1/10) = 32 trials."""
    classes = [np.r_[np.ones(30), np.zeros(10)], np.r_[np.ones(8), np.zeros(2)]]
    member = [np.r_[np.ones(40), np.zeros(10)], np.r_[np.zeros(40), np.ones(10)]]
    shares = tuple(
        Share(np.r_[c, np.zeros(50 - len(c))] if k == 0 else np.r_[np.zeros(40), c], m)
        for k, (c, m) in enumerate(zip(classes, member, strict=True))
    )
    mean = (0.75 + 0.8) / 2
    result = interval_of(Distribution(mean, np.empty(0), np.empty(0), shares=shares), "mean_of_shares", 50)
    variance = 0.75 * 0.25 / 40 + 0.8 * 0.2 / 10
    trials = min(4 * mean * (1 - mean) / variance, 32)
    assert (result.lower, result.upper) == pytest.approx(mid_p_interval(mean * trials, trials))


def test_a_macro_auroc_of_one_counts_the_subjects_of_all_classes():
    """Ten classes of six subjects ranked without fault: .94, not the .54 of six trials."""
    y = np.repeat(np.arange(10), 6)
    scores, rows = np.eye(10)[y] + np.linspace(0, 0.01, 60)[:, None], np.arange(60)
    statistic = macro([area_statistic(scores[:, k], y == k, rows, f"/{k}") for k in range(10)], rows)
    named = Resampler(rows, 0).run([statistic])[0]
    result = interval_of(named["auroc"], "unit", 60)
    assert (result.lower, result.upper) == (pytest.approx(binomial_interval(60, 60)[0]), 1.0)
    each = interval_of(named["auroc/3"], "unit", 60)
    assert each.lower == pytest.approx(binomial_interval(6, 6)[0])


@pytest.mark.parametrize("several", [False, True])
def test_an_auroc_that_one_subject_decides_has_no_interval_down_to_nothing(several):
    """A positive below all negatives: Student's t of one degree of freedom alone would reach down to .02."""
    rows, scores = np.arange(60), np.r_[np.linspace(0, 1, 30), -1, np.linspace(2, 3, 29)]
    positive, subjects = rows >= 30, np.r_[rows[:-1], 58] if several else rows
    named = Resampler(subjects, 0).run([area_statistic(scores, positive, rows)])[0]
    result = interval_of(named["auroc"], "area", 60)
    n = 29**2 / 29 if not several else 30**2 / (28 + 2**2)
    assert named["auroc"].value == pytest.approx(29 / 30)
    assert result.lower == pytest.approx(binomial_interval(29 / 30 * n, n)[0], abs=0.02)
    alone = jackknife_t(named["auroc"].value, named["auroc"].jackknife, "unit")
    assert alone.lower < result.lower < 29 / 30 < result.upper < 1
    assert delong_interval(scores, positive)[0] == pytest.approx(binomial_interval(29, 30)[0])


def test_kappas_interval_is_centred_on_the_value_less_its_bias():
    left = 0.8 + np.linspace(-0.02, 0.01, 16)  # below the value on average: it is biased downwards
    plain, corrected = (jackknife_t(0.8, left, kind) for kind in ("correlation", "kappa"))
    middle = [math.atanh(result.lower) + math.atanh(result.upper) for result in (plain, corrected)]
    shift = 15 * (math.atanh(0.8) - float(np.arctanh(left).mean()))
    assert middle[0] / 2 == pytest.approx(math.atanh(0.8))
    assert middle[1] / 2 == pytest.approx(math.atanh(0.8) + shift)


def test_one_subject_that_makes_up_almost_all_of_a_mean_gives_no_absurd_upper_end():
    squares = np.full(269, 0.0003)
    squares[7] = 1.0
    left = (squares.sum() - squares) / 268
    result = scaled_chi2(float(squares.mean()), left, 0.95, 1, 1.0)
    assert result is not None
    assert "log scale" in str(result.method)
    assert result.lower is not None
    assert result.upper is not None
    assert result.lower < squares.mean() < result.upper < 30 * squares.mean()


def test_on_the_log_scale_it_contains_the_truth_where_few_errors_make_up_the_score():
    make = binary(0.2, 2.9)
    large = make(np.random.default_rng(9), 200_000, False)
    truth = ((large["p/1"] - large["target"]) ** 2).mean()
    contained = []
    for cohort in range(1200):
        columns = make(np.random.default_rng([30, cohort]), 30, False)
        square = (columns["p/1"] - columns["target"]) ** 2
        result = scaled_chi2(float(square.mean()), (square.sum() - square) / 29, 0.95, 1, 2.0)
        if result is not None and "log scale" in str(result.method):
            contained.append(result.lower <= truth <= result.upper)
    assert len(contained) > 300
    assert np.mean(contained) > 0.94
