from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from scantune import engine
from scantune.engine import distributed, hardware, monitoring, saving
from scantune.engine.durable import read_weights
from scantune.records import ScantuneError
from tests.engine.toy import Absolute, Numbers, Squared, Sum, Thaw, network

CPU = {"device": "cpu", "devices": 1, "precision": "32"}


def _fit(
    net: nn.Module | None = None, data: Any = None, terms: Any = None, out: Path | None = None, **settings: Any
) -> engine.FitResult:
    parts = {k: settings.pop(k) for k in list(settings) if k not in engine.Settings.model_fields}
    return engine.fit(
        net if net is not None else network(),
        parts.pop("task", Sum()),
        data if data is not None else Numbers(30, 0),
        parts.pop("validation", Numbers(14, 1)),
        terms=terms or {"squared": Squared(), "absolute": Absolute()},
        settings=engine.Settings(**{"epochs": 2, "batch_size": 4, "progress": False, **settings}),
        out_dir=out,
        fabric=engine.launch(**{**CPU, "precision": parts.pop("precision", "32")}),
        **parts,
    )


def test_step_is_the_one_a_bare_loop_takes() -> None:
    """Against an independent formula: one step over all samples, weighted mean plus mean, by plain SGD."""
    data, net, other = Numbers(12, 0), network(0.0, norm=False), network(0.0, norm=False)
    sgd = {"optimizer": {"name": "sgd", "momentum": 0}, "learning_rate": 0.1, "weight_decay": 0}
    _fit(net, data, epochs=1, batch_size=5, grad_accumulation_steps=3, **sgd)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    error, weight = other(x)[:, 0] - y, 1 + (y > 0).float()
    ((weight * error**2).sum() / weight.sum() + error.abs().mean()).backward()
    for name, parameter in other.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(net.state_dict()[name], parameter.detach() - 0.1 * parameter.grad, msg=name)


def test_accumulation_changes_nothing() -> None:
    once, often = network(0.0, norm=False), network(0.0, norm=False)
    _fit(once, batch_size=8)
    _fit(often, batch_size=2, grad_accumulation_steps=4)
    for name, tensor in once.state_dict().items():
        torch.testing.assert_close(often.state_dict()[name], tensor)


@pytest.mark.parametrize("workers", [1, 2])
def test_number_of_workers_changes_nothing(workers: int) -> None:
    alone, helped = network(), network()
    _fit(alone, Numbers(30, 0, jitter=True))
    _fit(helped, Numbers(30, 0, jitter=True), workers=workers)
    for name, tensor in alone.state_dict().items():
        assert torch.equal(helped.state_dict()[name], tensor)


def test_epoch_figures_are_means_over_the_epoch_and_every_component_is_there(tmp_path: Path) -> None:
    net = network(0.0, norm=False)
    _fit(net, Numbers(30, 0), out=tmp_path, epochs=1, optimizer="sgd", learning_rate=1e-12, weight_decay=0)
    data, untrained = Numbers(30, 0), network(0.0, norm=False)
    with torch.no_grad():
        error = (untrained(torch.from_numpy(data.x))[:, 0] - torch.from_numpy(data.y)).double()
    weight = 1 + (torch.from_numpy(data.y) > 0).double()
    row = next(csv.DictReader((tmp_path / "history.csv").open()))
    assert float(row["train_squared_loss"]) == pytest.approx(float((weight * error**2).sum() / weight.sum()), rel=1e-5)
    assert float(row["train_absolute_loss"]) == pytest.approx(float(error.abs().mean()), rel=1e-5)
    assert float(row["train_mae"]) == pytest.approx(float(error.abs().mean()), rel=1e-5)
    steps = list(csv.DictReader((tmp_path / "steps.csv").open()))
    assert [int(s["step"]) for s in steps] == list(range(1, 9))
    parts = float(row["train_squared_loss"]) + float(row["train_absolute_loss"])
    assert float(row["train_loss"]) == pytest.approx(parts, rel=1e-6)
    both = json.loads((tmp_path / "history.json").read_text())
    assert len(both["epochs"]) == 1
    assert len(both["steps"]) == 8


class Rare(Absolute):
    """A loss of the samples above 2 alone, of which most steps have none."""

    def weight(self, batch: Any) -> Tensor:
        return (batch["target"] > 2).sum().float()

    def total(self, network: nn.Module, batch: Any, output: Tensor) -> Tensor:
        return ((output[:, 0] - batch["target"]).abs() * (batch["target"] > 2)).sum()


