"""Killed at any moment in any stage, and started again: the end is as if nothing had happened."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

STATES = ("evaluate/predictions.csv", "evaluate/metrics.json", "evaluate/summary.json", "evaluate/errors.csv")


def ends(project) -> dict[str, bytes]:
    """What must be the same; a run's id and the report that shows it may differ."""
    split, home = project.home / "data" / "splits" / "digits", project.home / "outputs" / "small"
    return {str(p): p.read_bytes() for p in (split / "splits.csv", split / "audit.json", *(home / s for s in STATES))}


def start(project, target: str) -> subprocess.Popen[bytes]:
    """A stage run anew by DVC, in a group of processes of its own."""
    command = [sys.executable, "-m", "dvc", "repro", "--single-item", "--force", target]
    alone = project.env | {"OMP_NUM_THREADS": "1"}  # as in the forks, or it would be another environment
    return subprocess.Popen(
        command, cwd=project.home, env=alone, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip


def killed(project, target: str, seconds: float) -> int:
    """A stage, all of it ended by SIGKILL after so many seconds; its exit code."""
    process = start(project, target)
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def killed_in_the_middle(project, target: str, seconds: float) -> int:
    """A training, ended so many seconds after it was saved for the first time since it was started."""
    process, began = start(project, target), time.time()
    while process.poll() is None:
        saved = [path.stat().st_mtime for path in (project.home / ".scantune" / "state").rglob("state.pt")]
        if max(saved, default=0) > began:
            time.sleep(seconds)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return process.wait()
        time.sleep(0.02)
    return process.returncode


@pytest.mark.heavy
def test_every_stage_killed_and_started_again(ran, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "ERROR")
    ran.dvc("repro", "register@small")
    whole, draws, hit = ends(ran), random.Random(1), 0
    service = MlflowClient(f"sqlite:///{ran.home / 'mlflow.db'}")
    versions = len(service.search_model_versions("name='digits'"))
    for stage in (
        "demo@digits",
        "index@digits",
        "preprocess@digits",
        "split@digits",
        "evaluate@small",
        "register@small",
    ):
        began = time.monotonic()
        assert killed(ran, stage, 600) == 0
        took = time.monotonic() - began
        for _ in range(3):
            hit += killed(ran, stage, draws.uniform(0.2, 1) * took) == -signal.SIGKILL
        assert killed(ran, stage, 600) == 0
    ran.dvc("repro", "register@small")
    assert hit >= 9
    assert ends(ran) == whole
    assert len(service.search_model_versions("name='digits'")) == versions
    experiments = [e.experiment_id for e in service.search_experiments()]
    assert {run.info.status for run in service.search_runs(experiments)} <= {"FINISHED", "KILLED"}
    print(f"kills survived: {hit}")


@pytest.mark.heavy
def test_a_training_killed_and_started_again_has_one_run_with_one_point_a_step(ran, monkeypatch):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "ERROR")
    params, epochs = ran.params(), 60
    params["experiments"]["small"]["train"] |= {"epochs": epochs, "save_every_minutes": 0.002, "early_stopping": False}
    ran.write(params)
    home = ran.home / "outputs" / "small" / "train"
    ran.dvc("repro", "--single-item", "--force", "train@small")
    names = ("model/member_0/weights.safetensors", "history.csv", "steps.csv", "checkpoints/last.safetensors")
    whole = {name: (home / name).read_bytes() for name in names}
    service = MlflowClient(f"sqlite:///{ran.home / 'mlflow.db'}")

    def runs() -> dict[str, str]:
        result = service.search_runs([e.experiment_id for e in service.search_experiments()], max_results=500)
        return {run.info.run_id: run.info.status for run in result if run.info.run_name == "train small"}

    known, draws = runs(), random.Random(2)
    codes = [killed_in_the_middle(ran, "train@small", draws.uniform(0, 0.4)) for _ in range(4)]
    ran.dvc("repro", "--single-item", "--force", "train@small")
    assert codes.count(-signal.SIGKILL) >= 3
    assert {name: (home / name).read_bytes() for name in names} == whole
    fresh = {run: status for run, status in runs().items() if run not in known}
    assert list(fresh.values()) == ["FINISHED"] * (1 + codes.count(0)), "all starts of one training are one run"
    for run in fresh:
        steps = [point.step for point in service.get_metric_history(run, "val_loss")]
        assert sorted(steps) == list(range(1, epochs + 1))
        steps = [point.step for point in service.get_metric_history(run, "step/loss")]
        assert len(steps) == len(set(steps)) > 1
    print(f"kills survived: {codes.count(-signal.SIGKILL)}")
