import json
import math

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from scantune.statistics import calibration
from scantune.statistics.resampling import Resampler


def simulated(n=4000, distort=2.0, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    positive = rng.random(n) < calibration.expit(truth)
    return calibration.expit(distort * truth), positive


def values(*statistics, n):
    completed = Resampler(np.arange(n), 0).run(list(statistics))
    return {name: d.value for part in completed for name, d in part.items()}


def test_ece_by_hand_and_of_perfect_calibration():
    # two bins of two: confidence .6, accuracy .5; confidence .9, accuracy 1
    result = values(
        calibration.ece_statistic(
            np.array([0.55, 0.65, 0.85, 0.95]), np.array([True, False, True, True]), np.arange(4), bins=2
        ),
        n=4,
    )
    assert result["ece"] == pytest.approx((0.1 + 0.1) / 2)
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
    result = values(calibration.loss_statistic(p, np.array([0, 0]), np.arange(2), positive=1), n=2)
    assert result["brier"] == pytest.approx((0.04 + 0.36) / 2)
    assert result["log_loss"] == pytest.approx(-(math.log(0.8) + math.log(0.4)) / 2)
    summed = values(calibration.loss_statistic(p, np.array([0, 0]), np.arange(2), positive=None), n=2)
    assert summed["brier"] == pytest.approx(2 * (0.04 + 0.36) / 2)


def test_isotonic_equals_scikit_learn():
    p, positive = simulated(300, seed=2)
    fitted = json.loads(json.dumps(calibration.fit_isotonic(np.stack([1 - p, p], 1), positive.astype(int))))
    expected = IsotonicRegression(out_of_bounds="clip").fit(p, positive).predict(p)
    result = calibration.apply(fitted, np.stack([1 - p, p], 1))
    np.testing.assert_allclose(result[:, 1], expected, atol=1e-9)
    np.testing.assert_allclose(result.sum(1), 1)


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
    result = calibration.reliability(p, positive)
    assert result.n.sum() == 100
    assert (result.probability * result.n).sum() == pytest.approx(p.sum())
    assert (result.observed * result.n).sum() == pytest.approx(positive.sum())


def test_bins_of_a_reliability_curve_have_equal_numbers_and_equal_scores_share_one():
    score = np.linspace(0.05, 0.95, 10)
    result = calibration.reliability(score, score > 0.5, 5)
    assert result.n.tolist() == [2, 2, 2, 2, 2]
    assert result.observed.tolist() == [0, 0, 0.5, 1, 1]
    assert calibration.reliability(np.full(4, 0.5), np.array([0, 1, 1, 0]), 4).n.tolist() == [4]


def test_a_temperature_can_be_undone_and_isotonic_maps_cannot():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(4), 30)
    after = calibration.apply({"name": "temperature", "temperature": 1.7}, p)
    before = calibration.undone({"name": "temperature", "temperature": 1.7}, after)
    assert np.allclose(before, p)
    assert calibration.undone({"name": "isotonic", "maps": []}, after) is None
    assert calibration.undone(None, after) is None
