"""The difference of a metric between two groups without a common subject."""

import math

import numpy as np
import pytest

from scantune.statistics.distributions import binomial_interval
from scantune.statistics.estimate import Estimate, undefined
from scantune.statistics.intervals import difference_of_groups
from scantune.tasks import scoring
from scantune.tasks.classification.settings import Classification
from scantune.tasks.predictions import PredictionTable


def wilson(k, n, z=1.959964):
    p, q = k / n, z * z / n
    centre, half = (p + q / 2) / (1 + q), z * math.sqrt(p * (1 - p) / n + q / (4 * n)) / (1 + q)
    return Estimate(p, centre - half, centre + half, "Wilson", n, n)


def exact(k, n):
    return Estimate(k / n, *binomial_interval(k, n), "exact", n, n)


@pytest.mark.parametrize(
    ("one", "other", "lower", "upper"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090), ((10, 10), (0, 10), 0.6075, 1)],
)
def test_shares_are_compared_as_in_the_published_examples(one, other, lower, upper):
    """Newcombe, Stat Med 1998;17:873, table II, method 10."""
    result = difference_of_groups(wilson(*one), wilson(*other))
    assert (result.lower, result.upper) == pytest.approx((lower, upper), abs=5e-5)


def test_a_group_without_an_error_is_not_known_for_certain():
    result = difference_of_groups(exact(6, 6), exact(28, 34))
    assert result.lower < 0 < result.upper
    assert result.p_value > 0.05


def test_the_p_value_is_that_of_the_interval_and_order_turns_the_sign():
    one, other = exact(30, 34), exact(12, 30)
    result, turned = difference_of_groups(one, other), difference_of_groups(other, one)
    assert (turned.lower, turned.upper) == pytest.approx((-result.upper, -result.lower))
    assert turned.p_value == pytest.approx(result.p_value)
    assert 0 < result.p_value < 0.05
    assert result.lower > 0
    touching = Estimate(0.5, 0.5 - 0.3, 0.8, n_subjects=30), Estimate(0.0, 0.0, 0.4, n_subjects=30)
    at_zero = difference_of_groups(*touching)
    assert at_zero.lower == pytest.approx(0)
    assert at_zero.p_value == pytest.approx(0.05)


def test_without_an_interval_of_a_group_there_is_none_of_the_difference():
    known = exact(20, 30)
    assert difference_of_groups(known, exact(4, 4)).reason == "no interval: 4 subjects, at least 5 are needed"
    withheld = Estimate(0.1, n=30, n_subjects=30, reason="no interval: too rare")
    assert difference_of_groups(known, withheld).reason == "no interval: too rare"
    assert difference_of_groups(undefined("no sample", 9, 9), known).reason == "no sample"


def test_equally_good_predictions_of_a_small_group_seldom_differ():
    """Of 6 subjects beside 34, as an SD of 0 for the 6 that are all right made of a quarter of them a difference."""
    found = {"accuracy": 0, "balanced_accuracy": 0}
    for seed in range(30):
        rng = np.random.default_rng(seed)
        target = rng.integers(0, 2, 40)
        p = 1 / (1 + np.exp(-(2 * target - 1 + rng.normal(size=40))))
        site = np.where(np.arange(40) < 6, "A", "B")
        table = PredictionTable.make({"target": target, "p/0": 1 - p, "p/1": p, "site": site})
        figures = scoring.evaluate(table, Classification(), draws=1, calibration="none")["subgroups"]["site"]["A"]
        for name in found:
            found[name] += (figures[name]["gap"]["p_value"] or 1) < 0.05
    assert max(found.values()) <= 3


def test_subjects_with_samples_on_both_sides_are_compared_within_themselves():
    """Half of each subject's samples are of view A: what makes subjects differ does not make the views differ."""
    rng = np.random.default_rng(0)
    subjects, error = np.repeat(np.arange(20), 2), np.repeat(rng.exponential(3, 20), 2)
    view = np.tile(["A", "B"], 20)
    target = rng.uniform(0, 30, 40)
    columns = {"subject_id": subjects.astype(str), "target": target, "view": view}
    table = PredictionTable.make(columns | {"prediction": target + error + (view == "A")})
    gap = scoring.evaluate(table, scoring.settings_of("regression"), draws=1)["subgroups"]["view"]["A"]["mae"]["gap"]
    assert gap["value"] == pytest.approx(1)
    assert gap["p_value"] is None or gap["p_value"] < 1e-6
