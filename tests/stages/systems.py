"""Tiny projects of four systems, prepared by the real stages in this process, and trainings on them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scantune.config.load import parse

_SPLIT = {"method": "random", "fractions": [0.6, 0.2, 0.2], "seed": 1}
_GROUPS = ["sex", "age", "site", "scanner"]
#: The last epoch's weights are compared: the best could be those of an epoch before an option begins to count.
_STOP = {"enabled": True, "patience": 50, "restore_best_weights": False}
_TRAIN = {"epochs": 2, "batch_size": 4, "learning_rate": 0.01, "precision": "32", "early_stopping": _STOP}


@dataclass(frozen=True)
class System:
    """One system at a size that trains in a second.

    Attributes:
        options: of its demo cohort.
        dataset: what its dataset's block has beside the common keys.
        input: what its input's block has.
        task: the task.
        model: the network.
        cohort: the demo cohort; the system's own name where empty.
    """

    options: Mapping[str, Any]
    dataset: Mapping[str, Any]
    input: Mapping[str, Any]
    task: Mapping[str, Any]
    model: Mapping[str, Any]
    cohort: str = ""


_ZONES = ["right_sup", "left_sup", "right_mid", "left_mid", "right_inf", "left_inf"]
_LOOPS: dict[str, Any] = {
    "options": {"n": 14, "unusable": False},
    "dataset": {
        "files": "{video_path}",
        "sample": "{sample_id}",
        "targets": {"quality": "quality", "quality_score": "quality_score"},
        "order": "date",
    },
    "input": {"modality": "video", "shape": [64, 64], "frames": 4, "period": 4, "sector": True},
    "model": {"backbone": "small_cnn"},
}
_BRAINS: dict[str, Any] = {
    "options": {"n": 16, "spacing": 6.0, "unusable": False},
    "dataset": {
        "files": "{file}",
        "sample": "{scan}",
        "subject": "anonymized_subject_id",
        "targets": {"score": {"column": "loes-score", "min": 0, "max": 34}, "years": "age"},
        "order": "date",
    },
    "input": {"modality": "volume", "spacing": [8, 8, 8], "shape": [24, 28, 24]},
    "model": {"backbone": "small_cnn"},
}
SYSTEMS: dict[str, System] = {
    "loes": System(**_BRAINS, task={"name": "regression", "target": "score", "range": [0, 34]}),
    "csi": System(
        options={"n": 16, "unusable": False, "masks": False},
        dataset={"files": "{file}", "sample": "{FileID}", "targets": _ZONES},
        input={"modality": "image", "shape": [32, 32], "intensity": "percentile"},
        task={"name": "zones"},
        model={"backbone": "small_cnn"},
    ),
    "angio": System(
        options={"n": 10, "edge": 64, "unusable": False},
        dataset={"files": "{file}", "masks": "{mask}", "sample": "{sample_id}"},
        input={"modality": "image", "shape": [32, 32]},
        task={"name": "segmentation", "classes": ["background", "vessel"]},
        model={"backbone": "unet", "options": {"channels": [4, 4, 8, 8, 8]}},
    ),
    "echo": System(**_LOOPS, task={"name": "classification", "target": "quality"}),
    "loes_age": System(**_BRAINS, task={"name": "regression", "targets": {"score": {"range": [0, 34]}, "years": None}}),
    "echo_score": System(**_LOOPS, task={"name": "regression", "target": "quality_score", "range": [0, 1]}),
}
#: One more, on which the options of a training are not tried.
CELLS = System(
    options={"n": 16, "unusable": False},
    dataset={"files": "{file}", "sample": "{sample_id}", "targets": {"label": "label"}},
    input={"modality": "image", "shape": [32, 32], "channels": 3},
    task={"name": "classification", "target": "label"},
    model={"backbone": "small_cnn"},
)

#: Systems on one and the same prepared cohort.
SAME_COHORT = {"echo_score": "echo", "loes_age": "loes"}


def params_of(name: str, train: Mapping[str, Any] | None = None, **blocks: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a system's project, of one experiment ``x``; ``blocks`` add to its dataset, task, model …"""
    system = {**SYSTEMS, "cells": CELLS}[name]
    key = SAME_COHORT.get(name, name)
    parts: dict[str, Any] = copy.deepcopy({k: dict(getattr(system, k)) for k in ("dataset", "input", "task", "model")})
    for block, keys in blocks.items():
        parts.setdefault(block, {}).update(keys)
    root = f"data/demo/{key}"
    dataset = {"root": root, "table": "cohort.csv", "subject": "subject", "groups": _GROUPS, "split": _SPLIT}
    experiment = {
        "dataset": key,
        "input": key,
        "task": parts["task"],
        "model": parts["model"],
        "train": {**_TRAIN, **(train or {})},
        "evaluate": {"draws": 200, "saliency": False},
        "register": {},
    }
    return {
        "demo": {key: {"cohort": key, "seed": 3, "options": dict(system.options)}},
        "datasets": {key: {**dataset, **parts["dataset"]}},
        "inputs": {key: {"dataset": key, "workers": 1, **parts["input"]}},
        "experiments": {"x": experiment},
    }


def prepare(home: Path, name: str) -> None:
    """Make a system's cohort, tensors and split in ``home``."""
    (home / "params.yaml").write_text(yaml.safe_dump(params_of(name)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("SCANTUNE_MLFLOW", "off")
        from stages import demo, preprocess, split

        for stage in (demo, preprocess, split):
            stage.run(SAME_COHORT.get(name, name))


def train(params: Mapping[str, Any], out: Path, key: str = "x") -> Any:
    """Train in this process and in the folder that is the working one; the plan and the trained members."""
    from scantune.engine import launch
    from scantune.pipeline.train import networks
    from scantune.pipeline.train import stage as recipe
    from scantune.tracking import Run

    plan = recipe.plan_of(parse(copy.deepcopy(dict(params))), key)
    fabric = launch(device="cpu", devices=1, precision=plan.block.train.precision)
    return plan, networks.train_all(plan, out=out / "out", state=out / "state", run=Run(), fabric=fabric)


def weights(trained: Any) -> np.ndarray:
    """All weights of the first member, in the order of their names."""
    state = trained.networks[0].state_dict()
    return np.concatenate([v.detach().numpy().ravel().astype(float) for _, v in sorted(state.items())])
