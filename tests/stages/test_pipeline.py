"""The real commands, end to end: dvc repro, what reruns, what MLflow holds, the model in a process of its own."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys

import pytest

from scantune.tasks import scoring

STAGES = ["demo", "index", "preprocess", "split", "train", "evaluate", "register"]


def ran_stages(text: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", text)) - {"settings"}


def client(project, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "ERROR")
    return MlflowClient(f"sqlite:///{project.home / 'mlflow.db'}")


def test_every_stage_leaves_what_is_promised(ran):
    for name in ("small", "other"):
        folder = ran.home / "outputs" / name
        metrics = json.loads((folder / "evaluate" / "metrics.json").read_text())
        entry = metrics["metrics"]["accuracy"]
        assert set(entry) == {"value", "lower", "upper", "method", "n", "n_subjects", "reason"}
        assert entry["lower"] <= entry["value"] <= entry["upper"]
        assert entry["n"] == 48
        with (folder / "evaluate" / "predictions.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert {row["split"] for row in rows} == {"validation", "test"}
        assert abs(sum(float(rows[0][f"p/{k}"]) for k in range(10)) - 1) < 1e-6
        assert json.loads((folder / "register" / "registration.json").read_text())["version"]
        assert (folder / "train" / "model" / "member_0" / "weights.safetensors").exists()


def test_scoring_the_predictions_gives_what_the_evaluation_wrote(ran):
    folder = ran.home / "outputs" / "small" / "evaluate"
    written = json.loads((folder / "metrics.json").read_text())["metrics"]
    scored = scoring.score_file(folder / "predictions.csv", "classification")["metrics"]
    assert set(scored) == set(written)
    for name, entry in written.items():
        near = {
            key: pytest.approx(value, rel=1e-6) if isinstance(value, float) else value for key, value in entry.items()
        }
        assert scored[name] == near, name


def test_a_second_repro_runs_nothing_and_one_learning_rate_reruns_its_own_three_stages(ran):
    assert not ran_stages(ran.dvc("repro"))
    params = ran.params()
    params["experiments"]["small"]["train"]["learning_rate"] = 0.002
    ran.write(params)
    assert ran_stages(ran.dvc("repro")) == {"train@small", "evaluate@small", "register@small"}


def test_metrics_and_plots_of_dvc(ran):
    printed = ran.dvc("metrics", "show")
    assert "outputs/small/evaluate/summary.json" in printed
    assert "accuracy" in printed
    page = ran.dvc("plots", "show")
    assert "index.html" in page
    assert "val_loss" in (ran.home / "dvc_plots" / "index.html").read_text()


def test_mlflow_holds_the_stages_as_a_family_and_the_models_with_their_test_figures(ran, monkeypatch):
    service = client(ran, monkeypatch)
    experiment = service.get_experiment_by_name("digits")
    runs = service.search_runs([experiment.experiment_id], max_results=100)
    by_name = {run.info.run_name: run for run in sorted(runs, key=lambda r: r.info.start_time)}
    assert {"preprocess digits", "split digits", "train small", "evaluate small", "register small"} <= set(by_name)
    train = by_name["train small"]
    for name in ("evaluate small", "register small"):
        assert by_name[name].data.tags["mlflow.parentRunId"] == train.info.run_id
    assert train.data.params["train.learning_rate"] in {"0.003", "0.002"}
    prepared = by_name["preprocess digits"].data.params
    for name in ("input.shape", "input.modality", "input.intensity.name"):
        assert train.data.params[name] == prepared[name], "models of two shapes are told apart"
    assert "test_accuracy" in train.data.metrics
    assert "val_loss" in train.data.metrics
    assert all(run.data.tags["mlflow.user"] == "scantune" for run in runs)
    models = service.search_logged_models([experiment.experiment_id])
    named = {model.name: model for model in models}
    assert {"small", "other"} <= set(named)
    for model in models:
        figures = {metric.key: metric for metric in model.metrics}
        assert "test_accuracy" in figures
        assert figures["test_accuracy"].dataset_name == "digits test"
        assert model.params["backbone"] in {"small_cnn", "custom_1"}
        assert model.params["input.shape"] == "[16, 16]"
    digests = {m.dataset_digest for model in models for m in model.metrics if m.key == "test_accuracy"}
    assert len(digests) == 1, "one test side, one digest: the models compare"


def test_nothing_that_identifies_a_person_or_machine_leaves(ran, monkeypatch):
    service = client(ran, monkeypatch)
    experiment = service.get_experiment_by_name("digits")
    home = str(ran.home)
    for run in service.search_runs([experiment.experiment_id]):
        logged = {**run.data.tags, **run.data.params}
        assert not any(home in value for value in logged.values()), run.info.run_name
    for path in (ran.home / "outputs").rglob("*"):
        if path.is_file():
            assert home.encode() not in path.read_bytes(), path


@pytest.mark.slow
def test_the_champion_opens_in_a_process_that_has_only_the_model(ran, tmp_path):
    image = sorted((ran.home / "data" / "demo" / "digits" / "images").rglob("*.png"))[0]
    code = f"""
