"""A loop of one's own: means over the epoch, checkpoints to go on from, what is missing told."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from scantune.engine import CheckpointsConfig, EarlyStopping, EarlyStoppingConfig, TrainingManager
from scantune.records import ScantuneError


def manager_in(folder, **options) -> TrainingManager:
    torch.manual_seed(0)
    network = nn.Linear(3, 1)
    optimizer = torch.optim.Adam(network.parameters(), 0.05)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2, gamma=0.5)
    return TrainingManager(network, optimizer, folder, scheduler=scheduler, **options)


def epoch(manager: TrainingManager, number: int) -> dict:
    generator = torch.Generator().manual_seed(number)
    for samples in (4, 2):
        inputs = torch.randn(samples, 3, generator=generator)
        manager.train_step((manager.network(inputs) - inputs.sum(1, keepdim=True)).square().mean(), samples)
    with torch.no_grad():
        manager.validation_step({"loss": manager.network(torch.ones(1, 3)).square().mean(), "mae": number}, 3)
        manager.validation_step({"loss": 1.0, "mae": number + 4}, 1)
    return manager.end_epoch()


def test_metrics_of_an_epoch_are_means_over_its_samples(tmp_path):
    manager = manager_in(tmp_path)
    row = epoch(manager, 1)
    first, second = (step["loss"] for step in manager.history.steps())
    assert row["train_loss"] == pytest.approx((4 * first + 2 * second) / 6)
    assert row["val_mae"] == pytest.approx((3 * 1 + 5) / 4)
    assert (row["epoch"], row["step"], row["learning_rate"]) == (1, 2, 0.05)


def test_training_goes_on_from_a_kept_epoch_as_if_it_had_not_ended(tmp_path):
    every = CheckpointsConfig(strategy="epoch", save_optimizer=True, save_scheduler=True)
    whole = manager_in(tmp_path / "whole", checkpoints=every)
    for number in (1, 2, 3):
        epoch(whole, number)
    again = manager_in(tmp_path / "whole", checkpoints=every)
    again.load_checkpoint(2)
    assert (again.epoch, again.step) == (2, 4)
    row = epoch(again, 3)
    assert row == whole.history.epochs()[-1]
    for one, other in zip(whole.network.parameters(), again.network.parameters()):
        assert torch.equal(one, other)


def test_a_checkpoint_of_a_name_is_kept_whatever_the_strategy(tmp_path):
    manager = manager_in(tmp_path, checkpoints=CheckpointsConfig(max_checkpoints=1, save_optimizer=True))
    path = manager.save_checkpoint("start")
    before = [p.detach().clone() for p in manager.network.parameters()]
    epoch(manager, 1)
    manager.load_checkpoint(path)
    assert all(torch.equal(a, b) for a, b in zip(before, manager.network.parameters()))
    assert manager.epoch == 0


def test_early_stopping_says_when_it_is_over(tmp_path):
    manager = manager_in(
        tmp_path,
        checkpoints=CheckpointsConfig(monitor="val_mae"),
        early_stopping=EarlyStopping(EarlyStoppingConfig(patience=2, mode="min")),
    )
    assert [epoch(manager, number) and manager.finished for number in (1, 2, 3)] == [False, False, True]
    summary = manager.get_training_summary()
    assert (summary["best"]["epoch"], summary["last"]["epoch"]) == (1, 3)


def test_what_is_missing_is_told(tmp_path):
    manager = manager_in(tmp_path, checkpoints=CheckpointsConfig(monitor="val_dice", mode="max"))
    with pytest.raises(ScantuneError, match="'loss' must be a tensor with a gradient; there are dice_loss"):
        manager.train_step({"dice_loss": 0.3})
    manager.validation_step({"loss": 1.0})
    with pytest.raises(ScantuneError, match="'val_dice' was not recorded; there are val_loss"):
        manager.end_epoch()