def test_the_loss_of_an_epoch_in_training_and_in_validation_is_that_of_the_same_samples() -> None:
    still = {"optimizer": "sgd", "learning_rate": 1e-12, "weight_decay": 0}
    data = Numbers(30, 0)
    fitted = _fit(network(0.0, norm=False), data, {"rare": Rare()}, validation=data, epochs=1, batch_size=2, **still)
    row = fitted.history[0]
    assert row["train_loss"] == pytest.approx(row["val_loss"], rel=1e-5)
    assert row["train_loss"] == pytest.approx(row["train_rare_loss"], rel=1e-6)


class TwoLevels(nn.Module):
    """A network that answers at a second, coarser level while it trains, far from the target."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network(0.0, norm=False)

    def forward(self, x: Tensor) -> Tensor | list[Tensor]:
        output = self.net(x)
        return [output, 3 * output + 100] if self.training else output


class OfAllLevels(Absolute):
    """The mean of the losses of all levels."""

    def total(self, network: nn.Module, batch: Any, output: Tensor) -> Tensor:
        levels = (output, *batch.get("coarser", ()))
        return sum(super(OfAllLevels, self).total(network, batch, one) for one in levels) / len(levels)  # type: ignore


def test_the_training_loss_is_that_of_the_finest_level_and_the_gradient_of_all() -> None:
    options = {"epochs": 1, "batch_size": 30, "optimizer": {"name": "sgd", "momentum": 0}, "weight_decay": 0}
    net, data, untrained = TwoLevels(), Numbers(30, 0), TwoLevels().train()
    result = _fit(net, data, {"levels": OfAllLevels()}, **options, learning_rate=0.1)
    x, y = torch.from_numpy(data.x), torch.from_numpy(data.y)
    fine, coarse = ((level[:, 0] - y).abs().mean() for level in untrained(x))
    ((fine + coarse) / 2).backward()
    (row,) = result.history
    assert row["train_loss"] == row["train_levels_loss"] == pytest.approx(float(fine.detach()), rel=1e-5)
    for name, parameter in untrained.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(net.state_dict()[name], parameter.detach() - 0.1 * parameter.grad, msg=name)


def test_weights_of_terms_follow_their_schedule() -> None:
    calls = []

    def weights(epoch: int, step: int, history: list[dict[str, Any]]) -> dict[str, float]:
        calls.append((epoch, step, len(history)))
        return {"squared": 1.0 - epoch, "absolute": float(epoch)}

    result = _fit(term_weights=weights)
    first, second = result.history
    assert first["val_loss"] == pytest.approx(first["val_squared_loss"])
    assert second["val_loss"] == pytest.approx(second["val_absolute_loss"])
    assert (1, 8, 1) in calls
    both, alone = network(), network()
    _fit(both, term_weights=lambda *_: {"squared": 2.0, "absolute": 0.0}, epochs=1)
    _fit(alone, terms={"squared": Squared()}, term_weights=lambda *_: {"squared": 2.0}, epochs=1)
    for name, tensor in alone.state_dict().items():
        assert torch.equal(both.state_dict()[name], tensor), "a weight of 0 takes a part out of the gradient"


def test_best_weights_come_back_and_outputs_repeat_to_the_byte(tmp_path: Path) -> None:
    options: dict[str, Any] = {"epochs": 6, "early_stopping": {"patience": 2}}
    result = _fit(out=tmp_path / "a", learning_rate=0.5, **options)
    again = _fit(out=tmp_path / "b", learning_rate=0.5, **options)
    assert result.best_value == min(row["val_loss"] for row in result.history)
    assert result.metrics["epoch"] == result.best_epoch == again.best_epoch
    best = read_weights(tmp_path / "a" / "checkpoints" / "best.safetensors")[0]
    for name, tensor in result.network.state_dict().items():
        assert torch.equal(best[name], tensor)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    assert not any(str(tmp_path).encode() in (tmp_path / "a" / f).read_bytes() for f in files)


class _Undefined(Sum):
    def summarise(self, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        return {"mae": float("nan")}


def test_a_monitored_metric_that_is_never_defined_is_noted() -> None:
    result = _fit(network(), epochs=3, monitor="val_mae", task=_Undefined(), early_stopping=False)
    assert (result.best_epoch, result.metrics["epoch"]) == (0, 3)
    assert result.notes == [
        "val_mae was undefined in every epoch, so that none is the best: the weights are those of the last"
    ]


class _Overflowing(nn.Module):
    """From the second validation on one output is not a number."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.validations = network(0.0, norm=False), 0

    def forward(self, x: Tensor) -> Tensor:
        output = self.net(x)
        if not self.training and len(x) == 2:  # the last batch of 14 samples in fours
            self.validations += 1
            output = output + (torch.tensor([[math.nan], [0.0]]) if self.validations > 1 else 0.0)
        return output


