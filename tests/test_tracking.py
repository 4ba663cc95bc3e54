"""Runs in MLflow: a real SQLite store, a real server over HTTP, and a server that goes away."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from pathlib import Path

import pytest
import requests

from scantune import tracking
from scantune.engine import Interrupted
from scantune.registry.log import log_model
from scantune.tracking import RunReference, TrackingError, open_run

mlflow = pytest.importorskip("mlflow")


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


def wait_for(url: str, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer in {seconds:g} s")


@pytest.fixture
def server(store, monkeypatch):
    """A real MLflow server on 127.0.0.1; ended by its own process group."""
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{store}/server.db", "--artifacts-destination", str(store / "art")]
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    process = subprocess.Popen(
        command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")

    def stop() -> None:
        if process.poll() is None:
            os.killpg(process.pid, 15)
            process.wait(60)

    try:
        wait_for(f"{url}/health")
        yield stop
    finally:
        stop()


def test_a_stage_run_has_its_name_parameters_points_and_no_login_name(store):
    with open_run("train", "knees", dataset="hips", description="Two hips.") as run:
        run.params({"train": {"epochs": 3, "loss": None}, "seed": 1})
        run.metrics({"val_loss": 0.5, "bad": float("inf"), "undefined": None, "nan": float("nan")}, step=2)
        run.text("hello", "note.txt")
    stored = tracking.client().get_run(run.run_id)
    assert stored.info.run_name == "train knees"
    assert stored.info.status == "FINISHED"
    assert stored.data.params == {"train.epochs": "3", "train.loss": "null", "seed": "1"}
    assert stored.data.metrics == {"val_loss": 0.5}
    assert stored.data.tags["mlflow.user"] == "scantune"
    assert stored.data.tags["mlflow.source.name"] == "stages/train.py"
    assert not any(str(store) in value for value in stored.data.tags.values())
    assert [f.path for f in tracking.client().list_artifacts(run.run_id)] == ["note.txt"]
    assert (store / "mlflow.db").exists()
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false", "MLflow unpickles nothing in a stage"


def test_classes_with_any_names_keep_their_own_values(store):
    classes = [
        "<5",
        ">5",
        "≤5",
        "≥5",
        "A+",
        "A-",
        "肺炎",
        "结核",
        "Übel",
        "Öbel",
        "a (b)",
        "a/",
        "a",
        "x//y",
        "../z",
        "☺",
    ]
    classes += ["n" * 300, "n" * 299 + "m", "..", "c\nd", "/e"]
    values = {f"recall_{name}": float(number) for number, name in enumerate(classes)}
    values |= {name: 100.0 + number for number, name in enumerate(classes)}  # as the first part of a name too
    with open_run("train", "knees", dataset="hips") as run:
        run.metrics(values)
        run.params({"recode": {name: number for number, name in enumerate(classes)}})
    stored = tracking.client().get_run(run.run_id)
    assert sorted(stored.data.metrics.values()) == sorted(values.values())
    assert len(stored.data.params) == len(classes)
    assert stored.data.metrics["recall_lt5"] == 0
    assert stored.data.metrics["recall_肺炎"] == 6
    assert not (store / ".scantune" / "pending").exists()


def test_a_parameter_that_changed_becomes_a_tag(store):
    with open_run("train", "knees", dataset="hips") as run:
        run.params({"epochs": 3})
    with open_run("train", "knees", dataset="hips", resume=run.run_id) as again:
        again.params({"epochs": 4, "seed": 1})
    stored = tracking.client().get_run(run.run_id)
    assert again.run_id == run.run_id
    assert stored.data.params == {"epochs": "3", "seed": "1"}
    assert stored.data.tags["param.epochs"] == "4"


def test_a_parameter_that_is_again_what_it_was_says_so_and_none_is_too_long_for_a_tag(store):
    long = "reader." + "x" * 240
    run_id = None
    for epochs in (3, 4, 3):
        with open_run("train", "knees", dataset="hips", resume=run_id) as run:
            run.params({"epochs": epochs, long: epochs})
            run.tags({"t" * 300: "1"})
        run_id = run.run_id
    stored = tracking.client().get_run(run_id)
    assert stored.data.tags["param.epochs"] == "3"
    assert [value for name, value in stored.data.tags.items() if name.startswith("param.reader.")] == ["3"]
    assert not list((store / ".scantune").rglob("*.jsonl"))


def test_what_waits_for_a_run_that_was_deleted_is_told_once_with_what_to_do(store, caplog):
    with open_run("train", "knees", dataset="hips") as run:
        tracking.client().delete_run(run.run_id)
        run.metrics({"loss": 1.0})
    caplog.clear()
    with open_run("train", "knees", dataset="hips"):
        pass
    (told,) = [record.message for record in caplog.records if run.run_id in record.message]
    assert "deleted" in told
    assert "restore it there, or delete the file" in told
    tracking.client().restore_run(run.run_id)
    with open_run("train", "knees", dataset="hips"):
        pass
    assert tracking.client().get_run(run.run_id).data.metrics == {"loss": 1.0}
    assert not list((store / ".scantune").rglob("*.jsonl"))


def test_the_name_of_a_run_fits_the_databases_of_servers(store, monkeypatch):
    monkeypatch.setenv(tracking.CHANGED, "learning_rate=0.0005, " * 100)
    with open_run("train", "knees", dataset="hips") as run:
        pass
    assert len(tracking.client().get_run(run.run_id).info.run_name) == 250


def test_the_run_of_a_variant_is_named_after_what_was_changed(store, monkeypatch):
    monkeypatch.setenv(tracking.CHANGED, "learning_rate=0.0005")
    with open_run("train", "knees", dataset="hips") as run:
        pass
    assert tracking.client().get_run(run.run_id).info.run_name == "train knees · learning_rate=0.0005"


def test_an_unknown_run_id_opens_a_new_run(store):
    with open_run("train", "knees", dataset="hips", resume="0" * 32, parent="1" * 32) as run:
        pass
    assert run.run_id
    assert run.run_id != "0" * 32
    assert "mlflow.parentRunId" not in tracking.client().get_run(run.run_id).data.tags


def test_the_run_that_mlflow_run_opened_becomes_the_parent(store, monkeypatch):
    with open_run("all", "all", dataset="hips") as outer:
        pass
    monkeypatch.setenv("MLFLOW_RUN_ID", outer.run_id)
    with open_run("train", "knees", dataset="hips") as run:
        assert "MLFLOW_RUN_ID" not in os.environ
    assert run.run_id != outer.run_id
    assert tracking.client().get_run(run.run_id).data.tags["mlflow.parentRunId"] == outer.run_id
    monkeypatch.delenv("SCANTUNE_PARENT_RUN_ID")


def test_where_a_run_cannot_be_moved_another_takes_its_place(store, monkeypatch):
    """A store that is not the project's own stands for a server: ``mlflow run`` has opened a run in Default there."""
    from scantune.tracking.parent import adopt_parent, close_parent, describe_parent

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store / 'shared.db'}")
    monkeypatch.setenv("SCANTUNE_PARENT_RUN_ID", "")
    service = tracking.client()
    opened = service.create_run("0", tags={"mlflow.project.entryPoint": "main"}, run_name="able-pig-228").info.run_id
    service.log_param(opened, "learning_rate", "0.0005")
    monkeypatch.setenv("MLFLOW_RUN_ID", opened)
    adopt_parent(tracking.take_parent_run(), "hips", "knees · learning_rate=0.0005")
    parent = tracking.take_parent_run()
    with open_run("train", "knees", dataset="hips") as run:
        pass
    describe_parent(parent, "knees · learning_rate=0.0005", {"knees": {"auroc": 0.9}}, {})
    close_parent("FINISHED")
    taken, former = service.get_run(parent), service.get_run(opened)
    assert service.get_experiment(taken.info.experiment_id).name == "hips"
    assert service.get_run(run.run_id).data.tags["mlflow.parentRunId"] == parent
    assert (taken.info.run_name, taken.info.status) == ("knees · learning_rate=0.0005", "FINISHED")
    assert taken.data.params == former.data.params == {"learning_rate": "0.0005"}
    assert taken.data.metrics == former.data.metrics == {"test_auroc": 0.9}
    assert taken.data.tags["mlflow.project.entryPoint"] == "main"
    assert (former.info.lifecycle_stage, former.info.status) == ("active", "FINISHED")  # mlflow run closes it itself
    assert former.data.tags["scantune.replaced_by"] == parent


