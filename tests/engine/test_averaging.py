"""EMA and SWA against PyTorch's own classes, after interruptions, and in what is kept."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import swa_utils

from scantune import engine
from scantune.engine import averaging, durable, samplers
from scantune.engine.averaging import WeightAverage
from scantune.engine.settings import TrainingSettings
from scantune.records import ScantuneError
from tests.engine.conftest import Nursery
from tests.engine.test_distributed import SAME, _same
from tests.engine.test_resume import _survives
from tests.engine.toy import Absolute, Numbers, Squared, Sum, Thaw, network


def _fit(folder: Path, **options: Any) -> engine.FitResult:
    parts = {k: options.pop(k) for k in list(options) if k not in engine.Settings.model_fields}
    kept = {"strategy": "epoch", "save_optimizer": True, "save_scheduler": True}
    settings = {"epochs": 4, "batch_size": 4, "progress": False, "learning_rate": 0.02, "checkpoints": kept}
    return engine.fit(
        parts.pop("net", None) or network(0.0),
        Sum(),
        Numbers(20, 0),
        parts.pop("validation", Numbers(8, 1)),
        terms={"squared": Squared(), "absolute": Absolute()},
        settings=engine.Settings(**{**settings, **options}),
        out_dir=folder / "out",
        state_dir=folder / "state",
        fabric=engine.launch(device="cpu", devices=1, precision="32"),
        **parts,
    )


def _weights(folder: Path, epoch: int) -> dict[str, torch.Tensor]:
    return durable.read_weights(folder / "out" / "checkpoints" / f"epoch-{epoch:04d}.safetensors")[0]


def _loaded(weights: Any) -> nn.Module:
    net = network(0.0)
    net.load_state_dict(weights)
    return net


def _equal(one: Any, other: Any) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), name


def _error(net: nn.Module, data: Numbers) -> float:
    with torch.no_grad():
        return float((net.eval()(torch.from_numpy(data.x))[:, 0] - torch.from_numpy(data.y)).abs().mean())


def test_ema_is_that_of_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decay 0.1 is below the warm-up's at every step, so it is constant."""
    theirs = swa_utils.AveragedModel(network(0.0), multi_avg_fn=swa_utils.get_ema_multi_avg_fn(0.1), use_buffers=True)
    after_step = WeightAverage.after_step
    monkeypatch.setattr(
        WeightAverage, "after_step", lambda self, net: (after_step(self, net), theirs.update_parameters(net))
    )
    result = _fit(tmp_path, ema=0.1)
    last = durable.read_weights(tmp_path / "out" / "checkpoints" / "last.safetensors")[0]
    for name, tensor in theirs.module.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(last[name], tensor, rtol=0, atol=0, msg=name)
    assert result.steps == int(theirs.n_averaged) == 20


def test_decay_of_an_ema_rises_to_its_value() -> None:
    """By hand: decays of (1 + n)/(10 + n) after the first update, at most 0.2."""
    layer, average = nn.Linear(1, 1, bias=False), WeightAverage(decay=0.2)
    for value in (1.0, 2.0, 4.0):
        nn.init.constant_(layer.weight, value)
        average.after_step(layer)
    first = (2 / 11) * 1.0 + (9 / 11) * 2.0
    torch.testing.assert_close(average.weights["weight"], torch.tensor([[0.2 * first + 0.8 * 4.0]]))


def test_swa_is_that_of_pytorch_with_statistics_of_batch_norm(tmp_path: Path) -> None:
    _fit(tmp_path / "plain")
    result = _fit(tmp_path / "swa", swa={"start": 0.5})
    theirs = swa_utils.AveragedModel(_loaded(_weights(tmp_path / "plain", 3)))
    for epoch in (3, 4):
        theirs.update_parameters(_loaded(_weights(tmp_path / "plain", epoch)))
    data = Numbers(20, 0)
    steps = samplers.epoch_steps(samplers.shuffled(20, 42)(3), 5, 4, 1, 0)
    swa_utils.update_bn([torch.from_numpy(data.x[batch]) for step in steps for batch in step], theirs)
    averaged = _weights(tmp_path / "swa", 4)
    for name, tensor in theirs.module.state_dict().items():
        torch.testing.assert_close(averaged[name], tensor, msg=name)
    for epoch in (1, 2):
        _equal(_weights(tmp_path / "swa", epoch), _weights(tmp_path / "plain", epoch))
    assert result.history[3]["val_mae"] == pytest.approx(_error(_loaded(averaged), Numbers(8, 1)), rel=1e-5)


