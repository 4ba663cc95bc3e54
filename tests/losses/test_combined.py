"""Losses by name: presets, combinations, what is refused, and a name of one's own."""

import pytest
import torch

from scantune import losses
from scantune.losses import registry
from scantune.records import ScantuneError


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2, 1, 8, 8, generator=generator), torch.randint(0, 2, (2, 8, 8), generator=generator)


@pytest.mark.parametrize(
    ("preset", "expected"),
    [
        ("default", {"dice": 0.7, "bce": 0.3}),
        ("focal", {"dice": 0.6, "focal_bce": 0.4}),
        ("focal_segmentation", {"dice": 0.6, "focal_bce": 0.4}),
        ("balanced", {"dice": 0.5, "bce": 0.5}),
        ("dice_focused", {"dice": 0.8, "bce": 0.2}),
        ("jaccard", {"jaccard": 0.7, "bce": 0.3}),
    ],
)
def test_presets_have_their_components_and_weights(preset, expected, pair):
    loss = losses.build(preset, targets=("binary", "masks"))
    assert loss.weights(0, 0, []) == expected
    parts = sum(weight * losses.build({"name": "combined", "parts": {n: 1}})(*pair) for n, weight in expected.items())
    assert float(loss(*pair)) == pytest.approx(float(parts), rel=1e-5)


def test_a_combination_by_weights_and_by_parts_is_the_same(pair):
    by_weight = losses.build({"name": "combined", "dice_weight": 0.7, "bce_weight": 0.3})
    by_parts = losses.build({"name": "combined", "parts": {"dice": {"weight": 0.7}, "bce": 0.3}})
    assert by_weight.weights(0, 0, []) == by_parts.weights(0, 0, []) == {"dice": 0.7, "bce": 0.3}
    assert torch.equal(by_weight(*pair), by_parts(*pair))


def test_options_reach_the_components_that_have_them():
    loss = losses.build({"name": "default", "squared_pred": True, "pos_weight": 2.0}, targets=("binary", "masks"))
    assert loss.components["dice"].options == {"squared_pred": True}
    assert loss.components["bce"].options == {"pos_weight": 2.0}


def test_one_name_means_by_task_what_its_users_mean():
    assert list(losses.build("focal", targets="numbers").components) == ["focal_regression"]
    assert list(losses.build("focal", targets="classes").components) == ["focal_cross_entropy"]
    assert list(losses.build("focal", targets=("binary", "masks")).components) == ["dice", "focal_bce"]
    with pytest.raises(ScantuneError, match="depends on the task"):
        losses.build("focal")


@pytest.mark.parametrize(
    ("spec", "targets", "message"),
    [
        ("mze", None, "did you mean .*mse"),
        ("dice", "numbers", "is for masks, not for numbers; these fit: focal_regression"),
        ("mse", "classes", "is for numbers, not for classes; these fit: cross_entropy"),
        ({"name": "huber", "dleta": 2}, None, "has no option 'dleta'; it has delta"),
        ({"name": "default", "dleta": 2}, ("binary", "masks"), "none of dice, bce has an option 'dleta'"),
        ({"name": "combined"}, None, "requires parts"),
        ({"name": "weighted_cross_entropy", "class_weights": "equal"}, None, "'balanced' or one number per class"),
        ({"name": "weighted_cross_entropy"}, None, "require the number of classes"),
    ],
)
def test_what_is_wrong_is_named(spec, targets, message):
    with pytest.raises(ScantuneError, match=message):
        losses.build(spec, targets=targets)


def test_a_loss_of_ones_own_is_one_function_and_a_name():
    @losses.register("log_cosh_for_a_test")
    def log_cosh(output, target, *, scale=1.0):
        return ((output.reshape(target.shape) - target) / scale).cosh().log()

    try:
        loss = losses.build({"name": "log_cosh_for_a_test", "scale": 2.0}, targets="numbers")
        value = loss(torch.zeros(4, 1), torch.full((4,), 2.0))
        assert value.item() == pytest.approx(float(torch.tensor(1.0).cosh().log()))
        (named,) = loss.components.values()
        assert float(named.total(torch.zeros(4, 1), torch.full((4,), 2.0))) == pytest.approx(4 * value.item())
    finally:
        registry._TABLE.pop("log_cosh_for_a_test")


def test_a_loss_of_ones_own_may_return_one_number_for_the_batch():
    @losses.register("mean_for_a_test")
    def mean(output, target):
        return (output.reshape(target.shape) - target).square().mean()

    try:
        output, target = torch.arange(4.0), torch.zeros(4)
        assert torch.equal(losses.build("mean_for_a_test")(output, target), losses.build("mse")(output, target))
    finally:
        registry._TABLE.pop("mean_for_a_test")


def test_a_combination_is_told_with_its_parts() -> None:
    from scantune.losses.parts import in_words

    assert in_words("default") == "default (0.7 dice + 0.3 bce)"
    assert in_words("mse") == "mse"
    assert in_words(None) is None
