"""A model folder: what is written is what is opened, or it is said that it is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from scantune import models
from scantune.prediction.predictor import NOT_FINITE
from scantune.records import ScantuneError
from scantune.registry.model import MODEL, ModelFacts, load_networks, read_facts, save_model
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


def test_weights_that_are_missing_are_named(folder: Path) -> None:
    (folder / "member_0" / "weights.safetensors").unlink()
    with pytest.raises(ScantuneError, match=r"weights\.safetensors: not found"):
        load_networks(folder, FACTS)


def test_a_model_of_before_there_were_digests_is_still_opened(folder: Path) -> None:
    content = json.loads((folder / MODEL).read_text())
    for name in ("digest", "files", "folds"):
        content.pop(name)
    (folder / MODEL).write_text(json.dumps(content))
    assert load_networks(folder, read_facts(folder))
    assert read_facts(folder).folds is None


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
