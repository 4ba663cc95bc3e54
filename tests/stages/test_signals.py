"""SIGTERM and second starts, with the commands that people type: real processes, a real store."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.stages.conftest import Project


def commands(project: Project) -> dict[str, list[str]]:
    (project.home / ".venv").mkdir(exist_ok=True)
    (project.home / ".venv" / ".ready").touch()
    return {
        "make": ["make", "run", f"BIN={Path(sys.executable).parent}"],
        "run": [sys.executable, "-m", "scantune.cli", "run", "--experiment", "small"],
        "variant": [sys.executable, "-m", "scantune.cli", "run", "--experiment", "small", "--seed", "7"],
        "dvc": [sys.executable, "-m", "dvc", "repro", "train@small"],
        "stage": [sys.executable, "stages/train.py", "small"],
    }


def training(project: Project, typed: str, nohup: bool = False) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """A command that trains by now, and every process below it."""
    shutil.rmtree(project.home / ".scantune" / "state", ignore_errors=True)
    process = subprocess.Popen(
        commands(project)[typed],
        cwd=project.home,
        env=project.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=(lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)) if nohup else None,
    )
    until = time.monotonic() + 240
    while not list((project.home / ".scantune" / "state").rglob("state.pt")):
        assert process.poll() is None, "the training ended"
        assert time.monotonic() < until
        time.sleep(0.1)
    return process, psutil.Process(process.pid).children(recursive=True)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def statuses(project: Project) -> set[str]:
    from mlflow import MlflowClient

    service = MlflowClient(f"sqlite:///{project.home / 'mlflow.db'}")
    result = service.search_runs([e.experiment_id for e in service.search_experiments()])
    return {run.info.status for run in result if run.info.run_name == "train small"}


def check_end(
    project: Project, typed: str, process: subprocess.Popen[bytes], below: list[psutil.Process], again: bool = True
) -> None:
    """All ends within ten seconds, with the run marked as killed.

    A run is closed within six seconds or by the next stage: where others keep the processor busy, a second try counts.
    """
    try:
        began = time.monotonic()
        process.terminate()
        code = process.wait(10)
        while alive(below) and time.monotonic() - began < 10:
            time.sleep(0.05)
        took = time.monotonic() - began
        assert not alive(below), f"after {took:.1f} s"
    finally:
        for left in alive(below):
            left.kill()
    assert code % 256 in (143, -signal.SIGTERM % 256), "make and dvc leave the signal to the system: 143 in a shell"
    if again and statuses(project) == {"RUNNING"}:
        check_end(project, typed, *training(project, typed), again=False)
    assert statuses(project) == {"KILLED"}
    print(f"{typed}: {took:.1f} s")


@pytest.mark.slow
def test_second_training_is_refused_by_name_of_the_first_which_ends_with_all_that_it_started(
    prepared: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "ERROR")
    process, below = training(prepared, "make", nohup=True)
    try:
        (stage,) = [p for p in below if "stages/train.py" in p.cmdline()[1:2]]
        for second in ("run", "stage"):
            text = prepared.run(*commands(prepared)[second], check=False)
            assert f"small is being trained already by process {stage.pid} on {os.uname().nodename}, since 20" in text
            assert f"kill {stage.pid}" in text
        assert list((prepared.home / ".scantune" / "state").rglob("state.pt")), "what the first saved is untouched"
    finally:
        check_end(prepared, "make", process, below)


@pytest.mark.heavy
@pytest.mark.parametrize("nohup", [False, True])
@pytest.mark.parametrize("typed", ["make", "run", "variant", "dvc", "stage"])
def test_every_command_ends_all_that_it_started(
    prepared: Project, typed: str, nohup: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_LOGGING_LEVEL", "ERROR")
    params = (prepared.home / "params.yaml").read_bytes()
    check_end(prepared, typed, *training(prepared, typed, nohup))
    assert (prepared.home / "params.yaml").read_bytes() == params
