"""Kaplan–Meier, Cox, Breslow and the log-rank test against lifelines and the textbooks' example."""

import numpy as np
import pytest

from scantune.statistics.distributions import chi2_sf
from scantune.tasks.survival import analyses, estimators
from scantune.tasks.survival.analyses import log_rank
from tests.tasks.survival import worked

ONE = np.ones((len(worked.TIME), 1))


def test_kaplan_meier_of_the_leukaemia_trial_is_that_of_the_textbooks():
    treated = worked.PLACEBO == 0
    free = estimators.survival(worked.WEEKS[treated], worked.RELAPSED[treated], np.ones((21, 1)))
    published = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    survival = free.at(np.array(list(published), float))[:, 0]
    np.testing.assert_allclose(survival, list(published.values()), atol=5e-4)


def test_cox_and_log_rank_of_the_leukaemia_trial_are_those_of_the_textbooks():
    fit = estimators.fit_cox(worked.WEEKS, worked.RELAPSED, worked.PLACEBO[:, None])
    assert fit.converged
    assert fit.coefficients[0] == pytest.approx(1.572, abs=5e-4)  # Efron; a hazard ratio of 4.82
    (chi2,), (df,) = log_rank(worked.WEEKS, worked.RELAPSED, worked.PLACEBO[None])
    assert df == 1
    assert chi2 == pytest.approx(16.79, abs=5e-3)


def test_kaplan_meier_cox_breslow_and_log_rank_equal_lifelines():
    free = estimators.survival(worked.TIME, worked.EVENT, ONE).at(np.array(worked.HORIZONS))
    np.testing.assert_allclose(free[:, 0], worked.KAPLAN_MEIER, atol=1e-6)
    fit = estimators.fit_cox(worked.TIME, worked.EVENT, worked.RISK[:, None])
    assert fit.coefficients[0] == pytest.approx(worked.COX, abs=1e-6)
    assert fit.log_likelihood == pytest.approx(worked.COX_LOG_LIKELIHOOD, abs=1e-6)
    score = fit.coefficients[0] * (worked.RISK - worked.RISK.mean())
    hazard = estimators.breslow(worked.TIME, worked.EVENT, score, np.array(worked.HORIZONS))
    np.testing.assert_allclose(hazard, worked.BRESLOW, atol=1e-6)
    assert log_rank(worked.TIME, worked.EVENT, worked.GROUP[None])[0][0] == pytest.approx(worked.LOG_RANK, abs=1e-6)


def test_the_log_rank_test_of_few_samples_is_as_rarely_significant_as_it_says(monkeypatch):
    """Two, five and eight samples whose times are alike; a seventh of them are censored. χ² rejects twice too often."""
    monkeypatch.setattr(analyses, "PERMUTATIONS", 200)
    random, group, p = np.random.default_rng(1), np.repeat([0, 1, 2], [2, 5, 8]), []
    for _ in range(400):
        time, ends = random.exponential(1, 15), random.exponential(6, 15)
        event, time = time <= ends, np.minimum(time, ends)
        (chi2,), (df,) = log_rank(time, event, group[None])
        p.append((analyses._by_permutation(time, event, group, chi2), chi2_sf(chi2, df)))
    by_permutation, by_chi2 = (np.array(p) < 0.05).mean(0)
    assert by_permutation == pytest.approx(0.05, abs=0.02)
    assert by_chi2 > 0.08
    order = random.permutation(15)
    assert analyses._by_permutation(time[order], event[order], group[order], chi2) == p[-1][0]


def test_a_weight_is_a_number_of_copies():
    rng = np.random.default_rng(0)
    weights = rng.integers(0, 3, (len(worked.TIME), 4)).astype(float)
    at = np.array(worked.HORIZONS)
    for k in (0, 1):
        weighted = estimators.survival_and_censoring(worked.TIME, worked.EVENT, weights)[k].at(at)
        for b in range(4):
            times, events = (np.repeat(a, weights[:, b].astype(int)) for a in (worked.TIME, worked.EVENT))
            copies = estimators.survival_and_censoring(times, events, np.ones((len(times), 1)))[k].at(at)
            np.testing.assert_allclose(weighted[:, b], copies[:, 0], atol=1e-12)


def test_the_order_of_rows_and_the_unit_of_time_change_nothing():
    order = np.random.default_rng(1).permutation(len(worked.TIME))
    fit = estimators.fit_cox(worked.TIME[order] * 365.25, worked.EVENT[order], worked.RISK[order, None])
    assert fit.coefficients[0] == pytest.approx(worked.COX, abs=1e-8)
    hazard = estimators.breslow(worked.TIME, worked.EVENT, worked.RISK, np.array([1.0, 11.0]))
    assert np.isfinite(hazard[0])
    assert np.isnan(hazard[1])  # nobody is followed so long