class _Ranked(Sum):
    """A metric of ranks, which is a number whatever the predictions are."""

    epoch_metrics = {"rank": "max"}  # noqa: RUF012

    def summarise(self, reduced: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        return {"rank": float(np.argsort(reduced)[0]) + 100 * np.isnan(reduced).any()}


def test_an_epoch_of_outputs_that_are_no_numbers_is_never_the_best(caplog: pytest.LogCaptureFixture) -> None:
    result = _fit(_Overflowing(), task=_Ranked(), monitor="val_rank", epochs=3, early_stopping=False)
    assert result.best_epoch == 1
    assert [math.isnan(row["val_rank"]) for row in result.history] == [False, True, True]
    assert "epoch 2: of 1 sample in validation the prediction is not a finite number" in caplog.text


def test_early_stopping_ends_it() -> None:
    still = {"optimizer": "sgd", "learning_rate": 1e-9}
    result = _fit(network(0.0, norm=False), epochs=9, early_stopping={"patience": 2}, **still)
    assert result.finished == "early stopping"
    assert result.epochs == 3


def test_layer_thawed_later_trains_from_then_on_and_frozen_norm_stands_still() -> None:
    net = network(0.0)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    one = _fit(net, epochs=1, freezing=Thaw(at=1))
    assert torch.equal(net.state_dict()["0.weight"], before["0.weight"])
    assert torch.equal(net.state_dict()["1.running_mean"], before["1.running_mean"])
    assert one.trained[0] < one.trained[1]
    two = _fit(net, epochs=2, freezing=Thaw(at=1))
    assert not torch.equal(net.state_dict()["0.weight"], before["0.weight"])
    assert two.unfrozen == {2: ["first"]}


def test_a_training_is_saved_at_the_end_of_each_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = []
    monkeypatch.setattr(saving.state, "save", lambda training: saved.append(training.position.epoch))
    _fit(epochs=3, save_every_minutes=1000)
    assert saved == [1, 2, 3]


def test_resume_from_a_kept_checkpoint_ends_the_same(tmp_path: Path) -> None:
    kept = {"strategy": "epoch", "max_checkpoints": 9, "save_optimizer": True, "save_scheduler": True}
    options: dict[str, Any] = {"epochs": 4, "scheduler": "onecycle", "checkpoints": kept}
    whole, part = network(), network()
    _fit(whole, state_dir=tmp_path / "s", **options)
    second = tmp_path / "s" / "checkpoints" / "epoch-0002.safetensors"
    _fit(part, state_dir=tmp_path / "t", resume_from=second, **options)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(part.state_dict()[name], tensor)
    second.with_suffix(".pt").unlink()
    with pytest.raises(ScantuneError, match="has weights only"):
        _fit(network(), resume_from=second, **options)


def test_a_training_resumed_from_a_checkpoint_stops_early_in_the_same_epoch(tmp_path: Path) -> None:
    stopping = {"patience": 2, "min_delta": 0.0}
    options: dict[str, Any] = {"epochs": 12, "learning_rate": 0.05, "early_stopping": stopping, "checkpoints": _EVERY}
    whole = _fit(network(), state_dir=tmp_path, **options)
    assert whole.finished == "early stopping"
    for epoch in range(1, whole.epochs):
        resumed = _fit(network(), resume_from=tmp_path / "checkpoints" / f"epoch-{epoch:04d}.safetensors", **options)
        assert (resumed.epochs, resumed.best_value) == (whole.epochs, whole.best_value), epoch


def test_a_checkpoint_without_its_optimizer_is_not_one_to_resume_from(tmp_path: Path) -> None:
    alone = {"strategy": "epoch", "max_checkpoints": 9, "save_scheduler": True}
    options: dict[str, Any] = {"epochs": 2, "scheduler": "onecycle", "checkpoints": alone}
    _fit(network(), state_dir=tmp_path / "s", **options)
    with pytest.raises(ScantuneError, match="has weights only"):
        _fit(network(), resume_from=tmp_path / "s" / "checkpoints" / "epoch-0001.safetensors", **options)


_EVERY = {"strategy": "epoch", "max_checkpoints": 9, "save_optimizer": True, "save_scheduler": True}


def test_a_rate_changed_since_a_checkpoint_takes_effect_and_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    options: dict[str, Any] = {"epochs": 3, "checkpoints": _EVERY, "learning_rate": 0.02}
    _fit(out=tmp_path / "a" / "out", state_dir=tmp_path / "a" / "state", **options)
    second = tmp_path / "a" / "state" / "checkpoints" / "epoch-0002.safetensors"
    changed = options | {"learning_rate": 1e-9, "epochs": 4, "optimizer": {"name": "adamw", "eps": 1e-3}}
    resumed = _fit(network(), resume_from=second, **changed)
    assert [row["learning_rate"] for row in resumed.history] == [0.02, 0.02, 1e-9, 1e-9]
    assert "learning_rate was 0.02 and is 1e-09" in resumed.notes[0]
    before = read_weights(second)[0]
    for name, tensor in resumed.network.named_parameters():
        torch.testing.assert_close(tensor, before[name], msg=name)
    exported = tmp_path / "a" / "out" / "checkpoints" / second.name  # with history.json in the folder above
    assert len(_fit(network(), resume_from=exported, **options).history) == 3
    assert not list((tmp_path / "here").iterdir()), "without folders nothing is written"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"optimizer": "sgd"}, "optimizer was adamw and is sgd"),
        ({"batch_size": 2}, "effective_batch was 4 and is 2"),
        ({"monitor": "val_mae"}, "monitor was val_loss and is val_mae"),
        ({"epochs": 2}, "has 2 completed epochs and train.epochs is 2"),
    ],
)
def test_what_may_not_change_since_a_checkpoint_is_refused(tmp_path: Path, change: dict, message: str) -> None:
    options: dict[str, Any] = {"epochs": 3, "checkpoints": _EVERY}
    _fit(state_dir=tmp_path, **options)
    with pytest.raises(ScantuneError, match=message):
        _fit(network(), resume_from=tmp_path / "checkpoints" / "epoch-0002.safetensors", **options | change)


