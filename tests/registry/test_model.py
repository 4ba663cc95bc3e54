"""A model folder: what is written is what is opened, or it is said that it is not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from scantune import io, models
from scantune.prediction.predictor import NOT_FINITE
from scantune.records import ScantuneError
from scantune.registry.model import MODEL, ModelFacts, digest_of, load_networks, read_facts, save_model
from scantune.registry.predictor import Predictor, Reading

FACTS = ModelFacts(
    "m",
    "d",
    {"name": "regression", "target": "score", "range": [0, 3]},
    {"dataset": "d", "modality": "image"},
    fitted={"conformal": {"quantile": 0.5, "n_subjects": 9}},
)


def network(outputs: int = 1) -> models.Network:
    backbone = models.build("small_cnn", modality="image", in_channels=1, size=(16, 16), seed=0)
    return models.Network(backbone, nn.Linear(backbone.feature_dim, outputs)).eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_model(tmp_path / "model", FACTS, [network()])
    return tmp_path / "model"


def test_a_model_is_opened_as_it_was_written(folder: Path) -> None:
    assert read_facts(folder) == ModelFacts(**vars(FACTS))
    assert len(load_networks(folder, FACTS)) == 1


@pytest.mark.parametrize("name", ["member_0/weights.safetensors", "member_0/architecture.json"])
def test_one_flipped_bit_is_seen_when_the_model_is_opened(folder: Path, name: str) -> None:
    path = folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ScantuneError, match=rf"{name}: damaged: its digest does not match"):
        Predictor.load(folder, reading=Reading(isolated=False))


def test_facts_that_were_changed_are_seen(folder: Path) -> None:
    path = folder / MODEL
    content = json.loads(path.read_text())
    content["fitted"]["conformal"]["quantile"] = 0.4
    path.write_text(json.dumps(content))
    with pytest.raises(ScantuneError, match=r"model\.json: damaged"):
        read_facts(folder)
    path.write_text(path.read_text()[:40])
    with pytest.raises(ScantuneError, match="not valid JSON"):
        read_facts(folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "scantune model 2"}, "its format is 'scantune model 2', and this version reads 'scantune model 1'"),
        ({"later": 1}, "'later' is not known"),
        ({"task": {"name": "regression", "later": 1}}, r"task\.later"),
        ({"input": {"modality": "volume", "patch": [8, 8, 8], "overlap": 0.5}}, r"without input\.window_precision"),
        ({"covariates": [{"name": "age", "kind": "number", "levels": [], "cap": 90}]}, r"without covariates\.span"),
    ],
)
def test_a_model_of_another_version_is_refused_with_what_to_do(
    folder: Path, change: dict[str, Any], words: str
) -> None:
    content = json.loads((folder / MODEL).read_text()) | change
    del content["digest"]
    (folder / MODEL).write_text(json.dumps(content | {"digest": digest_of(content)}))
    with pytest.raises(ScantuneError, match=f"{words}.*open it with the version of scantune that saved it"):
        Predictor.load(folder, reading=Reading(isolated=False))


def test_a_model_of_before_there_were_digests_is_not_called_damaged(folder: Path) -> None:
    content = json.loads((folder / MODEL).read_text())
    del content["digest"]
    (folder / MODEL).write_text(json.dumps(content))
    with pytest.raises(ScantuneError, match=r"without a digest.*open it with the version of scantune that saved it"):
        read_facts(folder)


def test_weights_that_are_missing_are_named(folder: Path) -> None:
    (folder / "member_0" / "weights.safetensors").unlink()
    with pytest.raises(ScantuneError, match=r"weights\.safetensors: not found"):
        load_networks(folder, FACTS)


@pytest.mark.parametrize("task", ["regression", "segmentation"])
def test_an_answer_that_is_not_finite_is_a_reason_and_no_empty_cell(monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    net: Any = network()
    if task == "segmentation":
        net = models.Network(models.build_dense("unet", ndim=2, in_channels=1, out_channels=1, seed=0)).eval()
    with torch.no_grad():
        next(p for p in reversed(list(net.parameters()))).fill_(float("nan"))
    block = {"name": "segmentation"} if task == "segmentation" else FACTS.task
    predictor = Predictor(ModelFacts("m", "d", block, FACTS.input), [net], reading=Reading(isolated=False))
    values = {"tensor": np.zeros((1, 32, 32), np.uint8), "spacing": None, "facts": {}}
    prepared = type("Prepared", (), values)()
    monkeypatch.setattr("scantune.preprocess.ahead.prepared", lambda *_, **__: (one for one in [prepared]))
    (answer,) = predictor.predict(["a.png"])
    assert answer.values == {}
    assert answer.mask is None
    assert NOT_FINITE in answer.reason


def saved(tmp_path: Path, **facts: Any) -> Path:
    torch.manual_seed(0)
    save_model(tmp_path / "saved", ModelFacts(**vars(FACTS) | facts), [network()])
    return tmp_path / "saved"


def test_a_model_with_settings_that_are_now_refused_opens_predicts_and_notes_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    block = {"dataset": "d", "modality": "image", "shape": [16, 16], "overlap": 0.25}
    plain = Predictor.load(saved(tmp_path / "a", input={**block, "overlap": 0.5}), reading=Reading(isolated=False))
    with caplog.at_level("INFO"):
        opened = Predictor.load(saved(tmp_path / "b", input=block), reading=Reading(isolated=False))
    assert "note: the model 'm' predicts as it was trained" in caplog.text
    assert "overlap: 0.25 is of windows" in caplog.text
    picture = io.write_png(tmp_path / "a.png", np.arange(256, dtype=np.uint8).reshape(16, 16))
    (expected,), (answer,) = plain.predict([picture]), opened.predict([picture])
    assert answer.values == expected.values
    assert not answer.reason


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        (
            {"input": {"dataset": "d", "modality": "volume", "volume_index": 3}},
            "input: 'volume_index' is now 'volume': write volume: {index: 3}. The model 'm' was saved by another",
        ),
        (
            {"input": {"dataset": "d", "modality": "image", "colour": 1}},
            "input: colour: Extra inputs are not permitted",
        ),
        ({"task": {"name": "regression", "target": "score", "goal": 1}}, "task.goal: Extra inputs are not permitted"),
    ],
)
def test_settings_that_this_version_does_not_have_are_named(tmp_path: Path, facts: dict[str, Any], why: str) -> None:
    with pytest.raises(ScantuneError, match=re.escape(why)):
        Predictor.load(saved(tmp_path, **facts), reading=Reading(isolated=False))


def test_nothing_of_a_former_or_killed_training_is_in_a_model(folder: Path) -> None:
    save_model(folder, FACTS, [network(), network()])
    (folder / "member_0" / ".weights.safetensors.0123.partial").write_bytes(b"half")
    (folder / "member_0" / "reference.safetensors").write_bytes(b"of a training with distances")
    save_model(folder, FACTS, [network()])
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == [
        "member_0/architecture.json", "member_0/weights.safetensors", "model.json"
    ]  # fmt: skip
    assert load_networks(folder, FACTS)[0].reference is None
