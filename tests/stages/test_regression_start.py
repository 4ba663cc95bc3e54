"""A regression starts from its training targets, in the stages as a user runs them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from safetensors.numpy import load_file

from scantune.models import own_weights
from tests.stages.conftest import digits_params, experiment, run_stages

pytestmark = pytest.mark.slow

SLOW = {"epochs": 1, "learning_rate": 1e-5, "batch_size": 16, "early_stopping": False}
TASK = {"name": "regression", "target": "label", "score_ranges": []}


def block(**train) -> dict:
    made = experiment("small_cnn", **SLOW | train) | {"task": TASK}
    return made | {"evaluate": {"draws": 200, "saliency": False}}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Trainings that hardly learn, so that what is seen is where they start."""
    home = tmp_path_factory.mktemp("start")
    params = digits_params(n=160)
    digits = params["datasets"]["digits"]
    params["datasets"]["folded"] = digits | {"split": {"method": "random", "folds": 2, "seed": 42}}
    params["inputs"]["folded"] = params["inputs"]["digits"] | {"dataset": "folded"}
    plain, zero = block(), block()
    zero["model"] = {"backbone": "small_cnn", "init_output": False}
    params["experiments"] = {
        "plain": plain,
        "zero": zero,
        "frozen": block(freezing="backbone", weight_decay=1.0, loss="huber"),
        "folds": block(folds=2) | {"dataset": "folded", "input": "folded"},
    }
    wider = TASK | {"range": [0, 90]}
    params["experiments"]["plain"]["task"] = TASK | {"range": [0, 9]}
    params["derived"] = {"wider": block() | {"task": wider, "from": "plain", "use": "weights"}}
    (home / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    trained = [f"train {name}" for name in ("plain", "zero", "frozen", "folds")]
    prepared = [f"{stage} {name}" for name in ("digits", "folded") for stage in ("preprocess", "split")]
    run_stages(home, "demo digits", *prepared, *trained, "evaluate plain")
    return home


def labels(home: Path, side: str, fold: str = "") -> np.ndarray:
    """Targets of a side, or of what trains where ``fold`` is left out."""
    dataset = "folded" if fold else "digits"
    with (home / "data" / "cache" / dataset / "manifest.csv").open() as file:
        value = {row["sample_id"]: float(row["target/label"]) for row in csv.DictReader(file)}
    with (home / "data" / "splits" / dataset / "splits.csv").open() as file:
        rows = list(csv.DictReader(file))
    if fold:
        return np.array([value[r["sample_id"]] for r in rows if r["fold"] not in ("", fold)])
    return np.array([value[r["sample_id"]] for r in rows if r["split"] == side])


def val_mae(home: Path, key: str) -> float:
    history = json.loads((home / "outputs" / key / "train" / "history.json").read_text())
    return history["epochs"][0]["val_mae"]


def scale(home: Path, key: str) -> list[tuple[float, float]]:
    """Mean and spread of the output of each network."""
    files = sorted((home / "outputs" / key / "train" / "model").rglob("weights.safetensors"))
    return [(float(state["head.1.mean"]), float(state["head.1.std"])) for state in map(load_file, files)]


def test_before_it_has_learned_anything_it_is_no_worse_than_the_mean(home):
    train, validation = labels(home, "train"), labels(home, "validation")
    of_mean = np.abs(validation - train.mean()).mean()
    assert val_mae(home, "plain") < 1.3 * of_mean
    assert val_mae(home, "frozen") < 1.3 * of_mean, "nor with a frozen backbone and strong weight decay"
    assert val_mae(home, "zero") > 1.5 * of_mean, "as it was, by the key"


def test_the_numbers_are_the_training_sides_and_those_of_each_fold(home):
    train = labels(home, "train")
    assert scale(home, "plain") == [pytest.approx((train.mean(), train.std()), rel=1e-5)]
    folds = [labels(home, "", fold) for fold in ("0", "1")]
    assert scale(home, "folds") == [pytest.approx((f.mean(), f.std()), rel=1e-5) for f in folds]
    assert folds[0].mean() != folds[1].mean()


def test_what_is_served_is_what_was_evaluated(home):
    from scantune.registry.predictor import Predictor

    with (home / "outputs" / "plain" / "evaluate" / "predictions.csv").open() as file:
        rows = {row["sample_id"]: row for row in csv.DictReader(file)}
    name, row = next(iter(rows.items()))
    predictor = Predictor.load(home / "outputs" / "plain" / "train" / "model")
    with (home / "data" / "demo" / "digits" / "cohort.csv").open() as file:
        path = next(r["file"] for r in csv.DictReader(file) if r["sample_id"] == name)
    answer = predictor.predict([home / "data" / "demo" / "digits" / path])[0]
    assert float(answer.values["prediction"]) == pytest.approx(float(row["prediction"]), abs=1e-5)


def test_a_model_that_starts_from_another_keeps_its_output_on_the_new_range(home):
    run_stages(home, "train wider")
    (mean, std), (other_mean, other_std) = scale(home, "plain")[0], scale(home, "wider")[0]
    assert (other_mean, other_std) == pytest.approx((10 * mean, 10 * std), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "weights", "told"),
    [
        ("plain", None, "starting weights: random"),
        ("wider", None, "starting weights: those of plain"),
        ("plain", "outputs/plain/train/model/member_0", "100.0% of the parameters loaded"),
    ],
)
def test_show_says_what_a_training_starts_from(home, monkeypatch, name, weights, told):
    from typer.testing import CliRunner

    from scantune.cli import app

    monkeypatch.chdir(home)
    before = (home / "params.yaml").read_text()
    params = yaml.safe_load(before)
    model = params["experiments"]["plain"]["model"]
    model["weights"] = weights
    if weights is not None:
        model["weights_sha256"] = own_weights.digest_of(home / weights)
    (home / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    try:
        text = CliRunner().invoke(app, ["show", name]).output
    finally:
        (home / "params.yaml").write_text(before)
    assert told in text
    assert "Rescale" in text
