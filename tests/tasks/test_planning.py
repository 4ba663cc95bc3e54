"""Sample sizes by simulation against the formulas that hold where all is normal."""

import math

import numpy as np
import pytest
from scipy import stats

from scantune.records import ScantuneError
from scantune.statistics.discrimination import delong
from scantune.tasks.classification.settings import Classification
from scantune.tasks.planning import for_half_width, for_power, lines
from scantune.tasks.predictions import PredictionTable
from scantune.tasks.regression.settings import Regression
from scantune.tasks.segmentation.settings import Segmentation


def pilot(error, repeats=1, n=200):
    """Errors that are quantiles of a normal distribution; each subject ``repeats`` times."""
    ids = [f"s{i}" for i in range(n) for _ in range(repeats)]
    target = np.repeat(np.linspace(0, 30, n), repeats)
    columns = {"sample_id": [f"x{i}" for i in range(len(ids))], "subject_id": ids, "target": target}
    return PredictionTable.make(columns | {"prediction": target + np.repeat(error, repeats)})


def quantiles(n=200, seed=0):
    normal = stats.norm.ppf((np.arange(n) + 0.5) / n)
    return np.random.default_rng(seed).permutation(normal)


@pytest.mark.parametrize("repeats", [1, 3])
def test_half_width_of_a_mean_absolute_error(repeats):
    """|N(0, 1)| has the SD √(1 − 2/π): half-width 1.96 SD / √n. Samples of one subject that agree add nothing."""
    planned = for_half_width(pilot(quantiles(), repeats), Regression(), 0.1, metric="mae", studies=40)
    expected = (1.96 * math.sqrt(1 - 2 / math.pi) / 0.1) ** 2
    assert planned["subjects"] == pytest.approx(expected, rel=0.15)
    assert planned["pilot_subjects"] == 200


@pytest.mark.slow
def test_power_of_a_paired_comparison():
    """One model's absolute error is smaller by .3 with an SD of .8: n = ((1.96 + .84) · .8 / .3)²."""
    gain = 0.3 + 0.8 * quantiles(seed=1)
    old, new = np.full(200, 10.0), 10.0 - gain
    planned = for_power(pilot(old), pilot(new), Regression(), 0.8, metric="mae", studies=120)
    assert planned["subjects"] == pytest.approx((2.8 * 0.8 / 0.3) ** 2, rel=0.35)
    looser = for_power(pilot(old), pilot(new), Regression(), 0.8, metric="mae", margin=0.3, studies=120)
    assert looser["subjects"] < planned["subjects"]
    assert lines(planned, "power")[-1] == f"mae, power: {planned['subjects']} subjects"


def test_of_a_classifier_and_what_cannot_be_reached():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 60)
    p = 1 / (1 + np.exp(-(2 * y - 1 + rng.normal(0, 1.5, 60))))
    table = PredictionTable.make({"sample_id": [f"x{i}" for i in range(60)], "target": y, "p/1": p})
    planned = for_half_width(table, Classification(), 0.06, metric="auroc", studies=30)
    assert 100 < planned["subjects"] < 400
    with pytest.raises(ScantuneError, match="metric 'mae': not one of auroc"):
        for_half_width(table, Classification(), 0.1, metric="mae")
    with pytest.raises(ScantuneError, match="metric ece: no study of any size has an interval; no interval"):
        for_half_width(table, Classification(), 0.1, metric="ece", studies=2)
    with pytest.raises(ScantuneError, match="half-width 0: must be above 0"):
        for_half_width(table, Classification(), 0.0)
    with pytest.raises(ScantuneError, match="different test samples"):
        for_power(table, table.take(np.arange(59)), Classification())
    same = for_power(table, table, Classification(), metric="accuracy", studies=2)
    assert same["subjects"] is None
    assert "not reached" in lines(same, "power")[-1]


