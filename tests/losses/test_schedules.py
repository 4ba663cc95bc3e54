"""Weights of a combined loss over training."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scantune import losses
from scantune.losses import schedules
from scantune.records import ScantuneError

START = {"dice": 0.7, "bce": 0.3}


def _history(**figures):
    return [dict(zip(figures, row)) for row in zip(*figures.values())]


def test_cosine_goes_from_start_to_end_half_way_at_the_middle():
    schedule = schedules.build({"name": "cosine", "end": {"dice": 0.1, "bce": 0.9}}, START, epochs=11)
    assert schedule(0, 0, []) == pytest.approx(START)
    assert schedule(5, 0, []) == pytest.approx({"dice": 0.4, "bce": 0.6})
    assert schedule(10, 0, []) == pytest.approx({"dice": 0.1, "bce": 0.9})
    assert schedule(99, 0, []) == pytest.approx({"dice": 0.1, "bce": 0.9})


def test_the_end_is_the_start_reversed_unless_given():
    assert schedules.build("cosine", START, epochs=5)(4, 0, []) == pytest.approx({"dice": 0.3, "bce": 0.7})


def test_step_moves_in_equal_steps_at_its_milestones():
    schedule = schedules.build({"name": "step", "milestones": [10, 20]}, START)
    assert [schedule(epoch, 0, [])["dice"] for epoch in (0, 9, 10, 19, 20, 50)] == pytest.approx(
        [0.7, 0.7, 0.5, 0.5, 0.3, 0.3]
    )


def test_step_without_milestones_takes_the_thirds_of_the_training():
    schedule = schedules.build("step", START, epochs=9)
    assert [schedule(epoch, 0, [])["dice"] for epoch in (2, 3, 5, 6)] == pytest.approx([0.7, 0.5, 0.5, 0.3])


def test_adaptive_gives_more_to_the_component_that_lags():
    history = _history(train_dice_loss=[1.0, 0.9], train_bce_loss=[1.0, 0.3])
    weights = schedules.build("adaptive", START)(2, 0, history)
    assert weights["dice"] == pytest.approx(0.7 * 0.9 / (0.7 * 0.9 + 0.3 * 0.3))
    assert sum(weights.values()) == pytest.approx(1.0)
    assert schedules.build("adaptive", START)(0, 0, []) == START


@pytest.mark.parametrize("name", ["performance", "performance_based"])
def test_performance_moves_on_each_plateau_of_the_metric(name):
    schedule = schedules.build({"name": name, "patience": 2, "amount": 0.5}, START)
    climbing = _history(val_dice=[0.1, 0.2, 0.3, 0.4])
    assert schedule(4, 0, climbing)["dice"] == pytest.approx(0.7)
    once = _history(val_dice=[0.1, 0.2, 0.2, 0.2])
    assert schedule(4, 0, once)["dice"] == pytest.approx(0.5)
    twice = _history(val_dice=[0.2] * 5)
    assert schedule(5, 0, twice)["dice"] == pytest.approx(0.3)
    undefined = _history(val_dice=[float("nan"), 0.2, float("nan"), 0.2])
    assert schedule(4, 0, undefined)["dice"] == pytest.approx(0.5)


def test_performance_counts_epochs_with_a_validation_alone():
    nan = float("nan")
    schedule = schedules.build({"name": "performance", "patience": 2, "amount": 0.5}, START)
    every = _history(val_dice=[0.5, 0.4, 0.6, 0.6], val_loss=[1.0, 1.0, 1.0, 1.0])
    third = [row for kept in every for row in (kept, *[{"val_dice": nan, "val_loss": nan}] * 2)]
    assert schedule(12, 0, third) == schedule(4, 0, every) == pytest.approx(START)
    undefined = _history(val_dice=[0.5, nan, nan], val_loss=[1.0, 1.0, 1.0])
    assert schedule(3, 0, undefined) == pytest.approx({"dice": 0.5, "bce": 0.5})


def test_performance_can_follow_a_loss():
    spec = {"name": "performance", "monitor": "val_loss", "mode": "min", "patience": 1, "amount": 1.0}
    schedule = schedules.build(spec, START)
    assert schedule(2, 0, _history(val_loss=[1.0, 0.5])) == START
    assert schedule(2, 0, _history(val_loss=[0.5, 1.0]))["dice"] == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sawtooth", "'sawtooth' is not known; known are constant, cosine"),
        ("cosine", "requires epochs"),
        ("step", "requires milestones"),
        ({"name": "cosine", "epochs": 3, "end": {"dice": 1}}, r"end names \['dice'\]; the loss has \['bce', 'dice'\]"),
        ({"name": "performance", "monitor": "val_loss"}, "monitor 'val_loss' requires mode"),
        ({"name": "adaptive", "speed": 3}, "unexpected keyword argument 'speed'"),
    ],
)
def test_what_is_wrong_is_named(spec, message):
    with pytest.raises(ScantuneError, match=message):
        schedules.build(spec, START)


def test_a_monitor_that_is_not_logged_is_named():
    with pytest.raises(ScantuneError, match="'val_dice', which is not logged; logged are: val_loss"):
        schedules.build("performance", START)(1, 0, [{"val_loss": 1.0}])


@settings(deadline=None, max_examples=50)
@given(
    name=st.sampled_from(["constant", "cosine", "step", "adaptive", "performance"]),
    epoch=st.integers(0, 30),
    dice=st.lists(st.floats(0.01, 1), min_size=0, max_size=30),
)
def test_the_sum_of_the_weights_stays_and_none_is_negative(name, epoch, dice):
    schedule = schedules.build(name, START, epochs=20)
    history = [{"train_dice_loss": d, "train_bce_loss": 1.0, "val_dice": 1 - d} for d in dice]
    weights = schedule(epoch, 0, history)
    assert sum(weights.values()) == pytest.approx(1.0)
    assert min(weights.values()) >= 0
    assert schedule(epoch, 0, history) == weights


def test_a_schedule_is_part_of_the_loss():
    loss = losses.build({"name": "default", "schedule": "cosine"}, targets=("binary", "masks"), epochs=3)
    assert loss.weights(2, 0, []) == pytest.approx({"dice": 0.3, "bce": 0.7})


@pytest.mark.parametrize(
    "spec",
    [
        {"name": "performance", "patience": "3"},
        {"name": "performance", "amount": None},
        {"name": "cosine", "end": dict.fromkeys(START, "x")},
    ],
)
def test_options_that_are_no_numbers_are_refused(spec):
    with pytest.raises(ScantuneError, match="loss weight schedule"):
        schedules.build(spec, START, epochs=10)
