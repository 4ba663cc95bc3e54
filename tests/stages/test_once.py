"""An evaluation opens a model's networks once, predicts each sample once and reads its table of predictions once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scantune.config.load import parse
from scantune.pipeline.evaluate import stage as evaluation
from scantune.pipeline.train import stage as recipe
from scantune.pipeline.train.network import build_network
from scantune.plots import style
from scantune.prediction import TensorPredictor
from scantune.registry.model import ModelFacts, load_networks, save_model
from scantune.tasks.catalogue import part
from scantune.tracking import Run, RunReference
from tests.stages.conftest import BLANK
from tests.stages.systems import params_of, prepare

SALIENCY = {"enabled": True, "checks": True, "samples": 2}


@pytest.mark.slow
@pytest.mark.parametrize("system", ["angio", "cells"])
def test_networks_are_opened_samples_predicted_and_the_table_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    prepare(tmp_path, system)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    params = parse(params_of(system, {"test_time_augmentation": 2}, evaluate={}))
    block = params.experiments["x"]
    saliency = block.evaluate.saliency.model_copy(update=SALIENCY)
    experiment = block.model_copy(update={"evaluate": block.evaluate.model_copy(update={"saliency": saliency})})
    params = params.model_copy(update={"experiments": {"x": experiment}})
    plan = recipe.plan_of(params, "x")
    network = build_network(plan.task, plan.block.model, plan.input.modality, plan.shape, 0).eval()
    model = tmp_path / "outputs" / "x" / "train" / "model"
    prepared = plan.input.model_dump(mode="json")
    facts = ModelFacts(
        "x", plan.block.dataset, block.task.model_dump(mode="json"), prepared, plan.classes, plan.spec["name"],
        augment_draws=2, training={"shape": list(plan.shape)},
    )  # fmt: skip
    save_model(model, facts, [network])

    monkeypatch.setattr(style, "_rendered", lambda figure, formats: [BLANK[form] for form in formats])
    opened, predicted, read = Counter[Path](), Counter[bytes](), Counter[int]()
    output, metrics = TensorPredictor.output, part(block.task.name, "metrics")
    parse_table = metrics.parse

    def counting_output(self: TensorPredictor, inputs: torch.Tensor) -> Any:
        predicted.update(np.ascontiguousarray(sample.numpy()).tobytes() for sample in inputs)
        return output(self, inputs)

    def counting_load(folder: Path, *arguments: Any) -> Any:
        opened[Path(folder)] += 1
        return load_networks(folder, *arguments)

    def counting_parse(table: Any, *arguments: Any) -> Any:
        read[len(table)] += 1
        return parse_table(table, *arguments)

    monkeypatch.setattr(TensorPredictor, "output", counting_output)
    for place in ("scantune.registry.model", "scantune.pipeline.predictions"):
        monkeypatch.setattr(f"{place}.load_networks", counting_load)
    monkeypatch.setattr(metrics, "parse", counting_parse)
    out = tmp_path / "outputs" / "x" / "evaluate"
    section = evaluation.evaluate(params, "x", plan.sides, model, out, Run(), RunReference(None))["saliency"]

    assert section["n_maps"] > 0, section
    assert section["checks"], section
    assert (out / "figures" / "errors.png").exists()
    assert opened == {model: 1}
    rows = len(plan.sides.side("validation")) + len(plan.sides.side("test"))
    assert sum(predicted.values()) == rows
    assert set(predicted.values()) == {1}
    assert read[rows] == 1
