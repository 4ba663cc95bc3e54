import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as peer

from scantune.statistics.discrimination import (
    GRID,
    area_statistic,
    curve_statistic,
    delong,
    delong_interval,
    delong_test,
    macro,
    pr_curve,
    roc_curve,
    threshold_for,
)
from scantune.statistics.distributions import binomial_interval
from scantune.statistics.resampling import Resampler

scored = st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=2, max_size=50).filter(
    lambda rows: 0 < sum(p for _, p in rows) < len(rows)
)


def sides(rows):
    return np.array([s for s, _ in rows], float), np.array([p for _, p in rows])


def areas(scores, positive):
    result = Resampler(np.arange(len(scores)), 0).run([area_statistic(scores, positive, np.arange(len(scores)))])[0]
    return result["auroc"].value, result["auprc"].value


@settings(deadline=None, max_examples=60)
@given(scored)
def test_areas_equal_scikit_learn_with_ties(rows):
    scores, positive = sides(rows)
    expected = peer.roc_auc_score(positive, scores), peer.average_precision_score(positive, scores)
    assert areas(scores, positive) == pytest.approx(expected, abs=1e-12)
    assert delong(scores, positive).auc[0] == pytest.approx(expected[0], abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(scored)
def test_only_the_order_of_scores_counts(rows):
    scores, positive = sides(rows)
    assert areas(np.exp(scores / 3), positive) == pytest.approx(areas(scores, positive))
    assert areas(-scores, positive)[0] == pytest.approx(1 - areas(scores, positive)[0])
    assert areas(-scores, ~positive)[0] == pytest.approx(areas(scores, positive)[0])


@settings(deadline=None, max_examples=40)
@given(scored)
def test_curves_equal_scikit_learn(rows):
    scores, positive = sides(rows)
    result = roc_curve(scores, positive)
    fpr, tpr, _ = peer.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(result.x, fpr)
    np.testing.assert_allclose(result.y, tpr)
    precision, recall, _ = peer.precision_recall_curve(positive, scores)
    result = pr_curve(scores, positive)
    np.testing.assert_allclose(result.x[::-1], recall)
    np.testing.assert_allclose(result.y[::-1], precision)


def test_delong_by_hand():
    # positives 2 4, negatives 1 3: placements 1/2 1 and 1 1/2; AUC 3/4; variance 1/8/2 + 1/8/2
    result = delong(np.array([2.0, 4, 1, 3]), np.array([True, True, False, False]))
    assert result.auc[0] == 0.75
    assert result.se[0] == pytest.approx(math.sqrt(1 / 8))


def test_one_class_is_undefined_and_separation_has_no_interval():
    assert all(math.isnan(v) for v in areas(np.arange(4.0), np.ones(4, bool)))
    assert math.isnan(delong(np.arange(4.0), np.zeros(4, bool)).auc[0])
    assert delong_interval(np.arange(6.0), np.arange(6) > 2) is None


def test_delong_test_of_equal_scores_and_of_a_model_with_itself_scaled():
    rng = np.random.default_rng(0)
    scores, positive = rng.normal(size=60), rng.random(60) > 0.5
    same = delong_test(np.stack([scores, 3 * scores + 1]), positive)
    assert same.p_value == 1


def test_macro_is_the_mean_of_one_against_the_rest():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 90)
    p = rng.dirichlet(np.ones(3), 90)
    rows = np.arange(90)
    parts = [area_statistic(p[:, k], y == k, rows, f"/{k}") for k in range(3)]
    result = Resampler(rows, 0).run([macro(parts, rows)])[0]
    assert result["auroc"].value == pytest.approx(peer.roc_auc_score(y, p, multi_class="ovr"))
    assert result["auprc/2"].value == pytest.approx(peer.average_precision_score(y == 2, p[:, 2]))


@pytest.mark.parametrize("first", [0, 1, 2])
def test_macro_of_rows_that_are_sorted_by_one_class_is_that_of_the_rows_in_any_order(first):
    rng = np.random.default_rng(5)
    target = rng.integers(0, 3, 60)
    scores = np.eye(3)[target] + rng.normal(size=(60, 3))
    rows = np.arange(60)

    def values(order):
        parts = [area_statistic(scores[order, k], target[order] == k, rows, f"/{k}") for k in range(3)]
        return {name: d.value for name, d in Resampler(rows, 0).run([macro(parts, rows)])[0].items()}

    assert values(np.argsort(-scores[:, first])) == pytest.approx(values(rows), abs=1e-12)