import os, sys
sys.path = [p for p in sys.path if not p.endswith("src")]
import mlflow, pandas as pd
mlflow.set_tracking_uri("sqlite:///{ran.home}/mlflow.db")
model = mlflow.pyfunc.load_model("models:/digits@champion")
import importlib.util, scantune
assert importlib.util.find_spec("scantune_phantoms") is None, "no model carries the demo cohorts"
assert "mlartifacts" in scantune.__file__ or "tmp" in scantune.__file__, scantune.__file__
assert not scantune.__file__.startswith("{ran.home}/src")
out = model.predict(pd.DataFrame({{"path": ["{image}", "missing.png"]}}))
print(out.to_json(orient="records"))
print(model.metadata.signature.outputs.input_names()[:2], model.metadata.saved_input_example_info is not None)
"""
    script = tmp_path / "alone.py"
    script.write_text(code)
    text = ran.run(sys.executable, str(script), PYTHONPATH="")
    rows = json.loads(next(line for line in text.splitlines() if line.startswith("[{")))
    assert abs(sum(rows[0][f"p/{k}"] for k in range(10)) - 1) < 1e-5
    assert rows[0]["reason"] == ""
    assert rows[1]["reason"]
    assert rows[1]["p/0"] is None
    assert "True" in text.splitlines()[-1]


def test_served_and_trained_are_the_same(ran, monkeypatch):
    """The registered model's answer for a file is the row of predictions.csv of that sample."""
    from scantune.registry.predictor import Predictor

    monkeypatch.chdir(ran.home)
    with (ran.home / "outputs" / "other" / "evaluate" / "predictions.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"][:5]
    with (ran.home / "data" / "demo" / "digits" / "cohort.csv").open() as file:
        files = {row["sample_id"]: row["file"] for row in csv.DictReader(file)}
    predictor = Predictor.load("outputs/other/train/model")
    answers = predictor.predict([ran.home / "data/demo/digits" / files[row["sample_id"]] for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        for k in range(10):
            assert answer.values[f"p/{k}"] == pytest.approx(float(row[f"p/{k}"]), abs=1e-5)


def test_a_clone_without_data_says_what_to_do(tmp_path):
    from tests.stages.conftest import digits_params, make_project

    fresh = make_project(tmp_path / "clone", digits_params())
    text = fresh.python("stages/train.py", "small", check=False)
    assert "dvc repro preprocess@digits" in text
    assert "Traceback" not in text


def test_a_fault_in_params_stops_before_anything_runs(tmp_path):
    from tests.stages.conftest import digits_params, make_project

    params = digits_params()
    params["experiments"]["small"]["train"]["learning_rat"] = 1
    fresh = make_project(tmp_path / "clone", params)
    text = fresh.python("-m", "scantune.cli", "run", check=False)
    assert "experiments.small.train.learning_rat: unknown key; did you mean 'learning_rate'?" in text
    assert not (fresh.home / "data").exists()


@pytest.mark.slow
def test_a_second_repro_at_the_same_time_is_told_so_and_does_no_harm(ran):
    command = [sys.executable, "-m", "dvc", "repro", "-f", "--single-item", "preprocess@digits"]
    first = subprocess.Popen(
        command, cwd=ran.home, env=ran.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    printed = ""
    while "Running stage" not in printed and first.poll() is None:
        printed += first.stdout.readline()
    second = ran.run(*command, check=False)
    rest, _ = first.communicate(timeout=600)
    assert first.returncode == 0, printed + rest
    assert "lock" in second.lower() or "busy" in second.lower(), second
    assert not ran_stages(ran.dvc("repro")), "what was made is whole and the same"


@pytest.mark.heavy
def test_experiments_of_dvc_with_a_setting_and_from_the_queue(ran):
    ran.run("git", "add", "-A")
    ran.run("git", "commit", "-qm", "ran", check=False)
    text = ran.dvc("exp", "run", "-S", "experiments.small.train.learning_rate=0.001", "train@small")
    assert "train@small" in ran_stages(text)
    ran.dvc("exp", "run", "--queue", "-S", "experiments.small.train.learning_rate=0.0005", "train@small")
    text = ran.dvc("exp", "run", "--run-all")
    assert "0.0005" in ran.dvc("exp", "show", "--csv")
    from mlflow import MlflowClient

    service = MlflowClient(f"sqlite:///{ran.home / 'mlflow.db'}")
    experiment = service.get_experiment_by_name("digits")
    rates = {r.data.params.get("train.learning_rate") for r in service.search_runs([experiment.experiment_id])}
    assert "0.0005" in rates, "the copy below .dvc/tmp logs to the project's own store"
