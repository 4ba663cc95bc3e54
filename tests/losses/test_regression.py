"""Losses of numbers against formulas written out."""

import numpy as np
import pytest
import torch

from scantune import losses
from scantune.records import ScantuneError

OUTPUT = torch.tensor([[0.0], [2.5], [7.0], [-1.0]])
TARGET = torch.tensor([0.0, 2.0, 4.0, 3.0])
ERRORS = np.array([0.0, -0.5, -3.0, 4.0])  # target − output


def _loss(spec, **context):
    return losses.build(spec, targets="numbers", **context)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("mse", np.mean(ERRORS**2)),
        ("l1", np.mean(np.abs(ERRORS))),
        ("huber", np.mean([0, 0.125, 2.5, 3.5])),
        ({"name": "huber", "delta": 2}, np.mean([0, 0.125, 2 * (3 - 1), 2 * (4 - 1)])),
        ("focal", np.mean(ERRORS**4)),
        ({"name": "focal", "alpha": 0.5, "gamma": 1}, np.mean(0.5 * np.abs(ERRORS) ** 3)),
        ("quantile", np.mean(np.abs(ERRORS)) / 2),
        ({"name": "quantile", "q": 0.9}, np.mean([0, 0.05, 0.3, 3.6])),
        ({"name": "pinball", "q": 0.9}, np.mean([0, 0.05, 0.3, 3.6])),
    ],
)
def test_value_is_the_formula(spec, expected):
    assert _loss(spec)(OUTPUT, TARGET).item() == pytest.approx(expected, rel=1e-6)


def test_weighted_mse_weighs_by_the_inverse_frequency_in_training():
    loss = _loss("weighted_mse", frequencies={0: 6, 2: 2, 4: 1, 3: 3})
    weights = np.array([1 / 6, 1 / 2, 1, 1 / 3])
    assert loss(OUTPUT, TARGET).item() == pytest.approx((weights * ERRORS**2).sum() / weights.sum(), rel=1e-6)


def test_a_score_absent_from_training_has_its_nearest_neighbours_weight():
    weights = losses.regression.inverse_frequency(torch.tensor([1.4, 1.6, 1.5, 9.0]), frequencies={1.0: 4, 2.0: 2})
    assert weights.tolist() == [0.25, 0.5, 0.25, 0.5]  # 1.5 is as near to both: the lower counts


def test_weighted_mse_without_frequencies_says_so():
    with pytest.raises(ScantuneError, match="frequencies of the target in the training set"):
        _loss("weighted_mse")


def test_the_minimum_of_the_quantile_loss_is_the_quantile():
    target = torch.arange(1.0, 101.0)
    loss = _loss({"name": "quantile", "q": 0.25})
    costs = [loss(torch.full((100,), float(guess)), target).item() for guess in range(1, 101)]
    assert 25 <= int(np.argmin(costs)) + 1 <= 26


def test_a_column_of_outputs_is_not_broadcast_against_a_row_of_targets():
    output = TARGET[:, None].clone()
    assert _loss("mse")(output, TARGET).item() == 0.0


def test_outputs_that_do_not_go_with_the_targets_are_refused():
    with pytest.raises(ScantuneError, match=r"\(4, 2\) is incompatible with a target \(4,\)"):
        _loss("mse")(torch.zeros(4, 2), TARGET)


@pytest.mark.parametrize("q", [0, 1, -0.5])
def test_a_quantile_outside_zero_and_one_is_refused(q):
    with pytest.raises(ScantuneError, match="between 0 and 1"):
        _loss({"name": "quantile", "q": q})(OUTPUT, TARGET)


def test_several_quantiles_at_once_are_refused_before_a_training():
    with pytest.raises(ScantuneError, match=r"q is \[0\.1, 0\.9\]; expected a number between 0 and 1"):
        losses.parts.check({"name": "pinball", "q": [0.1, 0.9]}, "numbers")
