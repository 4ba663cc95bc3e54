"""Intervals of what lies in 0 … 1: inside of it, and no wider than that of as many trials."""

import numpy as np
import pytest

from scantune.statistics.calibration import loss_statistic
from scantune.statistics.confusion import confusion_statistic
from scantune.statistics.discrimination import area_statistic, macro
from scantune.statistics.distributions import binomial_interval
from scantune.statistics.intervals import interval_of, jackknife_t
from scantune.statistics.resampling import Resampler
from scantune.tasks.plan import mean_statistic


def measured(statistic, n, subjects=None):
    return Resampler(np.arange(n) if subjects is None else subjects, 0).run([statistic])[0]


def test_a_brier_score_of_one_error_is_no_wider_than_a_share_of_one_error():
    """One sample of 30 is wrong for certain: a scaled chi-squared alone would reach up to .80."""
    rows, target = np.arange(30), np.arange(30) % 2
    called = np.where(rows == 0, 1 - target, target)
    result = interval_of(measured(loss_statistic(np.eye(2)[called], target, rows, 1), 30)["brier"], "loss", 30)
    assert 0 < result.lower < 1 / 30 < result.upper <= binomial_interval(1, 30)[1] + 1e-9


@pytest.mark.parametrize(("classes", "most"), [(2, 1), (5, 2)])
def test_a_brier_score_of_many_errors_stays_within_what_it_can_be(classes, most):
    rows, target = np.arange(7), np.arange(7) % classes
    called = np.where(rows < 4, (target + 1) % classes, target)
    positive = 1 if classes == 2 else None
    loss = measured(loss_statistic(np.eye(classes)[called], target, rows, positive), 7)["brier"]
    result = interval_of(loss, "loss", 7)
    assert loss.value == pytest.approx(most * 4 / 7)
    low, high = np.multiply(binomial_interval(4, 7), most)
    assert result.upper == pytest.approx(high)
    assert low <= result.lower < loss.value


def test_an_error_of_two_of_six_subjects_does_not_reach_tens_of_times_its_value():
    """The scaled chi-squared of two or three degrees of freedom has hardly a lower end: it reached up to 10."""
    error = np.array([1.0, 1, 0, 0, 0, 0])
    named = measured(mean_statistic({"mae": error}, np.arange(6), {"mae": "positive"}), 6)["mae"]
    result = interval_of(named, "positive", 6)
    assert 0 < result.lower < 1 / 3
    assert 1 < result.upper < 10 / 3


def test_an_error_of_a_subject_with_nearly_all_samples_has_no_interval():
    """Without that subject it is twelve times as large: on the log scale it would reach to a million times itself."""
    subjects, error = np.r_[np.zeros(56, int), np.arange(1, 5)], np.r_[np.zeros(56), 10, 0, 0, 0]
    named = measured(mean_statistic({"mae": error}, np.arange(60), {"mae": "positive"}), 60, subjects)["mae"]
    assert interval_of(named, "positive", 5).reason == "no interval: one subject has almost all of its samples"
    alone = measured(mean_statistic({"mae": np.eye(9)[0]}, np.arange(9), {"mae": "positive"}), 9)["mae"]
    assert interval_of(alone, "positive", 9).lower > 0


def test_a_mean_of_overlaps_that_one_sample_lacks_is_no_wider_than_a_share():
    rows, dice = np.arange(5), np.array([1.0, 1, 1, 1, 0])
    result = interval_of(measured(mean_statistic({"dice": dice}, rows, {"dice": "unit"}), 5)["dice"], "unit", 5)
    assert (result.lower, result.upper) == pytest.approx(binomial_interval(4, 5))


def test_macro_f1_with_a_class_of_one_subject_is_no_wider_than_the_mean_over_classes():
    """Without that subject the class is none, and the mean over the other alone: .0018 to .998 of Student's t."""
    target = np.arange(40) == 0
    statistic = confusion_statistic(target.astype(int), np.zeros(40, int), ("no", "yes"), np.arange(40))
    f1 = measured(statistic, 40)["f1_macro"]
    result = interval_of(f1, "f1_macro", 40)
    (low, high), (none, some) = binomial_interval(39, 40), binomial_interval(0, 1)
    expected = [(2 * a / (1 + a) + 2 * b / (1 + b)) / 2 for a, b in ((low, none), (high, some))]
    assert (result.lower, result.upper) == pytest.approx(expected)


def test_macro_auroc_is_no_wider_than_the_mean_of_its_classes_shares():
    rng = np.random.default_rng(2)
    rows, target = np.arange(40), np.minimum(np.arange(40) // 2, 2)  # two subjects of each rare class
    scores = rng.normal(size=(40, 3)) + np.eye(3)[target]
    scores[0, 0], scores[2, 1] = -9, 9
    area = measured(macro([area_statistic(scores[:, k], target == k, rows, f"/{k}") for k in range(3)], rows), 40)
    result = interval_of(area["auroc"], "area", 40)
    ends = [binomial_interval(area[f"auroc/{k}"].value * n, n) for k, n in enumerate((2, 2, 4))]
    alone = jackknife_t(area["auroc"].value, area["auroc"].jackknife, "area")
    assert result.lower == pytest.approx(max(alone.lower, np.mean([low for low, _ in ends])))
    assert result.upper == pytest.approx(min(alone.upper, np.mean([high for _, high in ends])))


def test_a_subject_with_nearly_all_samples_counts_as_little_more_than_one():
    subjects = np.r_[np.zeros(40, int), np.arange(1, 5)]
    dice = np.where(np.arange(44) < 42, 0.9, 0.1)
    named = measured(mean_statistic({"dice": dice}, np.arange(44), {"dice": "unit"}), 44, subjects)["dice"]
    result = interval_of(named, "unit", 5)
    alone = jackknife_t(named.value, named.jackknife, "unit")
    assert (result.lower, result.upper) == pytest.approx((alone.lower, alone.upper))  # 1.2 trials say nothing