def test_a_failed_and_an_interrupted_stage_say_so(store):
    with pytest.raises(ZeroDivisionError), open_run("train", "a", dataset="hips") as failed:
        raise ZeroDivisionError
    with pytest.raises(KeyboardInterrupt), open_run("train", "b", dataset="hips") as killed:
        raise KeyboardInterrupt
    with pytest.raises(SystemExit), open_run("train", "c", dataset="hips") as stopped:
        raise Interrupted("SIGTERM", 143)  # as a training that saved ends
    status = {r.run_id: tracking.client().get_run(r.run_id).info.status for r in (failed, killed, stopped)}
    assert status == {failed.run_id: "FAILED", killed.run_id: "KILLED", stopped.run_id: "KILLED"}


def test_the_run_of_a_killed_process_is_said_to_be_killed(store):
    with open_run("evaluate", "a", dataset="hips") as killed:
        pass
    tracking.client().update_run(killed.run_id, status="RUNNING")
    note = store / ".scantune" / "open" / f"{killed.run_id}.lock"
    note.touch()  # nobody holds it
    with open_run("evaluate", "a", dataset="hips") as run, open_run("trial", "a", dataset="hips") as below:
        status = [tracking.client().get_run(r.run_id).info.status for r in (killed, run, below)]
    assert status == ["KILLED", "RUNNING", "RUNNING"]
    assert not list(note.parent.iterdir())


