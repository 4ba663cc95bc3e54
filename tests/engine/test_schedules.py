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

from scantune.engine import Plateau, Schedule
from scantune.engine.optimizers import OptimizerSpec, build
from scantune.records import ScantuneError

STEPS, EPOCHS, BASE = 4, 12, 0.1


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
    optimizer, schedule = _optimizer(), Schedule(name, options)
    scheduler = peer(optimizer)
    for epoch in range(EPOCHS):
        wanted = optimizer.param_groups[0]["lr"]
        for step in range(STEPS):
            got = schedule.rate(BASE, epoch * STEPS + step, STEPS, EPOCHS)
            assert got == pytest.approx(wanted, rel=1e-9, abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_onecycle_rates_and_momenta_are_those_of_pytorch() -> None:
    peer, own = _optimizer(), _optimizer()
    scheduler = OneCycleLR(peer, BASE, total_steps=STEPS * EPOCHS)
    schedule = Schedule("onecycle")
    for step in range(STEPS * EPOCHS):
        schedule.apply(own, step, STEPS, EPOCHS)
        assert own.param_groups[0]["lr"] == pytest.approx(peer.param_groups[0]["lr"], rel=1e-9)
        assert own.param_groups[0]["betas"] == pytest.approx(peer.param_groups[0]["betas"], rel=1e-9)
        peer.step()
        if step < STEPS * EPOCHS - 1:
            scheduler.step()


def test_plateau_cuts_where_pytorch_does() -> None:
    optimizer = _optimizer()
    peer = ReduceLROnPlateau(optimizer, factor=0.5, patience=2, cooldown=1, threshold=0.01)
    plateau = Plateau(factor=0.5, patience=2, cooldown=1, threshold=0.01)
    figures = torch.rand(60, generator=torch.Generator().manual_seed(1)).cumsum(0).div(torch.arange(1, 61)).tolist()
    for value in figures:
        peer.step(value)
        plateau.update(value)
        assert plateau.rate(BASE) == pytest.approx(optimizer.param_groups[0]["lr"])
    assert plateau.cuts > 2


def test_plateau_takes_nan_for_no_improvement_and_goes_on_from_its_state() -> None:
    plateau = Plateau(patience=1)
    assert [plateau.update(v) for v in (1.0, math.nan)] == [False, False]
    again = Plateau(patience=1)
    again.load(plateau.state())
    assert again.update(math.nan)


@pytest.mark.parametrize("name", ["constant", "onecycle", "cosine", "step", "cosine_restarts", "plateau"])
def test_warm_up_rises_in_a_line_and_then_the_schedule_begins(name: str) -> None:
    schedule = Schedule(name, warmup_epochs=2, warmup_lr=0.01)
    rates = [schedule.rate(BASE, step, STEPS, EPOCHS) for step in range(2 * STEPS)]
    assert rates[0] == pytest.approx(0.01)
    assert rates[4] == pytest.approx(0.055)
    first = Schedule(name).rate(BASE, 0, STEPS, EPOCHS - 2)
    assert schedule.rate(BASE, 2 * STEPS, STEPS, EPOCHS) == pytest.approx(first)


def test_groups_keep_their_ratio() -> None:
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate, "name": str(rate)} for rate in (0.1, 0.01)]
    optimizer = torch.optim.SGD(groups)
    Schedule("step", {"step_size": 1}).apply(optimizer, 2 * STEPS, STEPS, EPOCHS)
    assert [g["lr"] for g in optimizer.param_groups] == pytest.approx([1e-3, 1e-4])


def test_unknown_names_are_refused_with_those_there_are() -> None:
    with pytest.raises(ScantuneError, match="'plato' is not one of plateau, constant, cosine"):
        Schedule("plato")
    with pytest.raises(ScantuneError, match="'adamx' is not one of adam, adamw, sgd"):
        build(OptimizerSpec("adamx"), torch.nn.Linear(1, 1), None, torch.device("cpu"), scaled=False)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_optimizers_take_a_step_and_pass_over_what_is_frozen(name: str) -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    network[0].requires_grad_(False)
    before = [p.detach().clone() for p in network.parameters()]
    optimizer = build(OptimizerSpec(name, 0.1, 0.1), network, None, torch.device("cpu"), scaled=False)
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    moved = [not torch.equal(a, b) for a, b in zip(before, network.parameters())]
    assert moved == [False, False, True, True]
    network.requires_grad_(True)  # thawed, beside others that have a momentum
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert not any(torch.equal(a, b) for a, b in zip(before, network.parameters()))
