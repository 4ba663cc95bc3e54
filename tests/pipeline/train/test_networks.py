"""The networks of an experiment: where a derived one starts."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scantune.pipeline.train import networks
from scantune.records import ScantuneError
from scantune.tasks.classification.task import ClassificationTask


@pytest.mark.parametrize("members", [1, 3])
def test_that_a_derived_one_has_the_first_of_several_networks_is_told(
    members: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    facts = SimpleNamespace(members=members, name="small", input={}, task={"name": "classification"})
    monkeypatch.setattr("scantune.registry.model.read_facts", lambda folder: facts)
    monkeypatch.setattr("scantune.registry.model.load_networks", lambda folder, facts: list(range(members)))
    monkeypatch.setattr("scantune.preprocess.agreement.check_model", lambda *_: None)
    monkeypatch.setattr(networks, "refuse_others", lambda *_: None)
    monkeypatch.setattr(networks, "_refuse_other_answers", lambda *_: None)
    plan: Any = SimpleNamespace(key="student", start=Path("model"), use="teacher", sides=SimpleNamespace(cache=Path()))
    with caplog.at_level(logging.WARNING):
        assert networks.start_of(plan, "teacher") == 0
    told = "derived.student: learns from the first of the 3 networks of 'small'"
    assert caplog.messages == ([told] if members > 1 else [])


@pytest.mark.parametrize(
    ("task", "classes", "refused"),
    [
        ({"name": "classification", "target": "kind"}, ("cat", "dog"), ""),
        ({"name": "classification", "target": "kind"}, ("dog", "cat"), "classification (dog, cat)"),
        ({"name": "multilabel", "findings": ["cat", "dog"]}, None, "multilabel (cat, dog)"),
        ({"name": "regression", "target": "age"}, None, "regression (one output)"),
    ],
)
def test_a_teacher_of_other_answers_is_refused(
    task: dict[str, Any], classes: tuple[str, ...] | None, refused: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = SimpleNamespace(members=1, name="small", input={}, task=task, classes=classes, loss="cross_entropy")
    monkeypatch.setattr("scantune.registry.model.read_facts", lambda folder: facts)
    monkeypatch.setattr("scantune.registry.model.load_networks", lambda folder, facts: [0])
    monkeypatch.setattr("scantune.preprocess.agreement.check_model", lambda *_: None)
    monkeypatch.setattr(networks, "refuse_others", lambda *_: None)
    own = ClassificationTask("label", ("cat", "dog"))
    sides = SimpleNamespace(cache=Path())
    plan: Any = SimpleNamespace(key="student", start=Path("model"), use="teacher", sides=sides, task=own)
    if not refused:
        assert networks.start_of(plan, "teacher") == 0
        return
    with pytest.raises(ScantuneError, match=re.escape(f"'small' are those of {refused}")):
        networks.start_of(plan, "teacher")


def test_outputs_have_no_half_file_and_no_member_of_a_former_training(tmp_path):
    state, out = tmp_path / "state", tmp_path / "out"
    home = state / "member" / "out"
    (home / "checkpoints").mkdir(parents=True)
    for name in ("best.safetensors", ".best.safetensors.0123.partial"):
        (home / "checkpoints" / name).write_bytes(b"0")
    for name, text in (("history.json", "{}"), ("history.csv", "epoch\n1\n"), ("steps.csv", "step\n1\n")):
        (home / name).write_text(text)
    (out / "checkpoints" / "seed_43").mkdir(parents=True)
    networks._collect(state, out, [""])
    assert [path.name for path in (out / "checkpoints").rglob("*")] == ["best.safetensors"]
