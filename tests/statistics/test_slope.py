"""Calibration slope and intercept against scikit-learn, in draws, and with groups left out."""

import json
import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from scantune.statistics import calibration
from scantune.statistics.degrees import standard_error
from scantune.statistics.resampling import Resampler
from scantune.statistics.slope import slope_statistic


def simulated(n=4000, distort=2.0, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    positive = rng.random(n) < calibration.expit(truth)
    return calibration.expit(distort * truth), positive


def values(*statistics, n):
    completed = Resampler(np.arange(n), 0).run(list(statistics))
    return {name: d.value for part in completed for name, d in part.items()}


def test_slope_and_intercept_equal_scikit_learn():
    p, positive = simulated(600)
    result = values(slope_statistic(p, positive, np.arange(600)), n=600)
    expected = LogisticRegression(C=1e12, tol=1e-10).fit(calibration.logit(p)[:, None], positive)
    assert result["calibration_slope"] == pytest.approx(expected.coef_[0, 0], rel=1e-4)
    # in the large: mean predicted equals mean observed once the intercept is added
    moved = calibration.expit(calibration.logit(p) + result["calibration_intercept"])
    assert moved.mean() == pytest.approx(positive.mean(), abs=1e-6)


def test_overconfident_probabilities_have_a_slope_below_one_and_the_temperature_says_so():
    p, positive = simulated(distort=2.0)
    result = values(slope_statistic(p, positive, np.arange(4000)), n=4000)
    assert result["calibration_slope"] == pytest.approx(0.5, abs=0.05)
    fitted = calibration.fit_temperature(np.stack([1 - p, p], 1), positive.astype(int))
    assert fitted["temperature"] == pytest.approx(2.0, abs=0.2)
    assert json.loads(json.dumps(fitted)) == fitted
    after = calibration.apply(fitted, np.stack([1 - p, p], 1))[:, 1]
    again = values(slope_statistic(after, positive, np.arange(4000)), n=4000)
    assert again["calibration_slope"] == pytest.approx(1, abs=0.05)


def test_slope_of_draws_equals_that_of_their_rows():
    p, positive = simulated(200, seed=4)
    resampler = Resampler(np.arange(200), 20, 1)
    result = resampler.run([slope_statistic(p, positive, np.arange(200))])[0]
    for draw in (0, 13):
        taken = np.repeat(np.arange(200), resampler.weights(0)[:, draw].astype(int))
        alone = values(slope_statistic(p[taken], positive[taken], np.arange(len(taken))), n=len(taken))
        assert result["calibration_slope"].draws[draw] == pytest.approx(alone["calibration_slope"], rel=1e-6)
        assert result["calibration_intercept"].draws[draw] == pytest.approx(alone["calibration_intercept"], abs=1e-7)


@pytest.mark.parametrize("positive", [np.ones(20, bool), np.arange(20) > 9])
def test_one_class_or_separated_outcomes_have_no_slope(positive):
    p = np.linspace(0.05, 0.95, 20)
    result = values(slope_statistic(p, positive, np.arange(20)), n=20)
    assert math.isnan(result["calibration_slope"])


def test_one_step_without_a_group_is_the_fit_without_it():
    p, positive = simulated(1200)
    statistic = slope_statistic(p, positive, np.arange(1200))
    assert statistic.leave_out is not None
    groups = np.arange(1200) % 100
    exact = statistic.figures((groups[:, None] != np.arange(100)).astype(float))
    for name, values in statistic.leave_out(groups, 100).items():
        assert values == pytest.approx(exact[name], abs=2e-3)
        assert standard_error(values) == pytest.approx(standard_error(exact[name]), rel=0.01)
    assert slope_statistic(p[:900], positive[:900], np.arange(900)).leave_out is None  # few: exact