@pytest.mark.parametrize("options", [{"ema": 0.8}, {"swa": {"start": 0.5}}], ids=["ema", "swa"])
def test_training_itself_does_not_change_and_the_checkpoint_is_what_was_validated(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    plain, result = _fit(tmp_path / "plain"), _fit(tmp_path / "averaged", **options)
    beside = durable.read_state(tmp_path / "averaged" / "out" / "checkpoints" / "epoch-0004.pt")
    _equal(beside["trained"], _weights(tmp_path / "plain", 4))
    assert [row["train_loss"] for row in result.history] == [row["train_loss"] for row in plain.history]
    for epoch in (1, 2, 3, 4):
        error = _error(_loaded(_weights(tmp_path / "averaged", epoch)), Numbers(8, 1))
        assert result.history[epoch - 1]["val_mae"] == pytest.approx(error, rel=1e-5)
    _equal(result.network.state_dict(), _weights(tmp_path / "averaged", result.best_epoch))


def test_frozen_layers_and_their_batch_norm_stay_as_they_are(tmp_path: Path) -> None:
    initial = network(0.0)
    for options in ({"ema": 0.8}, {"swa": {"start": 0.25}}):
        folder = tmp_path / next(iter(options))
        _fit(folder, freezing=Thaw(99), **options)
        last = _weights(folder, 4)
        for name in ("0.weight", "0.bias", "1.running_mean", "1.running_var"):
            assert torch.equal(last[name], initial.state_dict()[name]), name
        assert not torch.equal(last["4.weight"], initial.state_dict()["4.weight"])


def test_constant_rate_of_swa(tmp_path: Path) -> None:
    result = _fit(tmp_path, swa={"start": 0.5, "learning_rate": 0.01}, scheduler="cosine")
    rates = [row["learning_rate"] for row in result.history]
    assert rates[2:] == pytest.approx([0.01, 0.01])
    assert rates[0] == pytest.approx(0.02)


def test_the_last_epoch_is_averaged_and_an_earlier_end_is_a_note(tmp_path: Path) -> None:
    average = WeightAverage.of(TrainingSettings(epochs=4, swa={"start": 0.99}))
    assert average is not None
    assert average.start == 3
    stopped = _fit(tmp_path, swa={"start": 0.75}, early_stopping={"patience": 1, "min_delta": 1e6})
    assert any("no averaged weights" in note for note in stopped.notes)


@pytest.mark.parametrize("restored", [True, False])
def test_that_the_best_epoch_lies_before_the_averages_is_a_note(tmp_path: Path, restored: bool) -> None:
    stopping = {"patience": 9, "restore_best_weights": restored}
    first = _fit(tmp_path, swa={"start": 0.75}, early_stopping=stopping, mode="max")  # the highest loss, at the start
    assert first.best_epoch == 1
    assert ("the best epoch is" in " ".join(first.notes)) is restored


class _Stopping(Numbers):
    """Sends SIGTERM to this process when its sample 5 is read for the ``at``-th time."""

    def __init__(self, at: int) -> None:
        super().__init__(8, 1)
        self.at, self.reads = at, 0

    def __getitem__(self, index: int) -> dict[str, Any]:
        self.reads += index == 5
        if self.reads == self.at and index == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().__getitem__(index)


@pytest.mark.parametrize("options", [{"ema": 0.8}, {"swa": {"start": 0.0}}], ids=["ema", "swa"])
def test_stopped_within_validation_it_resumes_from_the_trained_weights(tmp_path: Path, options: dict[str, Any]) -> None:
    """The averaged weights are in the network at that moment; the state must have the trained ones."""
    options = {**options, "save_every_steps": 2}
    whole = _fit(tmp_path / "whole", **options)
    with pytest.raises(engine.Interrupted):
        _fit(tmp_path / "stopped", validation=_Stopping(at=2), **options)
    again = _fit(tmp_path / "stopped", **options)
    assert again.resumed
    assert again.history == whole.history
    _equal(again.network.state_dict(), whole.network.state_dict())
    for epoch in (1, 2, 3, 4):
        _equal(_weights(tmp_path / "stopped", epoch), _weights(tmp_path / "whole", epoch))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"ema": 0.9}, {"swa": {"start": 0.4}}], ids=["ema", "swa"])
