"""Published worked examples, compared to the digits printed."""

import math

import numpy as np
import pytest

from scantune.statistics import (
    agreement,
    conformal,
    correlation,
    decision,
    discrimination,
    ordinal,
    overlap,
    reliability,
)
from tests.reference import published


def digits(value: float, printed: str) -> bool:
    """Whether a value rounds to what is printed, a unit in its last digit allowed where a 5 was rounded."""
    places = len(printed.partition(".")[2])
    return abs(value - float(printed)) <= 0.5000001 * 10.0**-places


def test_bland_altman_1986_wright_minus_mini():
    result = agreement.bland_altman(published.MINI_1, published.WRIGHT_1)
    assert digits(correlation.pearson(published.WRIGHT_1, published.MINI_1), "0.94328")
    assert digits(result.bias, "-2.1176")
    assert digits(result.bias_interval[0], "-22.05")
    assert digits(result.bias_interval[1], "17.81")
    assert digits(result.sd, "38.7651")
    assert digits(result.lower, "-78.10")
    assert digits(result.upper, "73.86")
    assert digits(result.limit_error, "16.285")


def test_bland_altman_1986_repeatability():
    for readings, printed in (
        ((published.WRIGHT_1, published.WRIGHT_2), "43.29"),
        ((published.MINI_1, published.MINI_2), "56.32"),
    ):
        # The paper takes 2 SD of the differences, whose mean is taken as 0.
        result = reliability.repeatability(np.concatenate(readings), np.tile(np.arange(17), 2), factor=2.0)
        assert digits(result.value, printed)


@pytest.mark.parametrize(
    ("name", "value", "lower", "upper"),
    [
        ("icc_1_1", ".16574", "-.1329", ".7226"),
        ("icc_2_1", ".28976", ".0188", ".7611"),
        ("icc_3_1", ".71484", ".3425", ".9459"),
    ],
)
def test_shrout_fleiss_1979(name, value, lower, upper):
    result = reliability.icc(published.JUDGES)[name]
    assert digits(result.value, value)
    assert digits(result.lower, lower)
    assert digits(result.upper, upper)


def test_cohen_1968_weighted_kappa_of_stated_disagreement():
    counts, disagreement = np.asarray(published.COHEN) * 200, np.asarray(published.COHEN_WEIGHTS)
    assert digits(ordinal.kappa(counts, "kappa").value, ".491525")
    weighted = ordinal.kappa(counts, 1 - disagreement / disagreement.max())
    assert digits(weighted.value, ".347826")


@pytest.mark.parametrize(
    ("kind", "value", "ase", "lower", "upper"),
    [
        ("kappa", ".344875", ".072397", None, None),
        ("kappa_linear", ".508160", ".065508", ".37977", ".63655"),
        ("kappa_quadratic", ".660723", ".061643", ".53991", ".78154"),
    ],
)
def test_skin_condition_kappas(kind, value, ase, lower, upper):
    result = ordinal.kappa(published.SKIN, kind)
    assert digits(result.value, value)
    assert digits(result.ase, ase)
    if lower is not None:
        assert digits(result.lower, lower)
        assert digits(result.upper, upper)


def test_hanley_mcneil_1982():
    ratings = np.arange(1, 6)
    scores = np.concatenate(
        [np.repeat(ratings, published.HANLEY_NORMAL), np.repeat(ratings, published.HANLEY_ABNORMAL)]
    )
    positive = np.arange(len(scores)) >= published.HANLEY_NORMAL.sum()
    result = discrimination.delong(scores, positive)
    assert digits(result.auc[0], ".893171")
    assert digits(result.se[0], ".030724")


def test_delong_1988():
    albumin, protein, score, outcome = published.OVARIAN.T
    scores = np.stack([10 - score, albumin, protein])
    result = discrimination.delong(scores, outcome == 1)
    for auc, se, printed in zip(
        result.auc, result.se, ((".725806", ".102822"), (".736559", ".092694"), (".647849", ".100047"))
    ):
        assert digits(auc, printed[0])
        assert digits(se, printed[1])
    test = discrimination.delong_test(scores, outcome == 1)
    assert test.df == 2
    assert digits(test.statistic, "2.53398")
    assert digits(test.p_value, ".28168")


def _slabs():
    truth, prediction = np.zeros((100, 100, 100), bool), np.zeros((100, 100, 100), bool)
    truth[:50] = True
    prediction[:51] = True
    return truth, prediction


def test_surface_distance_slabs():
    truth, prediction = _slabs()
    surfaces = overlap.surfaces(truth, prediction, spacing=(2, 1, 1))
    assert digits(np.average(surfaces.from_truth, weights=surfaces.area_truth), ".322")
    assert digits(np.average(surfaces.from_prediction, weights=surfaces.area_prediction), ".339")
    assert digits(surfaces.hausdorff(95), "2.0")
    assert digits(surfaces.nsd(1.0), ".836")
    assert digits(overlap.dice(truth, prediction), ".990099")


def test_surface_distance_empty_masks():
    truth, _ = _slabs()
    nothing = np.zeros_like(truth)
    assert overlap.dice(truth, nothing) == 0
    assert overlap.surfaces(truth, nothing, spacing=(2, 1, 1)).hausdorff(95) == math.inf
    assert math.isnan(overlap.dice(nothing, nothing))
    assert math.isnan(overlap.surfaces(nothing, nothing, spacing=(2, 1, 1)).hausdorff(95))


@pytest.mark.parametrize(("n", "printed"), [(19, ".9000"), (50, ".90196"), (100, ".90099")])
def test_split_conformal_expected_coverage(n, printed):
    assert digits(conformal.expected_coverage(n, 0.1), printed)


def test_vickers_elkin_net_benefit():
    assert digits(float(decision.net_benefit(80, 90, 1000, 0.1)), ".0700")
    assert abs(decision.net_benefit(100, 900, 1000, 0.1)) < 1e-15
