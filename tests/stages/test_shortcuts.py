"""What docs/shortcuts.md tells: a planted shortcut looks like skill at home, and shows by machine and elsewhere."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.stages.conftest import run_stages

#: Cohort, seed, options: the same people twice, filmed by whom the illness says or by anyone; then others.
COHORTS: dict[str, tuple[int, dict[str, Any]]] = {
    "shortcut": (0, {"n": 300, "confounder": True}),
    "fair": (0, {"n": 300}),
    "elsewhere": (1, {"n": 240}),
}
TRAIN = {"epochs": 10, "batch_size": 16, "learning_rate": 1e-3, "scheduler": "onecycle", "precision": "32"}


def params() -> dict[str, Any]:
    dataset = {
        "table": "cohort.csv",
        "files": "{file}",
        "sample": "{FileID}",
        "subject": "subject",
        "targets": {"failure": "acute_heart_failure"},
        "groups": ["scanner"],
        "split": {"method": "random", "fractions": [0.5, 0.15, 0.35], "seed": 42},
    }
    experiment = {
        "task": {"name": "classification", "target": "failure"},
        "model": {"backbone": "custom_1"},
        "train": TRAIN,
        "evaluate": {"draws": 500, "saliency": False},
        "register": {},
    }
    options = {"masks": False, "unusable": False}
    return {
        "demo": {k: {"cohort": "csi", "seed": s, "options": {**o, **options}} for k, (s, o) in COHORTS.items()},
        "datasets": {name: {"root": f"data/demo/{name}", **dataset} for name in COHORTS},
        "inputs": {
            name: {"dataset": name, "modality": "image", "shape": [64, 64], "intensity": "percentile", "workers": 2}
            for name in COHORTS
        },
        "experiments": {name: {"dataset": name, "input": name, **experiment} for name in ("shortcut", "fair")},
        "external": {
            f"{name}_elsewhere": {"experiment": name, "dataset": "elsewhere", "input": "elsewhere"}
            for name in ("shortcut", "fair")
        },
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shortcuts")
    (folder / "params.yaml").write_text(yaml.safe_dump(params(), sort_keys=False))
    calls = [f"{stage} {name}" for name in COHORTS for stage in ("demo", "preprocess", "split")]
    for name in ("shortcut", "fair"):
        calls += [f"train {name}", f"evaluate {name}", f"external {name}_elsewhere"]
    run_stages(folder, *calls)
    return folder


def metrics(home: Path, place: str) -> dict[str, Any]:
    return json.loads((home / "outputs" / place / "metrics.json").read_text())


def called_ill(home: Path, place: str) -> dict[str, float]:
    """Share of a machine's test films that are called ill."""
    with (home / "outputs" / place / "predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    machines = sorted({row["scanner"] for row in rows})
    return {m: float(np.mean([float(r["p/1"]) >= 0.5 for r in rows if r["scanner"] == m])) for m in machines}


@pytest.mark.heavy
def test_at_home_the_subgroup_table_shows_what_the_headline_hides(home):
    result = metrics(home, "shortcut/evaluate")
    by_machine = result["subgroups"]["scanner"]
    wall, mobile = by_machine["alba-wall"], by_machine["brisa-mobile"]
    assert wall["auroc"]["value"] < result["metrics"]["auroc"]["value"]
    assert wall["recall"]["value"] < mobile["recall"]["value"] - 0.2
    assert mobile["specificity"]["value"] < wall["specificity"]["value"] - 0.2
    assert result["baselines"]["covariates"]["auroc"]["value"] > 0.55


@pytest.mark.heavy
def test_elsewhere_the_machine_decides_and_what_was_more_at_home_is_gone(home):
    rates = {name: called_ill(home, f"external/{name}_elsewhere") for name in ("shortcut", "fair")}
    gaps = {name: rate["brisa-mobile"] - rate["alba-wall"] for name, rate in rates.items()}
    assert gaps["shortcut"] > gaps["fair"] + 0.08
    own, fair = (metrics(home, f"{name}/evaluate")["metrics"]["auroc"]["value"] for name in ("shortcut", "fair"))
    assert own > fair
    drop = metrics(home, "external/shortcut_elsewhere")["external"]["auroc"]["difference"]["value"]
    rise = metrics(home, "external/fair_elsewhere")["external"]["auroc"]["difference"]["value"]
    assert rise > drop
