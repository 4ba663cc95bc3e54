"""The ``train:`` block's keys become terms of the loss and their weights."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from scantune import losses
from scantune.config.train import TrainConfig
from scantune.pipeline.train.loss import build_terms
from scantune.records import ScantuneError
from scantune.tasks import catalogue
from scantune.tasks.build import build_task
from scantune.tasks.regression.settings import Regression


def terms_of(task: str, spec: dict[str, Any], teacher: Any = None, **train: Any) -> tuple[dict[str, Any], Any]:
    block = TrainConfig.model_validate({"epochs": 5, **train})
    known = SimpleNamespace(name=task, class_axis=None if task == "regression" else 1)
    targets = catalogue.part(task, "settings").Settings.loss_targets
    return build_terms(known, spec, block, targets=targets, encoded=None, classes=2, teacher=teacher)  # type: ignore[arg-type]


def test_each_term_has_the_weight_of_its_key():
    blocks = {"distillation": {"alpha": 0.3, "temperature": 4.0}, "partners": {"weight": 0.7, "margin": 2.0}}
    blocks["scanner_consistency"] = {"weight": 0.2}
    terms, weights = terms_of("classification", {"name": "cross_entropy"}, nn.Identity(), **blocks)
    assert weights(0, 0, []) == {
        "cross_entropy": pytest.approx(0.7),  # what the teacher leaves
        "distillation": 0.3,
        "pair": 0.7,
        "scanner_consistency": 0.2,
    }
    assert (terms["pair"].margin, terms["distillation"].temperature) == (2.0, 4.0)
    logits = torch.tensor([[0.0, 0.0], [40.0, 40.0]])
    compared = terms["scanner_consistency"].total(nn.Identity(), {"group": torch.tensor([0, 1])}, logits)
    assert float(compared) == pytest.approx(0, abs=1e-6), "probabilities are compared, not logits"


def test_scores_are_compared_as_they_are_and_distilled_as_numbers():
    terms, _ = terms_of(
        "regression", {"name": "mse"}, nn.Identity(), distillation={}, scanner_consistency={"group": "site"}
    )
    assert terms["scanner_consistency"] == losses.ScannerConsistency(None)
    assert terms["distillation"].values


def test_a_combination_moves_by_its_schedule_below_the_teachers_share():
    spec = {"name": "default", "schedule": {"name": "cosine", "end": {"dice": 0.2, "bce": 0.8}}}
    terms, weights = terms_of("segmentation", spec, nn.Identity(), distillation={"alpha": 0.5})
    assert set(terms) == {"dice", "bce", "distillation"}
    assert weights(0, 0, []) == pytest.approx({"dice": 0.35, "bce": 0.15, "distillation": 0.5})
    assert weights(4, 0, [{}] * 4) == pytest.approx({"dice": 0.1, "bce": 0.4, "distillation": 0.5})


def test_without_a_teacher_there_is_no_distillation():
    with pytest.raises(ScantuneError, match="requires a teacher"):
        terms_of("classification", {"name": "cross_entropy"}, distillation={})


def test_several_targets_are_learned_distilled_and_compared_in_standard_units():
    task = build_task(Regression.model_validate({"targets": ["age", "score"]}))
    targets = np.array([[40.0, 1.0], [60.0, np.nan], [np.nan, 3.0]], np.float32)  # SD 10 and 1
    block = TrainConfig.model_validate({"epochs": 5, "distillation": {}, "scanner_consistency": {"group": "site"}})
    terms, _ = build_terms(
        task, {"name": "mse"}, block, targets=("numbers",), encoded=targets, classes=None, teacher=nn.Identity()
    )
    output = torch.tensor([[50.0, 2.0], [60.0, 9.0]])
    batch = {"target": torch.from_numpy(targets[:2]), "group": torch.tensor([0, 1])}
    assert float(terms["mse"].total(nn.Identity(), batch, output)) == pytest.approx(1 + 0 + 1)
    assert float(terms["mse"].weight(batch)) == 3
    apart = terms["scanner_consistency"].total(nn.Identity(), batch, torch.tensor([[40.0, 1.0], [60.0, 3.0]]))
    assert float(apart) == pytest.approx(2 * 1.0)
    taught = terms["distillation"].total(nn.Identity(), {"input": output}, output + torch.tensor([10.0, 1.0]))
    assert float(taught) == pytest.approx(2 * 1.0)


def test_a_loss_that_compares_samples_needs_several_in_a_batch():
    importlib.import_module("scantune.tasks.survival.losses")
    with pytest.raises(ScantuneError, match=r"train\.batch_size: 1, and the loss 'cox' compares .*: set 2 or more"):
        terms_of("survival", {"name": "cox"}, batch_size=1)
    assert set(terms_of("survival", {"name": "cox"}, batch_size=2)[0]) == {"cox"}
    assert set(terms_of("survival", {"name": "discrete_hazard", "cuts": [1.0, 2.0]}, batch_size=1)[0])