@pytest.mark.slow
def test_power_of_two_aurocs_is_that_of_the_test_that_compare_makes():
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 150)
    one = 1.4 * y + rng.normal(size=150)
    two = one + 0.8 * y + rng.normal(0, 0.5, 150)
    tables = [
        PredictionTable.make({"sample_id": [f"x{i}" for i in range(150)], "target": y, "p/1": 1 / (1 + np.exp(-z))})
        for z in (one - 0.7, two - 0.7)
    ]
    planned = for_power(*tables, Classification(), 0.8, metric="auroc", studies=150)
    wins = []
    for study in range(400):
        rows = np.random.default_rng([8, study]).integers(0, 150, planned["subjects"])
        areas = delong(np.stack([one[rows], two[rows]]), y[rows] == 1)
        error = math.sqrt(np.array([-1, 1]) @ areas.covariance @ np.array([-1, 1]))
        wins.append(areas.auc[1] - areas.auc[0] > 1.96 * error)
    assert np.mean(wins) == pytest.approx(0.8, abs=0.08)


def test_equal_models_are_not_inferior():
    table = pilot(quantiles(40), n=40)
    assert for_power(table, table, Regression(), metric="mae", margin=0.1, studies=5)["subjects"] == 10


def test_of_masks_and_of_several_targets_each_array_of_the_pilot_is_drawn_alike():
    """A half-width of 1.96 SD / √n of the samples' Dice; of targets the mean of their R²."""
    rng = np.random.default_rng(3)
    ids = {"sample_id": [f"x{i}" for i in range(40)]}
    dice = np.clip(0.8 + 0.1 * quantiles(40), 0, 1)
    volumes = {"volume_target": 1 + rng.random(40), "volume_prediction": 1 + rng.random(40)}
    masks = PredictionTable.make(ids | {"dice": dice, "dice/tumour": dice} | volumes)
    planned = for_half_width(masks, Segmentation(classes=("background", "tumour")), 0.02, studies=40)
    assert planned["subjects"] == pytest.approx((1.96 * dice.std() / 0.02) ** 2, rel=0.25)

    columns = dict(ids)
    for name in ("age", "score"):
        columns |= {f"target/{name}": rng.normal(size=40)}
        columns |= {f"prediction/{name}": columns[f"target/{name}"] + rng.normal(0, 0.5, 40)}
    settings = Regression(targets={"age": None, "score": None})
    planned = for_half_width(PredictionTable.make(columns), settings, 0.05, studies=30)
    assert planned["metric"] == "r2"
    assert planned["subjects"] > 40


def test_the_other_model_is_joined_by_sample_and_has_the_same_targets():
    rng = np.random.default_rng(3)
    target = np.arange(60) % 2

    def table(noise: float, target: np.ndarray = target) -> PredictionTable:
        p = 1 / (1 + np.exp(-(target * 2 - 1 + rng.normal(0, noise, 60))))
        ids = [f"s{i}" for i in range(60)]
        return PredictionTable.make({"sample_id": ids, "target": target, "p/0": 1 - p, "p/1": p})

    old, new = table(2.0), table(1.0)
    in_order = for_power(old, new, Classification(), metric="accuracy", studies=5)
    shuffled = new.take(np.random.default_rng(0).permutation(60))
    assert for_power(old, shuffled, Classification(), metric="accuracy", studies=5) == in_order
    with pytest.raises(ScantuneError, match="60 samples have another target in the other file"):
        for_power(old, table(1.0, 1 - target), Classification())


def test_the_error_of_one_of_several_targets_is_better_low():
    rng = np.random.default_rng(0)
    truth = {f"target/{name}": rng.normal(size=40) for name in "ab"}
    old, new = (
        PredictionTable.make(
            {"sample_id": [f"x{i}" for i in range(40)]}
            | truth
            | {f"prediction/{name}": truth[f"target/{name}"] + rng.normal(0, sd, 40) for name in "ab"}
        )
        for sd in (2.0, 0.1)
    )
    assert for_power(old, new, Regression(targets=("a", "b")), metric="mae/a", studies=5)["subjects"] <= 40
