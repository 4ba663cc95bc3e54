"""``mlflow run`` and ``scantune run`` with changed settings, as typed: params.yaml stays, byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.stages.conftest import Project


@pytest.fixture
def unchanged(prepared: Project):
    """What must be as it was afterwards, whatever happened."""

    def look() -> tuple[bytes, str, str]:
        status = prepared.run("git", "status", "--porcelain", "--untracked-files=no")
        return (prepared.home / "params.yaml").read_bytes(), status, prepared.run("git", "stash", "list")

    before = look()
    yield
    assert look() == before


def mlflow_run(project: Project, *arguments: str, uri: str = ".", check: bool = True) -> str:
    command = ("-m", "mlflow", "run", uri, "--env-manager", "local", *arguments)
    store = f"sqlite:///{project.home / 'mlflow.db'}"
    return project.python(*command, check=check, MLFLOW_TRACKING_URI=store)


def service(project: Project):
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{project.home / 'mlflow.db'}")


def runs(project: Project) -> dict[str, list]:
    """All runs by name."""
    result: dict[str, list] = {}
    client = service(project)
    for run in client.search_runs([e.experiment_id for e in client.search_experiments()], max_results=500):
        result.setdefault(run.info.run_name, []).append(run)
    return result


def experiments(project: Project) -> list[str]:
    return [
        name.rsplit("/", 1)[1]
        for name in project.run("git", "for-each-ref", "refs/exps", "--format=%(refname)").split()
    ]


@pytest.mark.usefixtures("unchanged")
@pytest.mark.slow
def test_mlflow_run_of_a_stage_with_a_changed_value_is_an_experiment_of_dvc(prepared, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "ERROR")
    text = mlflow_run(prepared, "-e", "split", "-P", "key=digits", "-P", "settings=datasets.digits.split.seed=7")
    assert "params.yaml and outputs/ here are unchanged" in text
    assert "digits-seed=7" in experiments(prepared)
    (parent,) = runs(prepared)["digits · seed=7"]
    newest = max(runs(prepared)["split digits · seed=7"], key=lambda run: run.info.start_time)
    assert newest.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert newest.info.experiment_id == parent.info.experiment_id
    assert service(prepared).get_experiment(parent.info.experiment_id).name == "digits"
    assert not list((prepared.home / ".dvc" / "tmp" / "variants").iterdir()), "the copy is gone"


@pytest.mark.usefixtures("unchanged")
@pytest.mark.slow
def test_mlflow_run_with_a_wrong_value_ends_before_anything_is_started(prepared) -> None:
    text = mlflow_run(prepared, "-P", "experiment=small", "-P", "epochs=many", check=False)
    assert "experiments.small.train.epochs" in text
    assert "got 'many'" in text
    assert "Running stage" not in text


@pytest.mark.heavy
@pytest.mark.usefixtures("unchanged")
def test_mlflow_run_of_the_whole_has_the_test_metrics_and_the_report(prepared, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "ERROR")
    mlflow_run(prepared, "-P", "epochs=1", "-P", "optimizer=sgd", "-P", "learning_rate=0.02", "-P", "device=cpu")
    (parent,) = runs(prepared)["small · epochs=1, learning_rate=0.02, optimizer=sgd, device=cpu"]
    assert 0 <= parent.data.metrics["test_auroc"] <= 1
    assert [f.path for f in service(prepared).list_artifacts(parent.info.run_id, "small")] == ["small/report.html"]
    changed = "epochs=1, learning_rate=0.02, optimizer=sgd, device=cpu"
    (trained,) = runs(prepared)[f"train small · {changed}"]
    assert trained.data.params["train.optimizer.name"] == "sgd"
    assert trained.info.status == "FINISHED"
    (name,) = [e for e in experiments(prepared) if "optimizer=sgd" in e]
    table = prepared.dvc("exp", "show", "--csv")
    assert name in table
    assert mlflow_run(prepared, "-e", "train", "-P", "key=small", "-P", "epochs=1")


@pytest.mark.heavy
def test_mlflow_run_of_a_git_address(prepared, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "ERROR")
    prepared.run("git", "clone", "-q", "--bare", ".", str(tmp_path / "bare.git"))
    address = "https://git.invalid/scantune.git"  # MLflow takes a file:// address for a folder
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{tmp_path}/bare.git.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", address)
    arguments = ("-e", "split", "-P", "key=digits", "-P", "settings=datasets.digits.split.seed=9")
    assert "The variant is the DVC experiment digits-seed=9" in mlflow_run(prepared, *arguments, uri=address)


@pytest.mark.heavy
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("moment", [1.0, 3.0, 8.0, 20.0])
def test_variant_killed_at_any_moment_leaves_params_as_they_were(prepared, number, moment) -> None:
    command = [sys.executable, "-m", "scantune.cli", "run", "--experiment", "small", "--seed", "9"]
    process = subprocess.Popen(
        command, cwd=prepared.home, env=prepared.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    time.sleep(moment)
    target = os.killpg if number == signal.SIGKILL else os.kill
    target(process.pid, number)
    assert process.wait(12) in (-number, 143)


@pytest.mark.heavy
def test_copy_of_a_killed_variant_is_removed_by_the_next(prepared) -> None:
    left = prepared.home / ".dvc" / "tmp" / "variants" / "left"
    left.mkdir(parents=True)
    Path(f"{left}.lock").touch()
    prepared.python(
        "-m", "scantune.cli", "run", "--stage", "split", "--key", "digits", "--set", "datasets.digits.split.seed=8"
    )
    assert not left.exists()
