from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from scantune import engine
from scantune.engine.delivery import Delivery, points_of
from tests.engine.toy import Numbers, Squared, Sum, network

CPU = {"device": "cpu", "devices": 1, "precision": "32"}


def _fit(tmp_path: Path, sink: engine.Sink) -> None:
    engine.fit(
        network(),
        Sum(),
        Numbers(20, 0),
        Numbers(8, 1),
        terms={"squared": Squared()},
        settings=engine.Settings(epochs=2, batch_size=4, progress=False),
        sinks=[sink],
        state_dir=tmp_path / "state",
        out_dir=tmp_path / "out",
        fabric=engine.launch(**CPU),
        pictures=lambda network: {"validation": np.full((8, 12, 3), 200, np.uint8)},
    )


@pytest.mark.heavy
def test_tensorboard_has_figures_and_histograms(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _fit(tmp_path, engine.TensorBoardSink(tmp_path / "logs"))
    events = EventAccumulator(str(tmp_path / "logs"))
    events.Reload()
    assert [event.step for event in events.Scalars("val_loss")] == [1, 2]
    assert "step/loss" in events.Tags()["scalars"]
    assert {"prediction", "target"} <= set(events.Tags()["histograms"])
    assert [(image.step, image.width, image.height) for image in events.Images("validation")] == [(2, 12, 8)]


@pytest.mark.heavy
def test_wandb_writes_a_run_without_a_network(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    _fit(tmp_path, engine.WandbSink(tmp_path / "logs", project="toy", artifact="toy-model"))
    (written,) = (tmp_path / "logs").rglob("*.wandb")
    end = time.monotonic() + 120  # a process of its own writes it, and is not waited for
    while not all(word in written.read_bytes() for word in (b"toy-model", b"val_loss")):
        assert time.monotonic() < end, "neither figures nor the weights as an artifact"
        time.sleep(0.05)
    assert list((tmp_path / "logs").rglob("media/images/validation*.png"))


def test_pictures_that_fail_cost_the_pictures_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names: list[str] = []

    class Album:
        name = "album"

        def metrics(self, points: object) -> None: ...

        def image(self, epoch: int, name: str, pixels: np.ndarray) -> None:
            names.append(name)

    def fail(network: object) -> dict[str, np.ndarray]:
        raise ValueError("no colours left")

    engine.fit(
        network(), Sum(), Numbers(8, 0), Numbers(4, 1), terms={"squared": Squared()},
        settings=engine.Settings(epochs=1, batch_size=4, progress=False), fabric=engine.launch(**CPU),
        sinks=[Album()], out_dir=tmp_path, pictures=fail,
    )  # fmt: skip
    assert names == []
    assert "no colours left" in caplog.text


def test_steps_and_epochs_have_names_of_their_own_and_only_finite_figures() -> None:
    rows = [
        {"kind": "step", "step": 1, "epoch": 1, "loss": 0.5},
        {"kind": "step", "step": 2, "epoch": 1, "loss": 0.4},
        {"kind": "epoch", "epoch": 1, "step": 2, "val_loss": float("nan"), "train_loss": 0.3, "learning_rate": 0.1},
    ]
    assert points_of(rows, 10) == [(1, {"step/loss": 0.5}), (1, {"train_loss": 0.3, "learning_rate": 0.1})]


def test_many_figures_go_in_calls_that_a_server_takes(tmp_path: Path) -> None:
    calls: list[int] = []
    sink = SimpleNamespace(name="server", metrics=lambda points: calls.append(sum(len(v) for _, v in points)))
    rows = [{"kind": "epoch", "epoch": e, "step": e, **{f"f{i}": 1.0 for i in range(400)}} for e in range(1, 8)]
    with Delivery([sink], tmp_path) as delivery:
        delivery.durable(rows)
    assert sum(calls) == 2800
    assert max(calls) <= 900


def test_a_server_that_does_not_answer_what_it_has_holds_up_no_training() -> None:
    answered, asked, taken = threading.Event(), [], []

    def last(name: str) -> int:
        asked.append(name)
        answered.wait(60)
        return 1

    rows = [{"kind": "epoch", "epoch": epoch, "train_loss": 0.5} for epoch in (1, 2, 3)]
    with Delivery([SimpleNamespace(name="slow", metrics=taken.extend, last=last)], None) as delivery:
        start = time.monotonic()
        for saved in (1, 2, 3):
            delivery.durable(rows[:saved])
        assert time.monotonic() - start < 5
        answered.set()
    assert [step for step, _ in taken] == [2, 3], "it had the first before a kill"
    assert sorted(asked) == ["step/loss", "train_loss"], "once, not at every save"