def test_the_best_of_the_epochs_before_a_checkpoint_stays_the_best(tmp_path: Path) -> None:
    """The loss falls, so that the first epoch has the highest."""
    options: dict[str, Any] = {"epochs": 3, "checkpoints": _EVERY, "mode": "max", "early_stopping": False}
    whole = _fit(network(0.0, norm=False), state_dir=tmp_path / "a", **options)
    assert whole.best_epoch == 1
    folder, again = tmp_path / "a" / "checkpoints", network(0.0, norm=False)
    second = folder / "epoch-0002.safetensors"
    resumed = _fit(again, out=tmp_path / "b" / "out", state_dir=tmp_path / "b" / "s", resume_from=second, **options)
    assert (resumed.best_epoch, resumed.best_value) == (1, whole.best_value)
    for name, tensor in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], tensor), name
    files = {path.name for path in (tmp_path / "b" / "out" / "checkpoints").glob("epoch-*.safetensors")}
    assert files == {row["file"] for row in resumed.checkpoints["checkpoints"]}
    (folder / "epoch-0001.safetensors").unlink()
    other = _fit(network(0.0, norm=False), out=tmp_path / "c", resume_from=second, **options)
    assert other.best_epoch == 2
    assert any("epoch 1 had the best val_loss" in note for note in other.notes)


