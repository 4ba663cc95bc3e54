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


@pytest.mark.parametrize(
    ("saved", "absent"),
    [
        ({}, "optimizer and the scheduler"),
        ({"save_scheduler": True}, "optimizer"),
        ({"save_optimizer": True}, "scheduler"),
    ],
)
def test_a_checkpoint_without_a_part_of_the_state_is_refused_and_nothing_is_loaded(tmp_path, saved, absent):
    manager = manager_in(tmp_path, checkpoints=CheckpointsConfig(strategy="epoch", **saved))
    for number in (1, 2, 3):
        epoch(manager, number)
    before = [p.detach().clone() for p in manager.network.parameters()]
    assert (manager.folder / "checkpoints" / "epoch-0001.pt").exists() == bool(saved.get("save_optimizer"))
    with pytest.raises(ScantuneError, match=rf"epoch-0001.*state of the {absent} .*save_{absent.split()[-1]}=True"):
        manager.load_checkpoint(1)
    assert manager.epoch == 3
    assert all(torch.equal(a, b) for a, b in zip(before, manager.network.parameters()))


def test_without_a_scheduler_the_optimizer_is_all_there_is(tmp_path):
    manager = manager_in(tmp_path, checkpoints=CheckpointsConfig(strategy="epoch", save_optimizer=True))
    manager.scheduler = None
    epoch(manager, 1)
    manager.load_checkpoint(1)
    assert manager.epoch == 1


def test_a_checkpoint_of_a_name_has_all_of_the_state(tmp_path):
    manager = manager_in(tmp_path, checkpoints=CheckpointsConfig(max_checkpoints=1))
    for number in (1, 2, 3):
        epoch(manager, number)
    path = manager.save_checkpoint("here")
    epoch(manager, 4)
    expected = [p.detach().clone() for p in manager.network.parameters()]
    again = manager_in(tmp_path, checkpoints=CheckpointsConfig(max_checkpoints=1))
    again.load_checkpoint(path)
    assert again.optimizer.param_groups[0]["lr"] == 0.025
    epoch(again, 4)
    assert all(torch.equal(a, b) for a, b in zip(expected, again.network.parameters()))


def test_early_stopping_says_when_it_is_over(tmp_path):
    manager = manager_in(
        tmp_path,
        checkpoints=CheckpointsConfig(monitor="val_mae"),
        early_stopping=EarlyStopping(EarlyStoppingConfig(patience=2, mode="min")),
    )
    assert [epoch(manager, number) and manager.finished for number in (1, 2, 3)] == [False, False, True]
    summary = manager.get_training_summary()
    assert (summary["best"]["epoch"], summary["last"]["epoch"]) == (1, 3)


def test_early_stopping_takes_the_direction_of_the_checkpoints_metric(tmp_path):
    kept = CheckpointsConfig(monitor="val_mae", mode="max")
    manager = manager_in(tmp_path, checkpoints=kept, early_stopping=EarlyStopping(EarlyStoppingConfig(patience=2)))
    over = [epoch(manager, number) and manager.finished for number in (1, 2, 3, 2, 2)]
    assert over == [False, False, False, False, True]
    other = EarlyStopping(EarlyStoppingConfig(monitor="val_loss"))
    with pytest.raises(ScantuneError, match="monitor is 'val_loss', and the checkpoints go by 'val_mae'"):
        manager_in(tmp_path, checkpoints=kept, early_stopping=other)


def test_what_is_missing_is_told(tmp_path):
    manager = manager_in(tmp_path, checkpoints=CheckpointsConfig(monitor="val_dice", mode="max"))
    with pytest.raises(ScantuneError, match="'loss' must be a tensor with a gradient; there are dice_loss"):
        manager.train_step({"dice_loss": 0.3})
    manager.validation_step({"loss": 1.0})
    with pytest.raises(ScantuneError, match="'val_dice' was not recorded; there are val_loss"):
        manager.end_epoch()


def _best_of_three(**more) -> CheckpointsConfig:
    kept = {"monitor": "val_mae", "mode": "max", "save_optimizer": True, "save_scheduler": True}
    return CheckpointsConfig(**kept | more)


def _files(manager: TrainingManager) -> set[str]:
    return {path.stem for path in (manager.folder / "checkpoints").glob("epoch-*.safetensors")}


def test_a_new_process_that_goes_on_keeps_the_epochs_before_and_the_best_of_them(tmp_path):
    stopping = {"early_stopping": EarlyStopping(EarlyStoppingConfig(patience=3, mode="max"))}
    first = manager_in(tmp_path, checkpoints=_best_of_three(), **stopping)
    for mae in (5, 9, 7):
        epoch(first, mae)
    again = manager_in(
        tmp_path,
        checkpoints=_best_of_three(),
        early_stopping=EarlyStopping(EarlyStoppingConfig(patience=3, mode="max")),
    )
    again.load_checkpoint(3)
    assert again.early_stopping.wait == 1
    epoch(again, 1)
    assert _files(again) == {"epoch-0001", "epoch-0002", "epoch-0003"}
    assert (again.kept.best().epoch, again.kept.best().value) == (2, 10.0)
    assert [row["epoch"] for row in again.history.epochs()] == [1, 2, 3, 4]
    (tmp_path / "checkpoints" / "epoch-0002.safetensors").unlink()
    later = manager_in(tmp_path, checkpoints=_best_of_three())
    later.load_checkpoint(3)
    assert later.kept.best().epoch == 3  # of those that are there


def test_after_going_back_later_epochs_are_no_longer_of_the_training(tmp_path):
    manager = manager_in(tmp_path, checkpoints=_best_of_three())
    for mae in (5, 9, 7):
        epoch(manager, mae)
    manager.load_checkpoint(1)
    assert len(manager.history.epochs()) == 3, "nothing is lost by looking at an earlier epoch"
    epoch(manager, 2)
    assert [(entry.epoch, entry.value) for entry in manager.kept.entries] == [(1, 6.0), (2, 3.0)]
    assert [row["epoch"] for row in manager.history.epochs()] == [1, 2]
    assert [row["step"] for row in manager.history.steps()] == [1, 2, 3, 4]
    assert (manager.kept.best().epoch, manager.get_training_summary()["best"]["val_mae"]) == (1, 6.0)
    for name, tensor in manager.kept.load(2).items():
        assert torch.equal(tensor, manager.network.state_dict()[name])


def test_milestones_go_by_the_number_of_epochs(tmp_path):
    halves = _best_of_three(strategy="time", milestones=(0.5, 1.0), mode="min")
    with pytest.raises(ScantuneError, match="time keeps epochs at shares of the training: set epochs"):
        manager_in(tmp_path, checkpoints=halves)
    manager = manager_in(tmp_path, checkpoints=halves, epochs=4)
    for mae in (1, 2, 3, 4):
        epoch(manager, mae)
    assert _files(manager) == {"epoch-0001", "epoch-0002", "epoch-0004"}  # the best, and those of the milestones
