"""Concordance, AUROC and Brier score: by hand, against scikit-survival, and what must not change them."""

import numpy as np
import pytest

from scantune.tasks.survival import discrimination as measured
from scantune.tasks.survival.estimators import survival_and_censoring
from scantune.tasks.survival.metrics import measure
from tests.tasks.survival import worked

ONE = np.ones((len(worked.TIME), 1))


def all_of(time=worked.TIME, event=worked.EVENT, risk=worked.RISK, p=worked.P, weights=ONE, horizons=worked.HORIZONS):
    return measure(time, event, risk, p, p, weights, horizons)


@pytest.mark.parametrize(("name", "expected"), worked.SKSURV.items())
def test_metrics_equal_scikit_survival(name, expected):
    assert all_of()[name][0] == pytest.approx(expected, abs=1e-6)


def test_concordance_by_hand():
    # events at 1 and 3, censored at 2 and 4. Pairs: (1,2), (1,3), (1,4), (3,4)
    time, event = np.array([1.0, 2, 3, 4]), np.array([True, False, True, False])
    risk = np.array([0.5, 0.5, 0.9, 0.1])  # a tie (half), wrong, right, right
    assert measured.concordance(time, event, risk, np.ones((4, 1)))[0] == (0.5 + 0 + 1 + 1) / 4
    assert np.isnan(measured.concordance(time, np.zeros(4, bool), risk, np.ones((4, 1)))[0])


def test_brier_without_censoring_is_the_mean_square():
    time, p = np.array([1.0, 2, 3, 4]), np.array([0.9, 0.4, 0.3, 0.2])
    censoring = survival_and_censoring(time, np.ones(4, bool), np.ones((4, 1)))[1]
    brier = measured.brier_at(time, np.ones(4, bool), p, np.ones((4, 1)), 2.5, censoring)[0]
    assert brier == pytest.approx((0.1**2 + 0.6**2 + 0.3**2 + 0.2**2) / 4)


@pytest.mark.parametrize("change", ["order", "unit", "monotone risk", "copies"])
def test_what_must_not_change_the_metrics(change):
    before, n = all_of(), len(worked.TIME)
    if change == "order":
        order = np.random.default_rng(0).permutation(n)
        after = all_of(*(a[order] for a in (worked.TIME, worked.EVENT, worked.RISK, worked.P)))
    elif change == "unit":
        after = all_of(time=worked.TIME * 12, horizons=tuple(12 * h for h in worked.HORIZONS))
        after = {name: after[name.replace(name[name.find("/") + 1 :], f"{12 * float(name.split('/')[1]):g}")
                             if "/" in name else name] for name in before}  # fmt: skip
    elif change == "monotone risk":
        after = all_of(risk=np.exp(worked.RISK))
    else:
        after = all_of(weights=2 * ONE)
    for name, value in before.items():
        assert after[name][0] == pytest.approx(value[0], abs=1e-9), name


def test_turned_risks_turn_discrimination():
    turned = all_of(risk=-worked.RISK, p=1 - worked.P)
    for name in ("concordance_harrell", "concordance_uno", "auroc/2", "mean_auroc"):
        assert turned[name][0] == pytest.approx(1 - worked.SKSURV[name], abs=1e-9)


def test_draws_are_those_of_copied_rows():
    weights = np.random.default_rng(3).integers(0, 3, (len(worked.TIME), 3)).astype(float)
    drawn = all_of(weights=weights)
    for b in range(3):
        times = weights[:, b].astype(int)
        rows = [np.repeat(a, times, axis=0) for a in (worked.TIME, worked.EVENT, worked.RISK, worked.P)]
        copied = all_of(*rows, weights=np.ones((len(rows[0]), 1)))
        for name, value in copied.items():
            assert drawn[name][b] == pytest.approx(value[0], abs=1e-9, nan_ok=True), name


def test_concordance_with_ties_of_time_and_risk_is_that_of_all_pairs():
    rng = np.random.default_rng(5)
    time, risk = rng.integers(1, 8, 60).astype(float), rng.integers(0, 5, 60).astype(float)
    event, weights = rng.random(60) < 0.6, rng.integers(0, 3, (60, 4)).astype(float)
    comparable = event[:, None] & ((time > time[:, None]) | ((time == time[:, None]) & ~event))
    concordant = comparable * ((risk < risk[:, None]) + 0.5 * (risk == risk[:, None]))
    expected = [(w @ concordant @ w) / (w @ comparable @ w) for w in weights.T]
    np.testing.assert_allclose(measured.concordance(time, event, risk, weights), expected)
