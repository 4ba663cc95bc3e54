"""Two numbers a film through the real stages: holes in the table, metrics of each, maps, ensembles, a derived model."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from scantune.tasks.predictions import Faults
from scantune.tasks.predictions_file import read
from tests.stages.conftest import ensemble, run_stages

pytestmark = pytest.mark.slow

N = 90
TARGETS = {"age": {"range": [20, 80], "unit": "years", "significant_error": 10}, "lesion_load": {}}


def films(folder: Path) -> None:
    """Films whose upper spot is the brighter the older, and the lower one the larger the lesion load; with holes."""
    from scantune import io

    rng = np.random.default_rng(4)
    folder.mkdir(parents=True)
    rows = []
    for i in range(N):
        age, load = rng.uniform(20, 80), rng.uniform(0, 2)
        pixels = rng.integers(20, 40, (24, 24)).astype(float)
        pixels[2:10, 4:20] += 2 * (age - 20)
        pixels[14:22, 4:20] += 60 * load
        io.write_png(folder / f"{i}.png", pixels.astype(np.uint8))
        cells = ["" if i % 5 == 0 else f"{age:.1f}", "NA" if i % 3 == 0 else f"{load:.3f}"]
        rows.append([f"{i}.png", f"p{i}", *cells, "fm"[i % 2]])
    with (folder / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "patient", "age", "load", "sex"], *rows])


def params() -> dict[str, Any]:
    block = {
        "dataset": "films",
        "input": "films",
        "task": {"name": "regression", "targets": TARGETS},
        "model": {"backbone": "small_cnn"},
        "train": {
            "epochs": 12, "batch_size": 8, "learning_rate": 0.01, "precision": "32", "monitor": "val_r2",
            "early_stopping": {"patience": 50},
        },
        "evaluate": {"draws": 200, "saliency": {"checks": False}},
        "register": {},
    }  # fmt: skip
    plain = {"evaluate": {"draws": 200, "saliency": False}}
    again = block | plain | {"train": block["train"] | {"epochs": 1, "loss": "weighted_mse", "sampler": "balanced"}}
    turned = block | plain | {"task": {"name": "regression", "targets": dict(reversed(TARGETS.items()))}}
    turned["train"] = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-9, "precision": "32"}
    return {
        "datasets": {
            "films": {
                "root": "data/raw/films",
                "watch": "data/raw/films",
                "table": "table.csv",
                "files": "{file}",
                "subject": "patient",
                "targets": {"age": "age", "lesion_load": "load"},
                "groups": ["sex"],
                "split": {"method": "random", "fractions": [0.5, 0.25, 0.25], "seed": 1},
            }
        },
        "inputs": {"films": {"dataset": "films", "modality": "image", "shape": [24, 24], "workers": 1}},
        "experiments": {"both": block},
        "derived": {
            "again": again | {"from": "both", "use": "weights"},
            "turned": turned | {"from": "both", "use": "weights"},
        },
        "ensembles": {"mean": ensemble("films", ["both", "again"], {"draws": 200, "saliency": False})},
        "ensemble_members": {f"mean_{name}": {"ensemble": "mean", "member": name} for name in ("both", "again")},
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("targets")
    films(home / "data" / "raw" / "films")
    (home / "params.yaml").write_text(yaml.safe_dump(params(), sort_keys=False))
    run_stages(home, "preprocess films", "split films", "train both", "evaluate both")
    run_stages(
        home,
        *("train again", "evaluate again", "train turned", "evaluate turned"),
        *("ensemble_member mean_both", "ensemble_member mean_again", "ensemble mean", "evaluate mean"),
    )
    return home


def metrics(home: Path, name: str) -> dict[str, Any]:
    return json.loads((home / "outputs" / name / "evaluate" / "metrics.json").read_text())


def test_one_network_learns_both_from_samples_that_lack_one(home: Path) -> None:
    result = metrics(home, "both")
    assert result["metrics"]["r2"]["value"] > 0.7
    assert all(result["metrics"][f"r2/{name}"]["value"] > 0.6 for name in TARGETS)
    table = read(home / "outputs" / "both" / "evaluate" / "predictions.csv")
    test = table.take(np.flatnonzero(table.split == "test"))
    for name in TARGETS:
        known = np.isfinite(test.numbers(f"target/{name}", Faults()))
        assert 0 < known.sum() < len(test)
        assert result["metrics"][f"mae/{name}"]["n"] == known.sum()
        assert np.isfinite(test.numbers(f"prediction/{name}", Faults())).all()
        assert result["metrics"][f"conformal_coverage/{name}"]["n"] == known.sum()
    assert result["baselines"]["mean"]["r2"]["value"] < 0.1


def test_the_epoch_that_is_kept_is_the_best_by_the_metric_of_the_evaluation(home: Path) -> None:
    with (home / "outputs" / "both" / "train" / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    values = [float(row["val_r2"]) for row in rows]
    kept = json.loads((home / "outputs" / "both" / "train" / "checkpoints" / "checkpoints.json").read_text())
    assert max(values) == pytest.approx(max(one["value"] for one in kept["checkpoints"]), abs=1e-4)
    for name in TARGETS:
        assert f"val_mae/{name}" in rows[0]
    mean = sum(float(rows[-1][f"val_r2/{name}"]) for name in TARGETS) / len(TARGETS)
    assert float(rows[-1]["val_r2"]) == pytest.approx(mean, abs=1e-4)


def test_report_figures_maps_and_errors_name_each_target(home: Path) -> None:
    out = home / "outputs" / "both" / "evaluate"
    drawn = {path.name for path in (out / "figures").iterdir()}
    for figure in ("predicted_against_actual", "bland_altman", "histogram"):
        assert {f"{figure}__{name}.svg" for name in TARGETS} < drawn
    report = (out / "report.html").read_text()
    assert "targets age, lesion_load" in report
    assert "Agreement (Bland–Altman), lesion load" in report
    assert "Conformal intervals of age" in report
    assert "MAE, age" in report
    assert "means over the targets" in report
    assert "targets age, lesion\\_load" in (out / "model_card.md").read_text()
    result = metrics(home, "both")["saliency"]
    assert result["n_maps"] % len(TARGETS) == 0
    errors = (out / "errors.csv").read_text()
    assert "age 2" in errors
    assert " years, lesion load " in errors


def test_a_model_of_other_targets_starts_where_these_are(home: Path) -> None:
    """Its new output layer answers in their units: without a step of training it is about as good as their means."""
    result = metrics(home, "turned")
    for name in TARGETS:
        assert result["metrics"][f"rmse/{name}"]["value"] < 3 * result["baselines"]["mean"][f"rmse/{name}"]["value"]


def test_an_ensemble_averages_each_target_and_states_its_spread(home: Path) -> None:
    table = read(home / "ensembles" / "mean" / "evaluate" / "predictions.csv")
    sides = [read(home / "outputs" / name / "evaluate" / "predictions.csv") for name in ("both", "again")]
    for name in TARGETS:
        each = np.array([side.numbers(f"prediction/{name}", Faults()) for side in sides])
        low, high = TARGETS[name].get("range", (-np.inf, np.inf))
        inside = ((each > low) & (each < high)).all(0)  # elsewhere a prediction is cut off before the mean
        assert inside.any()
        mean = table.numbers(f"prediction/{name}", Faults())
        np.testing.assert_allclose(mean[inside], each.mean(0)[inside], rtol=1e-5)
        assert f"prediction_sd/{name}" in table
        assert f"lower/{name}" in table


def test_a_single_target_still_needs_a_value_in_every_row() -> None:
    from scantune.config.load import parse
    from scantune.pipeline.data.targets import needed_targets

    settings = params()
    settings["derived"]["turned"]["task"] = {"name": "regression", "target": "age"}
    assert needed_targets(parse(settings), "films") == {"age": ["derived.turned"]}