@pytest.mark.parametrize("how", ["variable", "key", "rank"])
def test_switched_off_nothing_is_written(store, monkeypatch, how):
    if how == "variable":
        monkeypatch.setenv("SCANTUNE_MLFLOW", "off")
    if how == "rank":
        monkeypatch.setenv("RANK", "1")
    with open_run("train", "knees", dataset="hips", enabled=how != "key") as run:
        run.metrics({"loss": 1.0})
        run.params({"a": 1})
        run.artifact(store / "dvc.yaml")
    assert run.run_id is None
    assert not (store / "mlflow.db").exists()


def test_the_store_is_the_projects_own_from_a_copy_below_dvc_tmp(store, monkeypatch):
    copy = store / ".dvc" / "tmp" / "exps" / "tmpabc"
    copy.mkdir(parents=True)
    (copy / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(copy)
    assert tracking.tracking_uri() == f"sqlite:///{store / 'mlflow.db'}"


def test_a_run_reference_survives_and_a_missing_one_is_empty(tmp_path):
    RunReference("a" * 32, "m-1").write(tmp_path / "x" / "run.json")
    assert RunReference.read(tmp_path / "x" / "run.json") == RunReference("a" * 32, "m-1")
    assert RunReference.read(tmp_path / "none.json") == RunReference(None)


def test_no_server_at_the_start_stops_with_what_to_do(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError, match="SCANTUNE_MLFLOW=off"), open_run("train", "knees", dataset="hips"):
        pass
    with open_run("train", "knees", dataset="hips", require=False) as run:
        run.metrics({"loss": 1.0})
    assert not run.on


def test_a_store_that_is_a_folder_or_damaged_is_told_with_the_remedy(store, monkeypatch):
    (store / "broken.db").write_bytes(b"no database" * 100)
    remedies = {"./mlruns": "mlflow migrate-filestore", "sqlite:///broken.db": "scantune restore"}
    for address, remedy in remedies.items():
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with pytest.raises(TrackingError, match=remedy), open_run("train", "knees", dataset="hips"):
            pass


def test_a_password_in_the_address_is_not_shown(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ann:secret@127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TrackingError) as caught, open_run("train", "knees", dataset="hips"):
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_over_http_and_the_server_dies_midway_nothing_is_lost(server, store, monkeypatch):
    (store / "model").mkdir()
    for name in ("model.json", "architecture.json", "weights.safetensors"):
        (store / "model" / name).write_text("{}")
    sent: list[str] = []
    send = requests.Session.send
    with open_run("train", "knees", dataset="hips") as run:
        run.metrics({"loss": 1.0}, step=0)
        run.flush()
        with monkeypatch.context() as counting, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of MLflow, about its own code
            counting.setattr(requests.Session, "send", lambda *a, **k: (sent.append(a[1].url), send(*a, **k))[1])
            assert log_model(
                run, store / "model", name="knees", params={}, columns={"p": 0.0}, example="a.png", inputs={}
            )
        assert 10 < len(sent) < 40, "a model is a few requests, not one for each file of code"
        server()
        for step in range(1, 4):
            run.metrics({"loss": 1.0 / step}, step=step)
        run.flush()
    waiting = list((store / ".scantune" / "pending").glob("*.jsonl"))
    assert [w.stem for w in waiting] == [run.run_id]
    *points, end = map(json.loads, waiting[0].read_text().splitlines())
    assert [point["step"] for point in points] == [1, 2, 3]
    assert end == {"kind": "status", "status": "FINISHED"}
    # The same store, served by no one but read directly: the next run sends what waited.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store}/server.db")
    with open_run("evaluate", "knees", dataset="hips"):
        pass
    history = tracking.client().get_metric_history(run.run_id, "loss")
    assert [point.step for point in history] == [0, 1, 2, 3]
    assert tracking.client().get_run(run.run_id).info.status == "FINISHED"
    assert not list(Path(store / ".scantune" / "pending").glob("*.jsonl"))


@pytest.mark.slow
def test_two_processes_on_one_store_lose_nothing(store):
    with open_run("train", "first", dataset="hips"):
        pass  # the store's tables are there
    code = """
from scantune.tracking import open_run
with open_run("train", "a", dataset="hips") as run:
    print(run.run_id, flush=True)
    for step in range(40):
        run.metrics({"loss": step}, step=step)
        run.flush()
"""
    env = {**os.environ, "PYTHONPATH": str(Path(tracking.__file__).parents[2])}
    other = subprocess.Popen([sys.executable, "-c", code], cwd=store, env=env, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    theirs = other.stdout.readline().strip()
    steps = 0
    with open_run("train", "b", dataset="hips") as run:
        while steps < 20 or other.poll() is None:  # as long as the other writes, beside it
            run.metrics({"loss": steps}, step=steps)
            run.flush()
            steps += 1
    assert other.wait() == 0
    for run_id, count in ((theirs, 40), (run.run_id, steps)):
        assert [p.step for p in tracking.client().get_metric_history(run_id, "loss")] == list(range(count))


_GO_ON = """
import sys
from scantune import tracking
with tracking.open_run("train", "knees", dataset="hips", resume=sys.argv[1]) as run:
    run.text("after", "more.txt")
print(sorted(file.path for file in tracking.client().list_artifacts(sys.argv[1])))
"""


@pytest.mark.slow
def test_a_copied_project_writes_into_its_own_folder_and_reads_what_it_had(store, tmp_path_factory, monkeypatch):
    with open_run("train", "knees", dataset="hips") as run:
        run.text("before", "words.txt")
    here = tmp_path_factory.mktemp("copies") / "my study ü"
    described = store / "mlartifacts/models/m-1/artifacts/MLmodel"
    described.parent.mkdir(parents=True)
    described.write_text(f"artifact_path: {described.parent.as_uri()}\nflavors: {{}}\n")
    shutil.copytree(store, here)
    before = sorted(store.glob("**/*"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # MLflow sets it for its own children
    processes = [
        subprocess.run([sys.executable, "-c", _GO_ON, run.run_id], cwd=here, capture_output=True, text=True)
        for _ in range(2)
    ]
    assert [one.stdout for one in processes] == ["['more.txt', 'words.txt']\n"] * 2, processes
    assert (here / "mlartifacts" / run.run_id / "artifacts/more.txt").is_file()
    moved = here / "mlartifacts/models/m-1/artifacts"
    assert (moved / "MLmodel").read_text() == f"artifact_path: {moved.as_uri()}\nflavors: {{}}\n"
    assert described.read_text().startswith(f"artifact_path: {described.parent.as_uri()}\n")
    assert sorted(store.glob("**/*")) == before
    assert [f"this project was in {store}: " in one.stderr for one in processes] == [True, False]


def test_a_store_elsewhere_keeps_its_addresses(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store / 'shared.db'}")
    with open_run("train", "knees", dataset="hips") as run:
        run.text("before", "words.txt")
    other = store / "other"
    other.mkdir()
    (other / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(other)
    service = tracking.client()
    assert service.get_experiment_by_name("hips").artifact_location == (store / "mlartifacts").as_uri()
