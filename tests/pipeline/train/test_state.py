"""The folder of a training's state."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from scantune.pipeline.train.state import opened_state


def test_a_lenient_resume_finds_the_state_of_an_exact_one_and_never_does_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def folder(resume: str) -> Any:
        block = SimpleNamespace(model_dump=lambda **_: {"train": {"epochs": 3, "resume": resume}})
        side = SimpleNamespace(digest="d")
        plan: Any = SimpleNamespace(
            key="a",
            block=block,
            input=SimpleNamespace(model_dump=lambda **_: {}),
            sides=SimpleNamespace(side=lambda name: side, members=[]),
            start_digest="",
        )
        with opened_state(plan, writes=False) as state:
            return state.folder

    assert folder("lenient") == folder("exact")
    assert folder("never") != folder("exact")