def test_killed_at_any_moment_it_ends_with_the_same_bytes(
    nursery: Nursery, tmp_path: Path, options: dict[str, Any]
) -> None:
    more = {"thaw": 1, "save_optimizer": True, "save_every_steps": 2, "pause": 0.002}
    assert _survives(nursery, tmp_path, 3, random.Random(0).randint(0, 99), **options, **more) > 0


@pytest.mark.slow
@pytest.mark.parametrize("average", [{"ema": 0.9}, {"swa": {"start": 0.0}}], ids=["ema", "swa"])
def test_two_processes_average_as_one(nursery: Nursery, tmp_path: Path, average: dict[str, Any]) -> None:
    """The order of a step's samples differs, so that weights agree to rounding; batch norm is frozen (``thaw``)."""
    options = {**SAME, **average, "batch_size": 4}
    assert nursery.train(tmp_path / "one", tmp_path / "s1", **options, grad_accumulation_steps=2) == 0
    assert nursery.train(tmp_path / "two", tmp_path / "s2", **options, processes=2) == 0
    _same(tmp_path / "one", tmp_path / "two")


def test_statistics_of_batch_norm_are_means_over_processes(nursery: Nursery, tmp_path: Path) -> None:
    options: dict[str, Any] = {"swa": {"start": 0.0}, "batch_size": 4, "n": 32, "epochs": 1, "dropout": 0.0}
    assert nursery.train(tmp_path / "two", tmp_path / "state", **options, processes=2) == 0
    net = network(0.0)
    last = durable.read_weights(tmp_path / "two" / "checkpoints" / "last.safetensors")[0]
    net.load_state_dict(last)
    hidden = net[0](torch.from_numpy(Numbers(32, 0, jitter=True).x))  # type: ignore[index]
    torch.testing.assert_close(last["1.running_mean"], hidden.mean(0).detach(), rtol=0.1, atol=0.05)


def test_resumes_from_a_checkpoint_only_with_the_same_average(tmp_path: Path) -> None:
    whole = _fit(tmp_path / "ema", ema=0.8)
    _fit(tmp_path / "plain")
    checkpoint = tmp_path / "ema" / "state" / "checkpoints" / "epoch-0002.safetensors"
    plain = tmp_path / "plain" / "state" / "checkpoints" / "epoch-0002.safetensors"
    resumed = _fit(tmp_path / "resumed", ema=0.8, resume_from=checkpoint)
    _equal(resumed.network.state_dict(), whole.network.state_dict())
    assert resumed.history[2:] == whole.history[2:]
    for of, options in ((plain, {"ema": 0.8}), (checkpoint, {}), (checkpoint, {"ema": 0.9})):
        with pytest.raises(ScantuneError, match=r"train\.ema"):
            _fit(tmp_path / f"refused{len(options)}{of.parent.parent.parent.name}", resume_from=of, **options)


def test_statistics_of_batch_norm_leave_dropout_out() -> None:
    net, data = network(0.5), torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    net.train()
    norms = averaging.norms_in_training(net)
    with averaging.batch_norm_statistics(net, norms):
        net(data)
    hidden = net[0](data)  # type: ignore[index]
    torch.testing.assert_close(norms[0].running_mean, hidden.mean(0).detach())
    torch.testing.assert_close(norms[0].running_var, hidden.var(0).detach())
    assert norms[0].momentum == 0.1
    assert not norms[0].training
