import json
import math

import numpy as np
import pytest

from scantune.statistics import conformal


@pytest.mark.parametrize(("n", "alpha", "k"), [(19, 0.1, 18), (9, 0.1, 9), (8, 0.1, 9), (100, 0.1, 91), (39, 0.05, 38)])
def test_rank_by_hand(n, alpha, k):
    assert conformal.rank(n, alpha) == k


def test_quantile_is_the_score_of_that_rank_and_infinite_for_too_few():
    scores = np.arange(1.0, 20)
    np.random.default_rng(0).shuffle(scores)
    assert conformal.quantile(scores, 0.1) == 18
    assert conformal.quantile(np.arange(8.0), 0.1) == math.inf
    assert conformal.fit(np.arange(8.0), 0.1)["quantile"] is None


def test_a_subject_counts_once_however_many_samples_it_gave():
    scores = np.arange(1.0, 20)
    subjects = np.arange(19)
    repeated = conformal.quantile(np.repeat(scores, 4), 0.1, np.repeat(subjects, 4))
    assert repeated == conformal.quantile(scores, 0.1)
    flooded = np.concatenate([scores, np.full(500, 100.0)])
    assert conformal.quantile(flooded, 0.1, np.concatenate([subjects, np.full(500, 18)])) == 18


def test_coverage_in_simulation_is_as_expected():
    rng = np.random.default_rng(1)
    n, alpha = 50, 0.1
    covered = []
    for _ in range(1500):
        scores = np.abs(rng.normal(size=n))
        q = conformal.quantile(scores, alpha)
        covered.append(math.erf(q / math.sqrt(2)))
    assert np.mean(covered) == pytest.approx(conformal.expected_coverage(n, alpha), abs=0.004)
    low, high = conformal.coverage_range(n, alpha)
    assert np.mean((np.array(covered) >= low) & (np.array(covered) <= high)) == pytest.approx(0.95, abs=0.02)


def test_groups_have_quantiles_of_their_own_and_unknown_ones_promise_nothing():
    groups = np.repeat(np.array(["a", "b"], dtype=object), 40)
    scores = np.where(groups == "a", 1.0, 5.0)
    fitted = json.loads(json.dumps(conformal.fit(scores, 0.1, groups=groups)))
    result = conformal.quantiles_for(fitted, 3, np.array(["a", "b", "c"]))
    np.testing.assert_array_equal(result, [1, 5, np.inf])
    np.testing.assert_array_equal(conformal.quantiles_for(fitted, 2), [5, 5])


def test_intervals_and_sets_hold_what_the_scores_say():
    rng = np.random.default_rng(2)
    target, prediction = rng.normal(size=30), rng.normal(size=30)
    spread = rng.random(30) + 0.5
    scores = conformal.interval_scores(target, prediction, spread)
    lower, upper = conformal.intervals(prediction, np.full(30, np.median(scores)), spread)
    np.testing.assert_array_equal((lower <= target) & (target <= upper), scores <= np.median(scores))
    p = rng.dirichlet(np.ones(4), 30)
    y = rng.integers(0, 4, 30)
    members = conformal.sets(p, np.full(30, 0.7))
    np.testing.assert_array_equal(members[np.arange(30), y], conformal.set_scores(p, y) <= 0.7)


def test_the_sample_whose_score_is_the_quantile_has_one_set_in_every_batch():
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    quantile = np.full(3, 0.4)
    for digits in (-1e-7, 0, 1e-7):
        shifted = p + np.array([digits, -digits])
        assert conformal.sets(shifted, quantile).tolist() == [[True, False], [True, False], [False, True]]


def test_the_range_of_the_coverage_has_the_level_that_is_asked_for():
    rng = np.random.default_rng(0)
    fitted = conformal.fit(rng.random(60), 0.1, groups=np.array(["a", "b"] * 30))
    assert conformal.at_level(fitted, 0.95) == fitted
    wider = conformal.at_level(fitted, 0.99)
    for one, other, n in [(wider, fitted, 60), (wider["groups"]["a"], fitted["groups"]["a"], 30)]:
        assert (one["coverage_lower"], one["coverage_upper"]) == conformal.coverage_range(n, 0.1, 0.99)
        assert one["coverage_lower"] < other["coverage_lower"]
        assert one.keys() == other.keys()
