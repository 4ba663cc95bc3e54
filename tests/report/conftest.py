"""Facts of small runs of every task, with figures from the real statistics."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from scantune.report import Mistake, Picture, RunFacts
from scantune.tasks import scoring
from scantune.tasks.predictions import PredictionTable

N = 60
HOSTILE = '<script>alert("x")</script>'
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (300).to_bytes(4, "big") + (200).to_bytes(4, "big")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="252pt" height="200pt"></svg>'


def _ids(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "sample_id": [f"s{i:03d}" for i in range(N)],
        "subject_id": [f"p{i // 2:03d}" for i in range(N)],
        "split": ["validation" if i % 3 == 0 else "test" for i in range(N)],
        "sex": rng.choice(["F", "M"], N).tolist(),
    }


def _regression(rng: np.random.Generator) -> dict[str, Any]:
    target = rng.uniform(0, 34, N)
    return {"target": target, "prediction": target + rng.normal(0, 2, N), "rater/a": target + rng.normal(0, 1, N)}


def _classification(rng: np.random.Generator) -> dict[str, Any]:
    truth = np.arange(N) % 2
    p = np.clip(0.25 + 0.5 * truth + rng.normal(0, 0.2, N), 0.01, 0.99)
    return {"target": ["yes" if t else "no" for t in truth], "p/no": 1 - p, "p/yes": p}


def _zones(rng: np.random.Generator) -> dict[str, Any]:
    from scantune.tasks.zones.settings import CONGESTION_ZONES, UNGRADABLE

    columns: dict[str, Any] = {}
    classes = ["0", "1", "2", "3", UNGRADABLE]
    for zone in CONGESTION_ZONES:
        truth = rng.integers(0, 5, N)
        p = rng.dirichlet(np.ones(5), N) + np.eye(5)[truth]
        columns[f"target/{zone}"] = [classes[t] for t in truth]
        columns |= {f"p/{zone}/{name}": p[:, k] / 2 for k, name in enumerate(classes)}
    return columns


def _segmentation(rng: np.random.Generator) -> dict[str, Any]:
    dice = rng.uniform(0.4, 0.95, N)
    return {"dice": dice, "iou": dice / (2 - dice), "hd95": rng.uniform(1, 9, N)}


COLUMNS: dict[str, Callable[..., dict[str, Any]]] = {
    "regression": _regression,
    "classification": _classification,
    "zones": _zones,
    "segmentation": _segmentation,
}
TASKS = tuple(COLUMNS)


def table_of(task: str) -> PredictionTable:
    rng = np.random.default_rng(7)
    return PredictionTable.make(_ids(rng) | COLUMNS[task](rng))


def full(task: str, **changes: Any) -> RunFacts:
    table = table_of(task)
    schema = scoring.settings_of(task)
    metrics = scoring.evaluate(table, schema, draws=200)
    metrics["saliency"] = {
        "method": "gradcam",
        "layer": "backbone.last",
        "grid": [4, 4],
        "undefined": {"s001": "all zero: no activation of this layer supports the prediction"},
        "checks": {
            "weight_randomization": {
                "value": 0.8, "lower": 0.7, "upper": 0.9, "n": 9, "passed": False, "rule": "passes where below 0.5",
            }
        },
    }  # fmt: skip
    side = {"samples": 40, "subjects": 20, "targets": {"score": {"0": 30, "1": 10}}, "groups": {"age": _spread()}}
    facts: dict[str, Any] = {
        "name": f"run of {task}",
        "dataset": "cohort",
        "description": "A description.",
        "metrics": metrics,
        "task": schema.model_dump(mode="json"),
        "cohort": "made-up films (synthetic)",
        "demo": True,
        "synthetic": True,
        "flow": {
            "subjects_known": False,
            "steps": [
                {"name": "in the table", "samples": 45, "subjects": 22, "excluded": {"no image": 5}},
                {"name": "prepared", "samples": 40, "subjects": 20, "excluded": {}},
            ],
        },
        "audit": {"sides": {"train": side, "validation": side, "test": side}, "warnings": ["few subjects"]},
        "model": {"backbone": "resnet18", "members": 1, "weights": "random", "licence": "none", "loss": "mse"},
        "training": {"members": [{"epochs": 3, "best_epoch": 2, "monitor": "val_loss", "best_value": 0.1}]},
        "settings": {
            "dataset": {"split": {"method": "random", "seed": 1}, "where": {"sex": "F"}},
            "input": {"modality": "image", "shape": [8, 8]},
            "train": {"epochs": 3, "batch_size": 4, "sampler": "shuffle"},
            "evaluate": {"min_group": 20, "primary": None},
        },
        "environment": {"Python": "3.11", "torch": "2"},
        "digests": {"test samples": "abc"},
        "figures": {"roc": Picture(SVG, "ROC", "A curve.")},
        "flow_figure": Picture(SVG, "Flow"),
        "curves": Picture(SVG, "Learning curves"),
        "mistakes": [Mistake("s004", "false positive", "no", "yes (0.91)", "reference class at 0.09", "sex F")],
        "mistakes_of": "1 of 40 test samples are misclassified",
        "mistake_pictures": [Picture(PNG, "Errors")],
        "saliency_pictures": [Picture(PNG, "Maps")],
        "looks": 2,
    }
    return RunFacts(**(facts | changes))


def _spread() -> dict[str, Any]:
    return {"n": 39, "missing": 1, "mean": 54.2, "sd": 11.0, "min": 20.0, "max": 90.0}


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))
