from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    StepLR,
)

from scantune.engine import Plateau, PlateauSchedule, Schedule
from scantune.engine.optimizers import build
from scantune.engine.settings import TrainingSettings
from scantune.records import ScantuneError

STEPS, EPOCHS, BASE = 4, 12, 0.1


def _schedule(name: str, epochs: int = EPOCHS, options: dict[str, Any] | None = None, **settings: Any) -> Schedule:
    block = None if name == "constant" else {"name": name, **(options or {})}
    return Schedule(TrainingSettings(epochs=epochs, scheduler=block, **settings))


def _optimizer() -> torch.optim.Optimizer:
    return torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=BASE)


@pytest.mark.parametrize(
    "name,options,peer",
    [
        ("cosine", {"T_max": 12, "eta_min": 1e-3}, lambda o: CosineAnnealingLR(o, 12, 1e-3)),
        ("poly", {"power": 0.9}, lambda o: PolynomialLR(o, EPOCHS, 0.9)),
        ("step", {"step_size": 5, "gamma": 0.3}, lambda o: StepLR(o, 5, 0.3)),
        ("cosine_restarts", {"T_0": 2, "T_mult": 2}, lambda o: CosineAnnealingWarmRestarts(o, 2, 2)),
    ],
)
def test_rates_by_epoch_are_those_of_pytorch(name: str, options: dict[str, Any], peer: Callable[..., Any]) -> None:
    optimizer, schedule = _optimizer(), _schedule(name, options=options)
    scheduler = peer(optimizer)
    for epoch in range(EPOCHS):
        expected = optimizer.param_groups[0]["lr"]
        for step in range(STEPS):
            rate = schedule.rate(BASE, epoch * STEPS + step, STEPS)
            assert rate == pytest.approx(expected, rel=1e-9, abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_onecycle_rates_and_momenta_are_those_of_pytorch() -> None:
    peer, optimizer = _optimizer(), _optimizer()
    scheduler = OneCycleLR(peer, BASE, total_steps=STEPS * EPOCHS)
    schedule = _schedule("onecycle")
    for step in range(STEPS * EPOCHS):
        schedule.apply(optimizer, step, STEPS)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(peer.param_groups[0]["lr"], rel=1e-9)
        assert optimizer.param_groups[0]["betas"] == pytest.approx(peer.param_groups[0]["betas"], rel=1e-9)
        peer.step()
        if step < STEPS * EPOCHS - 1:
            scheduler.step()


def test_plateau_cuts_where_pytorch_does() -> None:
    optimizer = _optimizer()
    peer = ReduceLROnPlateau(optimizer, factor=0.5, patience=2, cooldown=1, threshold=0.01)
    plateau = Plateau(PlateauSchedule(factor=0.5, patience=2, cooldown=1, threshold=0.01))
    losses = torch.rand(60, generator=torch.Generator().manual_seed(1)).cumsum(0).div(torch.arange(1, 61)).tolist()
    for value in losses:
        peer.step(value)
        plateau.update(value)
        assert plateau.rate(BASE) == pytest.approx(optimizer.param_groups[0]["lr"])
    assert plateau.cuts > 2


def test_plateau_takes_nan_for_no_improvement_and_goes_on_from_its_state() -> None:
    plateau = Plateau(PlateauSchedule(patience=1))
    assert [plateau.update(v) for v in (1.0, math.nan)] == [False, False]
    again = Plateau(PlateauSchedule(patience=1))
    again.load(plateau.state())
    assert again.update(math.nan)


@pytest.mark.parametrize("name", ["constant", "onecycle", "cosine", "step", "cosine_restarts", "plateau"])
def test_warm_up_rises_in_a_line_and_then_the_schedule_begins(name: str) -> None:
    schedule = _schedule(name, warmup_epochs=2, warmup_lr=0.01)
    rates = [schedule.rate(BASE, step, STEPS) for step in range(2 * STEPS)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[4] == pytest.approx(0.055)
    first = _schedule(name, EPOCHS - 2).rate(BASE, 0, STEPS)
    assert schedule.rate(BASE, 2 * STEPS, STEPS) == pytest.approx(first)


def test_groups_keep_their_ratio() -> None:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate, "name": str(rate)} for rate in (0.1, 0.01)]
    optimizer = torch.optim.SGD(groups)
    _schedule("step", options={"step_size": 1}).apply(optimizer, 2 * STEPS, STEPS)
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([1e-3, 1e-4])


def test_unknown_names_are_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="'plateau', 'onecycle', 'cosine'"):
        _schedule("plato")
    with pytest.raises(ValueError, match="'adam', 'adamw' or 'sgd'"):
        TrainingSettings(optimizer="adamx")


def test_what_depends_on_other_settings_follows_them() -> None:
    assert _schedule("plateau", early_stopping={"patience": 9}).plateau.patience == 4
    assert _schedule("plateau", options={"patience": 2}).plateau.patience == 2
    for patience in range(2, 12):  # of early stopping: the reduced rate has an epoch before it ends the training
        plateau, waits = _schedule("plateau", early_stopping={"patience": patience}).plateau, range(1, patience)
        assert plateau.update(1.0) is False
        assert True in [plateau.update(1.0) for _ in waits]
    highest = _schedule("onecycle", options={"max_lr": 0.2}, learning_rate=BASE)
    assert max(highest.rate(BASE / 2, step, STEPS) for step in range(STEPS * EPOCHS)) == pytest.approx(0.1, rel=1e-3)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_optimizers_take_a_step_and_pass_over_what_is_frozen(name: str) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    network[0].requires_grad_(False)
    before = [p.detach().clone() for p in network.parameters()]
    settings = TrainingSettings(optimizer=name, learning_rate=0.1, weight_decay=0.1)
    optimizer = build(settings, network, None, torch.device("cpu"), scaled=False)
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, network.parameters())]
    assert moved == [False, False, True, True]
    network.requires_grad_(True)  # thawed, beside others that have a momentum
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert not any(torch.equal(a, b) for a, b in zip(before, network.parameters()))


def test_a_plateau_of_a_loop_of_ones_own_goes_by_the_direction_of_the_monitor() -> None:
    block = {"name": "plateau", "patience": 0, "factor": 0.5}
    for monitor, cuts in (("val_loss", [False, True, True]), ("val_dice", [False, False, False])):
        schedule = Schedule(TrainingSettings(scheduler=block, monitor=monitor))
        assert [schedule.epoch_end(value) for value in (0.5, 0.6, 0.7)] == cuts
    with pytest.raises(ScantuneError, match="unknown whether 'val_mine' is to be maximised"):
        Schedule(TrainingSettings(scheduler=block, monitor="val_mine"))
