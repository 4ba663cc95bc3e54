"""The progress of a training: in a terminal, without one, before its first epoch, and when it is interrupted."""

from __future__ import annotations

import logging
import os
import pty
import re
import sys
import threading
from typing import Any

import pytest
import torch

from scantune import engine
from scantune.engine import estimate, progress
from tests.engine.toy import Absolute, Numbers, Squared, Sum

TERMS = {"squared": Squared(), "absolute": Absolute()}


def _fit(network: torch.nn.Module | None = None, pause: float = 0.0, **settings: Any) -> engine.FitResult:
    return engine.fit(
        network or torch.nn.Linear(4, 1),
        Sum(),
        Numbers(16, 0, pause),
        Numbers(8, 1),
        terms=TERMS,
        settings=engine.Settings(**{"epochs": 2, "batch_size": 4, "monitor": "val_absolute_loss", **settings}),
    )


def test_a_line_a_minute_without_a_terminal(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    with caplog.at_level(logging.INFO):
        _fit(progress=False)
    lines = caplog.messages
    number = r"-?[\d.e+-]+"
    metrics = rf"val_loss {number} · val_mae {number} · val_absolute_loss {number} \(best {number} in epoch \d\)"
    step = rf"epoch 2/2 · loss {number} · squared_loss {number} · absolute_loss {number} · {metrics}"
    pace = rf"step [5-8]/8 · {number} steps/s · \d+ s left"
    assert any(re.fullmatch(f"{step} · {pace}", line) for line in lines), lines
    assert any(re.match(r"epoch 1/2 · validation 2/2 · step 4/8", line) for line in lines), lines
    assert any(re.fullmatch(rf"epoch 1/2: train_loss {number} · {metrics} · \d+ s left", line) for line in lines)


def test_nothing_within_the_minute_but_the_epochs(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        _fit(progress=False)
    assert not any(" · step " in line for line in caplog.messages)


@pytest.mark.parametrize("columns", [160, 80])
def test_a_bar_in_a_terminal_with_log_lines_above_it(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    own, terminal = pty.openpty()
    received: list[bytes] = []
    reader = threading.Thread(target=_read_all, args=(own, received), daemon=True)
    reader.start()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    root = logging.getLogger()
    with open(terminal, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        handler, level = logging.StreamHandler(), root.level
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            _fit(pause=0.03, progress=None, epochs=3)  # the bar is drawn four times a second
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
        assert handler.stream is stream
    reader.join(10)
    text = b"".join(received)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.decode())
    assert re.search(r"\d/12 [\d.]+ steps/s · \d+ s left", plain)
    assert re.search(r"epoch \d/3 · loss [\d.e-]+", plain)
    # a log line is a line of its own: nothing of the bar stands in front of it
    assert re.search(r"(?m)(^|\r)epoch 2/3: train_loss", plain), plain


def _read_all(terminal: int, received: list[bytes]) -> None:
    try:
        while part := os.read(terminal, 65536):
            received.append(part)
    except OSError:  # the other end is closed
        pass
    os.close(terminal)


def test_time_and_memory_before_the_first_epoch(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        _fit(progress=False)
    first = next(line for line in caplog.messages if "epoch" in line)
    assert re.fullmatch(r"about \d+ s for 2 epochs of 4 steps \([\d.e-]+ s a step\), [\d.]+ GB of memory", first)


def test_the_estimate_names_early_stopping_where_it_may_happen(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        _fit(progress=False, early_stopping={"patience": 1})
    assert any(line.endswith("memory; early stopping may end it sooner") for line in caplog.messages)


def test_the_estimate_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def trained() -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        network = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(), torch.nn.Linear(8, 1)
        )
        _fit(network, progress=False)
        return network.state_dict()

    after = trained()
    monkeypatch.setattr(estimate, "report", lambda training: None)
    for name, tensor in trained().items():
        assert torch.equal(after[name], tensor), name
