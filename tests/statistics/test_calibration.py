import json
import math

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from scantune.statistics import calibration
from scantune.statistics.resampling import Resampler


def simulated(n=4000, distort=2.0, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    positive = rng.random(n) < calibration.expit(truth)
    return calibration.expit(distort * truth), positive


def values(*statistics, n):
    found = Resampler(np.arange(n), 0).run(list(statistics))
    return {name: d.value for part in found for name, d in part.items()}


def test_slope_and_intercept_equal_scikit_learn():
    p, positive = simulated(600)
    found = values(calibration.slope_statistic(p, positive, np.arange(600)), n=600)
    expected = LogisticRegression(C=1e12, tol=1e-10).fit(calibration.logit(p)[:, None], positive)
    assert found["calibration_slope"] == pytest.approx(expected.coef_[0, 0], rel=1e-4)
    # in the large: mean predicted equals mean observed once the intercept is added
    moved = calibration.expit(calibration.logit(p) + found["calibration_intercept"])
    assert moved.mean() == pytest.approx(positive.mean(), abs=1e-6)


def test_overconfident_probabilities_have_a_slope_below_one_and_the_temperature_says_so():
    p, positive = simulated(distort=2.0)
    found = values(calibration.slope_statistic(p, positive, np.arange(4000)), n=4000)
    assert found["calibration_slope"] == pytest.approx(0.5, abs=0.05)
    fitted = calibration.fit_temperature(np.stack([1 - p, p], 1), positive.astype(int))
    assert fitted["temperature"] == pytest.approx(2.0, abs=0.2)
    assert json.loads(json.dumps(fitted)) == fitted
    after = calibration.apply(fitted, np.stack([1 - p, p], 1))[:, 1]
    again = values(calibration.slope_statistic(after, positive, np.arange(4000)), n=4000)
    assert again["calibration_slope"] == pytest.approx(1, abs=0.05)


def test_slope_of_draws_equals_that_of_their_rows():
    p, positive = simulated(200, seed=4)
    resampler = Resampler(np.arange(200), 20, 1)
    found = resampler.run([calibration.slope_statistic(p, positive, np.arange(200))])[0]
    for draw in (0, 13):
        taken = np.repeat(np.arange(200), resampler.weights(0)[:, draw].astype(int))
        alone = values(calibration.slope_statistic(p[taken], positive[taken], np.arange(len(taken))), n=len(taken))
        assert found["calibration_slope"].draws[draw] == pytest.approx(alone["calibration_slope"], rel=1e-6)
        assert found["calibration_intercept"].draws[draw] == pytest.approx(alone["calibration_intercept"], abs=1e-7)


@pytest.mark.parametrize("positive", [np.ones(20, bool), np.arange(20) > 9])
def test_one_class_or_separated_outcomes_have_no_slope(positive):
    p = np.linspace(0.05, 0.95, 20)
    found = values(calibration.slope_statistic(p, positive, np.arange(20)), n=20)
    assert math.isnan(found["calibration_slope"])


def test_ece_by_hand_and_of_perfect_calibration():
    # two bins of two: confidence .6, accuracy .5; confidence .9, accuracy 1
    found = values(
        calibration.ece_statistic(
            np.array([0.55, 0.65, 0.85, 0.95]), np.array([True, False, True, True]), np.arange(4), bins=2
        ),
        n=4,
    )
    assert found["ece"] == pytest.approx((0.1 + 0.1) / 2)
    sure = values(calibration.ece_statistic(np.ones(30), np.ones(30, bool), np.arange(30)), n=30)
    assert sure["ece"] == 0


def test_bins_hold_equal_numbers_and_equal_values_stay_together():
    rng = np.random.default_rng(0)
    sizes = np.bincount(calibration.mass_bins(rng.random(150)), minlength=15)
    assert (sizes == 10).all()
    tied = np.repeat([0.2, 0.7], 40)
    assert [len(set(calibration.mass_bins(tied)[part])) for part in (slice(0, 40), slice(40, 80))] == [1, 1]


def test_brier_and_log_loss_by_hand():
    p = np.array([[0.8, 0.2], [0.4, 0.6]])
    found = values(calibration.loss_statistic(p, np.array([0, 0]), np.arange(2), positive=1), n=2)
    assert found["brier"] == pytest.approx((0.04 + 0.36) / 2)
    assert found["log_loss"] == pytest.approx(-(math.log(0.8) + math.log(0.4)) / 2)
    summed = values(calibration.loss_statistic(p, np.array([0, 0]), np.arange(2), positive=None), n=2)
    assert summed["brier"] == pytest.approx(2 * (0.04 + 0.36) / 2)


def test_isotonic_equals_scikit_learn():
    p, positive = simulated(300, seed=2)
    fitted = json.loads(json.dumps(calibration.fit_isotonic(np.stack([1 - p, p], 1), positive.astype(int))))
    expected = IsotonicRegression(out_of_bounds="clip").fit(p, positive).predict(p)
    found = calibration.apply(fitted, np.stack([1 - p, p], 1))
    np.testing.assert_allclose(found[:, 1], expected, atol=1e-9)
    np.testing.assert_allclose(found.sum(1), 1)


def test_isotonic_of_three_classes_sums_to_one():
    rng = np.random.default_rng(3)
    p = rng.dirichlet(np.ones(3), 100)
    fitted = calibration.fit_isotonic(p, rng.integers(0, 3, 100))
    np.testing.assert_allclose(calibration.apply(fitted, p).sum(1), 1)


def test_temperature_keeps_the_order_and_is_one_where_it_cannot_be_fitted():
    p = np.array([[0.2, 0.8], [0.1, 0.9]])
    assert calibration.fit_temperature(p, np.array([1, 1]))["temperature"] == 1
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), 50)
    warmer = calibration.apply({"name": "temperature", "temperature": 3.0}, p)
    np.testing.assert_array_equal(warmer.argmax(1), p.argmax(1))
    assert warmer.max() < p.max()


def test_reliability_covers_all_rows():
    p, positive = simulated(100)
    found = calibration.reliability(p, positive)
    assert found.n.sum() == 100
    assert (found.probability * found.n).sum() == pytest.approx(p.sum())
    assert (found.observed * found.n).sum() == pytest.approx(positive.sum())


def test_a_temperature_can_be_undone_and_isotonic_maps_cannot():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(4), 30)
    after = calibration.apply({"name": "temperature", "temperature": 1.7}, p)
    before = calibration.undone({"name": "temperature", "temperature": 1.7}, after)
    assert np.allclose(before, p)
    assert calibration.undone({"name": "isotonic", "maps": []}, after) is None
    assert calibration.undone(None, after) is None
