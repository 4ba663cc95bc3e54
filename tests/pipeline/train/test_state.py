"""The folder of a training's state."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from scantune.pipeline.train.state import State, opened_state


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    (tmp_path / "dvc.yaml").touch()
    monkeypatch.chdir(tmp_path)


def _state(writes: bool = False, table: str = "t", **train: Any) -> State:
    """The state of a plan with these settings."""
    block = SimpleNamespace(model_dump=lambda **_: {"train": {"epochs": 3, "resume": "exact", **train}})
    side = SimpleNamespace(digest="d", table_digest=table)
    plan: Any = SimpleNamespace(
        key="a",
        block=block,
        input=SimpleNamespace(model_dump=lambda **_: {}),
        sides=SimpleNamespace(side=lambda name: side, members=[]),
        start_digest="",
    )
    with opened_state(plan, writes=writes) as state:
        return state


def test_a_lenient_resume_finds_the_state_of_an_exact_one_and_never_does_not():
    assert _state(resume="lenient").folder == _state().folder
    assert _state(resume="never").folder != _state().folder


def test_changed_labels_begin_another_training_and_fewer_workers_do_not():
    assert _state(table="other").folder != _state().folder
    assert _state(epochs=4).folder != _state().folder
    assert _state(workers=0, on_non_finite="skip").folder == _state(workers=2).folder


def test_a_changed_plugin_begins_another_training(tmp_path):
    before = _state().folder
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "loss.py").write_text("WEIGHT = 1\n")
    first = _state().folder
    (tmp_path / "plugins" / "loss.py").write_text("WEIGHT = 2\n")
    assert len({before, first, _state().folder}) == 3


def test_an_interrupted_training_that_is_not_resumed_is_told(caplog):
    interrupted = _state(writes=True).folder
    saved = interrupted / "member" / "state" / "state.pt"
    saved.parent.mkdir(parents=True)
    saved.touch()
    caplog.set_level(logging.WARNING)
    _state(writes=True)
    assert not caplog.messages
    _state(writes=True, table="other")
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith(f"or remove .scantune/state/{interrupted.name}")