@pytest.mark.parametrize(
    "change",
    [
        {"learning_rate": 0.1},
        {"weight_decay": 0.5},
        {"optimizer": "sgd"},
        {"monitor": "val_mae"},
        {"clip_norm": 1.0},
        {"warmup_epochs": 1},
        {"early_stopping": {"patience": 1}},
        {"data": Numbers(29, 0)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_saved_state_of_other_settings_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    _fit(state_dir=tmp_path)
    with pytest.raises(ScantuneError, match="belongs to another training") as told:
        _fit(state_dir=tmp_path, **change)
    key = next(iter(change))
    assert f"{'samples' if key == 'data' else key} was" in str(told.value)
    assert _fit(state_dir=tmp_path, workers=1, save_every_steps=3, on_non_finite="skip").resumed


class _Labelled(Numbers):
    """With targets, as samples in the cache have them."""

    def __init__(self, shift: float) -> None:
        super().__init__(12, 0)
        self.y = self.targets = self.y + np.float32(shift)


def test_a_saved_state_of_other_labels_is_refused(tmp_path: Path) -> None:
    _fit(data=_Labelled(0.0), state_dir=tmp_path)
    assert _fit(data=_Labelled(0.0), state_dir=tmp_path).resumed
    with pytest.raises(ScantuneError, match="belongs to another training"):
        _fit(data=_Labelled(1.0), state_dir=tmp_path)


class _NotFinite(Squared):
    """Its loss is NaN in two steps."""

    calls = 0

    def total(self, network: nn.Module, batch: Any, output: Tensor) -> Tensor:
        self.calls += 1
        return super().total(network, batch, output) * (float("nan") if self.calls in (8, 9) else 1.0)


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_steps_are_skipped_under_scaled_gradients_too(clip_norm: float | None) -> None:
    from lightning_fabric import Fabric
    from lightning_fabric.plugins.precision import MixedPrecision

    scaler: Any = torch.amp.GradScaler("cpu", init_scale=8.0)
    fabric = Fabric(accelerator="cpu", devices=1, plugins=MixedPrecision("16-mixed", "cpu", scaler=scaler))
    fabric.launch()
    settings = engine.Settings(
        epochs=2, batch_size=4, progress=False, on_non_finite="skip", clip_norm=clip_norm, learning_rate=0.02
    )
    result = engine.fit(
        network(), Sum(), Numbers(30, 0), Numbers(14, 1), terms={"squared": _NotFinite()}, settings=settings,
        fabric=fabric,
    )  # fmt: skip
    assert (result.skipped, result.steps) == (2, 16)
    assert result.history[1]["val_loss"] < result.history[0]["val_loss"]
    assert scaler.get_scale() == 8.0


def test_bf16_learns_about_the_same() -> None:
    exact, half = network(0.0), network(0.0)
    one, other = _fit(exact), _fit(half, precision="bf16")
    assert other.precision == "bf16-mixed"
    assert other.history[-1]["val_loss"] == pytest.approx(one.history[-1]["val_loss"], rel=0.1)
    assert all(t.dtype == torch.float32 for t in half.parameters())


def test_the_last_weights_on_disk_are_those_of_the_last_epoch_where_another_one_is_the_best(tmp_path: Path) -> None:
    weights: dict[tuple[str, bool], torch.Tensor] = {}
    for restored in (True, False):
        stopping = {"patience": 9, "restore_best_weights": restored}
        out = tmp_path / str(restored)
        result = _fit(network(0.0), out=out, epochs=3, monitor="val_loss", mode="max", early_stopping=stopping)
        assert result.best_epoch < 3
        for name in ("best", "last"):
            state = read_weights(out / "checkpoints" / f"{name}.safetensors")[0]
            weights[name, restored] = torch.cat([tensor.flatten() for tensor in state.values()])
    assert torch.equal(weights["best", True], weights["best", False])
    assert torch.equal(weights["last", True], weights["last", False])
    assert not torch.equal(weights["best", True], weights["last", True])


def test_the_last_weights_are_those_of_the_model_without_early_stopping_too_where_they_are_asked_for() -> None:
    weights = {}
    for name, stopping in {
        "last": {"enabled": True, "patience": 9, "restore_best_weights": False},
        "off": {"enabled": False, "restore_best_weights": False},
        "best": {"enabled": False},
    }.items():
        result = _fit(network(0.0), epochs=3, monitor="val_loss", mode="max", early_stopping=stopping)
        weights[name] = torch.cat([tensor.flatten() for tensor in result.network.state_dict().values()])
        assert result.metrics["epoch"] == (result.best_epoch if name == "best" else 3)
    assert torch.equal(weights["last"], weights["off"])
    assert not torch.equal(weights["best"], weights["off"])


def depthwise() -> nn.Module:
    """[B, 4] → [B, 1] by way of a depthwise convolution."""
    return nn.Sequential(
        nn.Linear(4, 64), nn.Unflatten(1, (4, 4, 4)), nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Flatten(),
        nn.Linear(64, 1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("net", "precision", "used"),
    [
        (network, "auto", "bf16-mixed"),
        (depthwise, "auto", "32-true"),
        (depthwise, "bf16", "bf16-mixed"),
    ],
)
def test_auto_leaves_depthwise_convolutions_on_a_cpu_in_float32(
    net: Any, precision: str, used: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """bfloat16 takes twice as long for them; a person who asks for it by name gets it."""
    monkeypatch.setattr(distributed, "_has_bf16", lambda device: True)
    caplog.set_level("INFO", logger="scantune")
    fabric = engine.launch(**{**CPU, "precision": precision})
    results = [
        engine.fit(
            net(), Sum(), Numbers(8, 0), Numbers(4, 1), terms={"squared": Squared()}, fabric=fabric,
            settings=engine.Settings(epochs=1, batch_size=4, progress=False),
        )
        for _ in range(2)  # the folds of an experiment share the processes
    ]  # fmt: skip
    assert [result.precision for result in results] == [used] * 2
    assert caplog.text.count("depthwise") == (2 if used == "32-true" else 0)
    assert caplog.text.count("precision bf16") == (0 if used == "32-true" else 2)
    assert str(fabric.strategy.precision.precision) == ("bf16-mixed" if precision != "32" else used)


def test_a_training_in_the_float32_of_auto_is_resumed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(distributed, "_has_bf16", lambda device: True)
    parts: dict[str, Any] = {"terms": {"squared": Squared()}, "state_dir": tmp_path / "state"}
    for precision in ("auto", "32"):
        fabric = engine.launch(**{**CPU, "precision": precision})
        settings = engine.Settings(epochs=1, batch_size=4, progress=False)
        data = Sum(), Numbers(8, 0), Numbers(4, 1)
        result = engine.fit(depthwise(), *data, settings=settings, fabric=fabric, **parts)
    assert result.resumed


def test_clipping_by_norm_and_by_value() -> None:
    sgd = {"optimizer": {"name": "sgd", "momentum": 0}, "learning_rate": 1.0, "weight_decay": 0}
    for options, bound in (({"clip_norm": 1e-3}, 1e-3), ({"clip_value": 1e-4}, 1e-4 * 97**0.5)):
        net = network(0.0, norm=False)
        before = torch.cat([p.detach().flatten() for p in net.parameters()])
        _fit(net, epochs=1, batch_size=30, **sgd, **options)
        moved = (torch.cat([p.detach().flatten() for p in net.parameters()]) - before).norm()
        assert 0 < float(moved) <= bound * 1.001


def test_balanced_sampler_needs_classes_and_uses_them() -> None:
    with pytest.raises(ScantuneError, match="balanced requires a task with classes"):
        _fit(sampler="balanced")
    classes = (Numbers(30, 0).y > 1).astype(int)
    assert _fit(sampler="balanced", classes=classes).finished == "all epochs"


def test_mixing_hands_on_both_targets_and_their_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scantune.engine.estimate.report", lambda training: None)  # its batches are no steps
    seen: list[Any] = []

    class Mixed(Absolute):
        def total(self, network: nn.Module, batch: Any, output: Tensor) -> Tensor:
            seen.append({k: batch[k] for k in ("target", "target_b", "lam")} if network.training else None)
            return super().total(network, batch, output)

    def mixing(inputs: Tensor, targets: Tensor, generator: torch.Generator) -> Any:
        share = float(torch.rand((), generator=generator))
        return inputs * share, targets, targets.flip(0), share

    _fit(terms={"absolute": Mixed()}, mixing=mixing, epochs=1)
    first = [mixed["lam"] for mixed in seen if mixed]
    assert all(torch.equal(mixed["target_b"], mixed["target"].flip(0)) for mixed in seen if mixed)
    seen.clear()
    _fit(terms={"absolute": Mixed()}, mixing=mixing, epochs=1)
    assert first == [mixed["lam"] for mixed in seen if mixed]
    assert len(set(first)) == len(first) == 8


def test_empty_side_is_named() -> None:
    with pytest.raises(ScantuneError, match="the validation set has no samples"):
        _fit(validation=Numbers(0, 0))


def test_network_that_cannot_be_compiled_names_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(graph: Any, inputs: Any) -> Any:
        raise AssertionError("tiles differ")

    compile_network = torch.compile
    monkeypatch.setattr(torch, "compile", lambda net, **_: compile_network(net, backend=broken))
    monkeypatch.setenv("CXX", "sh")
    with pytest.raises(ScantuneError, match=r"train\.compile: true, but PyTorch .* tiles differ.*set compile: false"):
        _fit(network(), compile=True, epochs=1)
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match="unrelated"), hardware.compile_faults(engine.Settings(compile=True)):
        raise RuntimeError("unrelated")


@pytest.mark.parametrize(
    ("workers", "device", "processes", "free", "expected"),
    [
        ("auto", "cpu", 1, 2**40, 0),
        ("auto", "cuda", 1, 2**40, 7),
        ("auto", "cuda", 2, 2**40, 3),
        ("auto", "cuda", 8, 2**40, 0),
        ("auto", "cuda", 1, 2**26, 0),  # a container's default
        (3, "cuda", 1, 2**26, 3),
        (2, "cpu", 1, 2**40, 2),
    ],
)
def test_workers_follow_the_device(monkeypatch, tmp_path, workers, device, processes, free, expected) -> None:
    monkeypatch.setattr(hardware.processors, "usable", lambda: 8)
    monkeypatch.setattr(hardware, "SHARED", tmp_path)
    monkeypatch.setattr(hardware.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    settings = engine.Settings(workers=workers)
    assert hardware.loading_workers(settings, torch.device(device), processes) == expected


def test_processors_are_shared_by_the_processes_of_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("WORLD_SIZE", "8")
    assert distributed.processes_here(SimpleNamespace(world_size=8, global_rank=5)) == 2
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    assert distributed.processes_here(SimpleNamespace(world_size=3, global_rank=0)) == 3


def test_channels_last_and_compile_keys_reach_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(torch, "compile", lambda net: compiled.append(net) or net)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ScantuneError, match=r"no C\+\+ compiler 'no-such-compiler'"):
        _fit(network(), compile=True, epochs=1)
    monkeypatch.setenv("CXX", "sh")  # any program: the compiler is a stand-in
    net = network()
    _fit(net, compile=True, epochs=1)
    assert compiled[0] is net

    class Pictures(Numbers):
        def __getitem__(self, index: int) -> dict[str, Any]:
            return super().__getitem__(index) | {"input": np.ones((3, 4, 4), np.float32)}

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head, self.ordered = nn.Conv2d(3, 4, 3), nn.Linear(4, 1), True

        def forward(self, x: Tensor) -> Tensor:
            self.ordered &= x.is_contiguous(memory_format=torch.channels_last)
            return self.head(self.conv(x).mean((2, 3)))

    watching = Watching()
    _fit(watching, Pictures(8, 0), validation=Pictures(4, 1), channels_last=True, epochs=1)
    assert watching.ordered
    assert watching.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_process_wide_switches_hold_while_training_and_are_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    emptied: list[torch.device] = []
    monkeypatch.setattr(hardware, "free_memory", emptied.append)

    def switches() -> tuple[bool, bool, bool]:
        return (
            torch.backends.cudnn.benchmark,
            torch.backends.cuda.flash_sdp_enabled(),
            torch.are_deterministic_algorithms_enabled(),
        )

    class Watching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.seen = network(), set()

        def forward(self, x: Tensor) -> Tensor:
            self.seen.add(switches())
            return self.inner(x)

    before, watching = switches(), Watching()
    _fit(watching, cudnn_benchmark=True, flash_attention=False, deterministic=True, clear_cache=True, epochs=2)
    assert watching.seen == {(True, False, True)}
    assert switches() == before
    assert len(emptied) == 2  # after each epoch
    _fit(epochs=1)
    assert len(emptied) == 2


def test_memory_of_a_gpu_is_told_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(("memory_allocated", "memory_reserved", "max_memory_allocated"), 1):
        monkeypatch.setattr(torch.cuda, name, lambda device, n=number: n)
    told = monitoring.memory(torch.device("cuda", 0))
    assert told == {"gpu_memory_allocated": 1.0, "gpu_memory_reserved": 2.0, "gpu_memory_peak": 3.0}
    assert monitoring.memory(torch.device("cpu")) == {}


@pytest.mark.parametrize("mode,better", [("auto", min), ("max", max)])
def test_an_error_by_range_keeps_the_epoch_where_it_is_lowest(mode: str, better: Any) -> None:
    monitored = "val_mae_from_0"
    result = _fit(
        monitor=monitored,
        mode=mode,
        epochs=4,
        monitoring={"error_ranges": (0.0,)},
        checkpoints={"max_checkpoints": 1},
    )
    rows = [row[monitored] for row in result.history]
    assert len(set(rows)) > 1
    assert result.best_value == better(rows)
    assert result.best_epoch == rows.index(better(rows)) + 1


def test_a_metric_of_ones_own_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    from scantune.tasks import directions

    monkeypatch.setattr(directions, "CUSTOM", {})

    @engine.metric("largest_error", mode="min")
    def largest_error(reference: np.ndarray, prediction: np.ndarray) -> float:
        assert reference.shape == prediction.shape == (len(reference),)
        return float(np.abs(prediction - reference).max())

    sink = _Views()
    result = _fit(sinks=[sink], monitor="val_largest_error", epochs=3)
    rows = [row["val_largest_error"] for row in result.history]
    assert result.best_value == min(rows)
    assert all(row["train_largest_error"] >= row["train_mae"] for row in result.history)
    assert sink.figures["val_largest_error"] == rows[-1]
    with pytest.raises(ScantuneError, match="already registered"):
        engine.metric("largest_error")(lambda reference, prediction: 0.0)
    engine.metric("smallest_error")(lambda reference, prediction: 0.0)
    with pytest.raises(ScantuneError, match="set mode"):
        _fit(monitor="val_smallest_error", epochs=1)
    engine.metric("mae")(lambda reference, prediction: 0.0)
    with pytest.raises(ScantuneError, match="'mae': the task sum has a metric of that name"):
        _fit(epochs=1)


class _Views:
    name = "views"

    def __init__(self) -> None:
        self.figures: dict[str, float] = {}
        self.histograms: dict[str, Any] = {}
        self.texts: dict[str, str] = {}

    def metrics(self, points: Any) -> None:
        for _, values in points:
            self.figures |= values

    def histogram(self, epoch: int, name: str, counts: Any, edges: Any) -> None:
        self.histograms[name] = (counts, edges)

    def text(self, epoch: int, name: str, words: str) -> None:
        self.texts[name] = words


def test_histograms_gradient_norms_and_parameters_without_gradient_reach_the_sinks() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.idle = network(), nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x)

    sink = _Views()
    monitoring = {"bins": 35, "range": (0.0, 34.0), "error_ranges": (-1.0, 1.0), "gradient_norms": True}
    _fit(Idle(), sinks=[sink], monitoring=monitoring)
    assert sink.figures["gradient_norm/inner.0.weight"] > 0
    assert sink.texts["parameters without gradient"].splitlines() == ["idle.weight", "idle.bias"]
    counts, edges = sink.histograms["target"]
    assert len(counts) == 35
    assert (edges[0], edges[-1], sum(counts)) == (0.0, 34.0, 14)
    assert {"val_mae_below_-1", "val_mae_-1_to_1", "val_mae_from_1"} <= set(sink.figures)


def test_error_by_range_by_hand() -> None:
    reduced, targets = np.array([1.0, 6.0, 20.0, 4.0]), np.array([0.0, 5.0, 15.0, 4.0])
    assert monitoring.error_by_range(reduced, targets, (5, 15)) == {
        "val_mae_below_5": 0.5,
        "val_mae_5_to_15": 1.0,
        "val_mae_from_15": 5.0,
    }
    assert np.isnan(monitoring.error_by_range(reduced, targets, (50,))["val_mae_from_50"])
    assert monitoring.error_by_range(np.ones((4, 3)), targets, (5,)) == {}


def test_progress_bar_shows_epoch_loss_and_best(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")  # a narrow terminal cuts the text
    _fit(progress=True)
    output = capsys.readouterr().err
    assert "epoch 2/2" in output
    assert "best" in output


def test_gradient_checkpointing_changes_no_weight() -> None:
    from scantune import models

    class Pictures(Numbers):
        def __getitem__(self, index: int) -> dict[str, Any]:
            picture = np.random.default_rng(index).normal(size=(1, 16, 16)).astype(np.float32)
            return super().__getitem__(index) | {"input": picture}

    def made() -> nn.Module:
        torch.manual_seed(0)
        backbone = models.build("resnet18", modality="image", in_channels=1)
        return models.Network(backbone, nn.Linear(backbone.feature_dim, 1))

    plain, again = made(), made()
    still = {"optimizer": "sgd", "learning_rate": 0.01}
    _fit(plain, Pictures(4, 0), validation=Pictures(2, 1), epochs=1, **still)
    _fit(again, Pictures(4, 0), validation=Pictures(2, 1), epochs=1, gradient_checkpointing=True, **still)
    for name, tensor in plain.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, msg=name)
    assert not any("forward" in vars(module) for module in again.modules())
    with pytest.raises(ScantuneError, match="does not name its blocks"):
        _fit(gradient_checkpointing=True)
    single = made()
    single.backbone.blocks = [("stem", [nn.Conv2d(1, 4, 3)])]
    with pytest.raises(ScantuneError, match="gradient_checkpointing: has no effect: no block of Backbone has several"):
        _fit(single, Pictures(4, 0), validation=Pictures(2, 1), gradient_checkpointing=True)


@pytest.mark.parametrize("platform, name, other", [("linux", "g++", "clang++"), ("darwin", "clang++", "g++")])
def test_a_compiler_that_torch_does_not_look_for_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, name: str, other: str
) -> None:
    monkeypatch.setattr(torch, "compile", lambda net: net)
    monkeypatch.setattr("scantune.engine.hardware.sys.platform", platform)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    program = tmp_path / other
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    settings = engine.Settings(epochs=1, compile=True)
    with pytest.raises(ScantuneError, match=rf"no C\+\+ compiler '{re.escape(name)}'.*CXX"):
        hardware.compiled(network(), settings)
    monkeypatch.setenv("CXX", f"{other} -v")  # with options, as torch takes it
    net = network()
    assert hardware.compiled(net, settings) is net
