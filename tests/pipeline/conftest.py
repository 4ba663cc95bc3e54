"""A cache and a model of random weights for any modality and task: enough for everything after the training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scantune.cohort.manifest import Sample
from scantune.config.evaluate import SaliencyConfig
from scantune.pipeline.data.sides import Sides
from scantune.pipeline.predictions import open_predictors, predictions_of, task_of
from scantune.pipeline.train.network import build_network
from scantune.preprocess import store
from scantune.preprocess.agreement import write_input
from scantune.registry.model import ModelFacts, save_model

SHAPES = {"image": (1, 32, 32), "volume": (1, 24, 32, 28), "video": (1, 8, 32, 32)}
N = 14


class Model:
    """What ``model:`` says, for :func:`build_network`."""

    source = None
    normalization = None
    min_matched = 0.5
    weights_folder = None
    download = False
    first_stride = None
    dropout = 0.0
    init_output = True

    def __init__(self, backbone: str) -> None:
        self.backbone = backbone
        self.options: dict[str, Any] = {}


def make(home: Path, modality: str, schema: Any, targets: list[dict[str, str]], **facts: Any) -> Any:
    """Cache, model and predictions in ``home``: (sides, facts, folder, table)."""
    rng = np.random.default_rng(3)
    shape = SHAPES[modality]
    (home / "samples").mkdir(parents=True)
    members = []
    for i, target in enumerate(targets):
        array = rng.uniform(0, 255, shape).astype(np.uint8)
        mask = np.zeros((1, *shape[1:]), np.uint8)
        mask[..., 4:9, 3:9] = 1
        reading = {"affine": np.diag([3.0, 3, 3, 1]).tolist(), "frame_time": 40.0 if modality == "video" else None}
        arrays = {"input": array} | ({"mask": mask} if modality != "video" else {})
        digests = store.save(home / "samples" / f"s{i:02d}.safetensors", arrays, {"reading": reading})
        row = {"spacing": "3x3x3" if modality == "volume" else "", **digests}
        split = "validation" if i % 4 == 3 else "test"
        members.append(Sample(f"s{i:02d}", f"p{i // 2}", split, None, shape, target, {"sex": "FM"[i % 2]}, {}, row))
    sides = Sides(tuple(members), home)
    model_facts = ModelFacts(
        name="m",
        dataset="d",
        task=schema.model_dump(mode="json"),
        input={"modality": modality, "period": 2},
        **{"loss": "mse", **facts},
    )
    write_input(home, model_facts.input)
    task = task_of(schema, model_facts)
    network = build_network(task, Model("small_cnn"), modality, shape, 0)  # type: ignore[arg-type]
    save_model(home / "model", model_facts, [network])
    table = predictions_of(open_predictors(schema, model_facts, home / "model", "cpu"), schema, sides)
    return sides, model_facts, home / "model", table


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def settings(**changes: Any) -> SaliencyConfig:
    return SaliencyConfig(**({"samples": 2, "checks": False} | changes))