def test_bands_pass_through_the_curve():
    rng = np.random.default_rng(2)
    positive = rng.random(80) > 0.5
    scores = positive + rng.normal(size=80)
    result = Resampler(np.arange(80), 20).run([curve_statistic(scores, positive, np.arange(80))])[0]
    curve = roc_curve(scores, positive)
    expected = [curve.y[curve.x <= x + 1e-12].max() for x in np.linspace(0, 1, GRID)]
    values = np.array([result[f"tpr/{i}"].value for i in range(GRID)])
    on_a_step = np.isclose(np.linspace(0, 1, GRID)[:, None], curve.x).any(1)
    np.testing.assert_allclose(values[on_a_step], np.array(expected)[on_a_step])
    assert (np.diff(values) >= -1e-12).all()
    assert result["precision/100"].value == pytest.approx(pr_curve(scores, positive).y[np.argmax(curve.y == 1)])


def test_thresholds_meet_their_criterion():
    scores, positive = np.array([0.1, 0.2, 0.3, 0.4, 0.8, 0.9]), np.array([0, 0, 1, 0, 1, 1], bool)
    assert threshold_for(scores, positive, "sensitivity", 0.9) == 0.3
    assert threshold_for(scores, positive, "sensitivity", 0.6) == 0.8
    assert threshold_for(scores, positive, "specificity", 0.9) == 0.8
    assert threshold_for(scores, positive, "specificity", 0.6) == 0.3
    assert threshold_for(scores, positive, "youden") in (0.3, 0.8)
    assert threshold_for(scores, np.ones(6, bool), "youden") is None
    with pytest.raises(ValueError, match="youden, sensitivity or specificity"):
        threshold_for(scores, positive, "best")


def test_interval_of_an_area_is_students_t_on_the_logit_scale():
    rng = np.random.default_rng(2)
    positive = np.arange(80) < 12
    scores = rng.normal(1.5 * positive, 1).round(1)  # with ties
    above = (scores[positive][:, None] > scores[~positive]) + 0.5 * (scores[positive][:, None] == scores[~positive])
    area, of_positives, of_negatives = above.mean(), above.mean(1), above.mean(0)
    error = math.sqrt(of_positives.var(ddof=1) / 12 + of_negatives.var(ddof=1) / 68)
    influence = np.concatenate([(of_positives - area) / 12, (of_negatives - area) / 68])
    df = 2 * 79 / (max(3, stats.kurtosis(influence, bias=False) + 3) - 1)
    half = stats.t.ppf(0.975, df) * error / (area * (1 - area))
    expected = [1 / (1 + math.exp(-math.log(area / (1 - area)) - side * half)) for side in (-1, 1)]
    widest = binomial_interval(area * 12, 12)
    assert widest[0] > expected[0]
    assert delong_interval(scores, positive) == pytest.approx((widest[0], min(expected[1], widest[1])))


@pytest.mark.heavy
def test_coverage_of_delong():
    rng = np.random.default_rng(3)
    truth = 0.5 * (1 + math.erf(1.2 / 2))  # Φ(1.2/√2)
    covered = 0
    for _ in range(2000):
        scores = np.concatenate([rng.normal(1.2, 1, 40), rng.normal(0, 1, 60)])
        lower, upper = delong_interval(scores, np.arange(100) < 40)
        covered += lower <= truth <= upper
    assert 0.935 < covered / 2000 < 0.975


@pytest.mark.parametrize("steps", [0, 4])
@pytest.mark.parametrize("positives", [0, 1, 6])
def test_areas_of_few_positives_are_those_of_many(monkeypatch: pytest.MonkeyPatch, steps: int, positives: int) -> None:
    rng = np.random.default_rng(positives)
    scores = rng.random(60)
    if steps:  # many ties
        scores = np.round(scores * steps) / steps
    positive = np.arange(60) < positives
    subjects, rows = rng.integers(0, 30, 60), np.arange(60)
    figures = []
    for few in (1, 10**9):
        monkeypatch.setattr("scantune.statistics.discrimination._FEW", few)
        figures.append(Resampler(subjects, 50).run([area_statistic(scores, positive, rows)])[0])
    for name in ("auroc", "auprc"):
        for part in ("value", "jackknife", "draws"):
            one, other = (getattr(figure[name], part) for figure in figures)
            np.testing.assert_allclose(one, other, atol=1e-12)
