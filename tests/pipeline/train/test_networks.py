"""The networks of an experiment: where a derived one starts."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scantune.pipeline.train import networks


@pytest.mark.parametrize("members", [1, 3])
def test_that_a_derived_one_has_the_first_of_several_networks_is_told(
    members: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    facts = SimpleNamespace(members=members, name="small", input={}, task={"name": "classification"})
    monkeypatch.setattr("scantune.registry.model.read_facts", lambda folder: facts)
    monkeypatch.setattr("scantune.registry.model.load_networks", lambda folder, facts: list(range(members)))
    monkeypatch.setattr("scantune.preprocess.agreement.check_model", lambda *_: None)
    monkeypatch.setattr(networks, "refuse_others", lambda *_: None)
    plan: Any = SimpleNamespace(key="student", start=Path("model"), use="teacher", sides=SimpleNamespace(cache=Path()))
    with caplog.at_level(logging.WARNING):
        assert networks.start_of(plan, "teacher") == 0
    told = "derived.student: learns from the first of the 3 networks of 'small'"
    assert caplog.messages == ([told] if members > 1 else [])
