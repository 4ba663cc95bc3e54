"""What an MLflow server refused is sent by the next stage, whichever it is, and once."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from scantune import tracking
from scantune.engine.delivery import Delivery
from scantune.engine.monitoring import EpochView
from scantune.records import ScantuneError
from scantune.registry.log import log_model
from scantune.registry.promotion import register
from scantune.tracking import RunReference, TrackingError, open_run, unfinished

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of MLflow, about its own code
    import mlflow.pyfunc


class Refusing:
    """A client whose calls of some names fail while it is down."""

    def __init__(self, service: Any, *names: str) -> None:
        self.service, self.names, self.down = service, names, True

    def __getattr__(self, name: str) -> Any:
        if self.down and name in self.names:
            raise ConnectionError("the server is away")
        return getattr(self.service, name)


@pytest.mark.slow
def test_a_run_whose_end_and_files_were_refused_is_completed_by_the_next_stage(store: Path) -> None:
    (store / "a.txt").write_text("kept")
    (store / "b.txt").write_text("old")
    with open_run("train", "knees", dataset="hips") as run:
        names = ("set_terminated", "log_batch", "log_artifact", "log_text", "log_inputs")
        run.service = Refusing(run.service, *names)
        run.metrics({"loss": 1.0}, step=3)
        run.params({"epochs": 3})
        run.tags({"x": "y"})
        run.artifact(store / "a.txt", "files")
        run.artifact(store / "b.txt")
        run.text("words", "note.txt")
        run.dataset("hips", "0" * 8, context="training", rows=7)
    (store / "b.txt").write_text("another file by now")
    service = tracking.client()
    assert service.get_run(run.run_id).info.status == "RUNNING"
    with open_run("index", "hips", dataset="hips"):
        pass
    stored = service.get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert stored.data.metrics == {"loss": 1.0}
    assert stored.data.params == {"epochs": "3"}
    assert stored.data.tags["x"] == "y"
    assert [one.dataset.name for one in stored.inputs.dataset_inputs] == ["hips"]
    names = {file.path for file in service.list_artifacts(run.run_id)}
    assert names == {"files", "note.txt"}, "b.txt is another file by now"
    assert not list((store / ".scantune" / "pending").glob("*.jsonl"))
    with open_run("index", "hips", dataset="hips"):
        pass
    assert len(service.get_metric_history(run.run_id, "loss")) == 1


def test_what_was_refused_for_a_moment_is_sent_at_the_end_of_the_same_run(store: Path) -> None:
    with open_run("train", "knees", dataset="hips") as run:
        run.service = Refusing(run.service, "log_text")
        run.text("words", "note.txt")
        run.service.down = False
    assert [file.path for file in tracking.client().list_artifacts(run.run_id)] == ["note.txt"]


class Hanging(Refusing):
    """A client whose calls of some names fail after a while, and are counted."""

    asked = 0

    def __getattr__(self, name: str) -> Any:
        if self.down and name in self.names:
            self.asked += 1
            time.sleep(0.05)
        return super().__getattr__(name)


def test_a_server_that_is_waited_for_in_vain_holds_a_stage_up_once_and_once_at_its_end(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("scantune.tracking.run._LONG", 0.01)
    names = ("get_run", "log_batch", "log_text", "set_terminated")
    with open_run("train", "knees", dataset="hips") as run:
        run.service = hanging = Hanging(run.service, *names)
        run.params({"epochs": 3})
        run.tags({"x": "y"})
        for name in "abcd":
            run.text("words", f"{name}.txt")
        run.metrics({"loss": 1.0}, step=3)
        run.flush()
        assert hanging.asked == 1
    assert hanging.asked == 2
    assert len([record for record in caplog.records if "the run continues" in record.message]) == 2, "items, points"
    service = tracking.client()
    monkeypatch.setattr("scantune.tracking.opening.client", lambda: (hanging.__init__(service, *names), hanging)[1])
    asked = hanging.asked
    with pytest.raises(TrackingError), open_run("index", "hips", dataset="hips"):
        pass
    assert hanging.asked == asked + 1, "the next stage says so before it tries each item"
    monkeypatch.setattr("scantune.tracking.opening.client", lambda: service)
    with open_run("index", "hips", dataset="hips"):
        pass
    stored = service.get_run(run.run_id)
    assert (stored.info.status, stored.data.metrics, stored.data.params) == ("FINISHED", {"loss": 1.0}, {"epochs": "3"})
    assert {file.path for file in service.list_artifacts(run.run_id)} == {f"{name}.txt" for name in "abcd"}


def test_a_run_ends_where_the_server_is_out_of_reach_for_files_alone(store: Path, monkeypatch) -> None:
    monkeypatch.setattr("scantune.tracking.run._LONG", 0.01)
    with open_run("train", "knees", dataset="hips") as run:
        service, run.service = run.service, Hanging(run.service, "log_text")
        for name in "ab":
            run.text("words", f"{name}.txt")
    assert run.service.asked == 2
    assert service.get_run(run.run_id).info.status == "FINISHED"
    (waiting,) = (store / ".scantune/pending").glob("*.jsonl")
    assert len(waiting.read_text().splitlines()) == 2


@pytest.fixture
def unsent(store: Path, model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """A training whose model the server did not take: its run, and the model's folder."""
    folder = Path(shutil.copytree(model_folder, store / "outputs/tiny/train/model"))
    with open_run("train", "tiny", dataset="mine") as run, monkeypatch.context() as down:
        down.setattr("mlflow.pyfunc.log_model", lambda **_: (_ for _ in ()).throw(ConnectionError("away")))
        logged = log_model(
            run, folder, name="tiny", params={"a": 1}, columns={"prediction": 0.0}, example="a.png", inputs={}
        )
        run.close = lambda status: None  # type: ignore[method-assign]
        type(run).close(run, "FINISHED")
    assert logged is None
    assert tracking.client().get_run(run.run_id).info.status == "FINISHED"
    return str(run.run_id), folder


def test_a_model_that_was_refused_is_logged_by_the_next_stage_and_found_by_register(unsent, store: Path) -> None:
    reference = RunReference(unsent[0], None)
    with open_run("evaluate", "tiny", dataset="mine") as run:
        result = reference.completed(run)
    assert result.model_id
    logged = tracking.client().get_logged_model(result.model_id)
    assert logged.source_run_id == unsent[0]
    assert tracking.client().get_run(unsent[0]).info.status == "FINISHED"
    opened = mlflow.artifacts.download_artifacts(f"models:/{result.model_id}")
    files = [path.relative_to(opened).as_posix() for path in Path(opened).rglob("*") if path.is_file()]
    assert len(files) < 20, files
    assert {"code/scantune/__init__.py", "code/scantune/scantune.zip"} <= set(files)


@pytest.mark.slow
def test_the_code_of_a_logged_model_opens_it_where_scantune_is_not_installed(unsent, store: Path) -> None:
    with open_run("index", "mine", dataset="mine") as run:
        result = RunReference(unsent[0], None).completed(run)
    folder = mlflow.artifacts.download_artifacts(f"models:/{result.model_id}")
    from tests.security.conftest import picture

    path = picture(store / "a.png")
    code = f"""
        import sys
        sys.path = [p for p in sys.path if not p.rstrip("/").endswith("/src")]
        sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
        import mlflow, pandas
        model = mlflow.pyfunc.load_model({folder!r})
        import scantune.registry.pyfunc
        assert "/src/" not in scantune.registry.pyfunc.__file__, scantune.registry.pyfunc.__file__
        print("ANSWER", model.predict(pandas.DataFrame({{"path": [{str(path)!r}]}}))["prediction"].notna().all())
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        cwd=store,
        env=env,
        capture_output=True,
        text=True,
    )
    assert "ANSWER True" in done.stdout, done.stderr


def test_a_model_that_was_trained_again_meanwhile_is_not_sent_as_the_former(unsent, store: Path) -> None:
    (unsent[1] / "model.json").write_text("{}")
    with open_run("evaluate", "tiny", dataset="mine") as run:
        assert RunReference(unsent[0], None).completed(run).model_id is None


def test_register_without_a_model_is_a_failure_with_the_command(store: Path) -> None:
    with (
        open_run("register", "tiny", dataset="mine") as run,
        pytest.raises(ScantuneError, match="Train again with it: dvc repro -f train@tiny"),
    ):
        register(
            *(run, RunReference(None, None)),
            name="mine",
            alias="champion",
            task=None,
            evaluate=SimpleNamespace(),
            folder=store,
            again="dvc repro -f train@tiny",
        )


@pytest.mark.slow
def test_a_process_of_a_container_with_another_name_is_known_by_what_it_wrote(store: Path, monkeypatch) -> None:
    code = """
        import os
        from scantune.tracking import open_run
        run = open_run("train", "a", dataset="b")
        run.__enter__()
        os._exit(9)
    """
    env = {**os.environ, "PYTHONPATH": str(Path(tracking.__file__).parents[2])}
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], env=env, cwd=store, check=False)
    monkeypatch.setattr(socket, "gethostname", lambda: "another-container")
    assert unfinished.has_orphans()
    (note,) = (store / ".scantune/open").glob("*.lock")
    with open_run("evaluate", "a", dataset="b") as run:
        assert tracking.client().get_run(note.stem).info.status == "KILLED"
        assert tracking.client().get_run(run.run_id).info.status == "RUNNING"
        assert not unfinished.has_orphans()


@pytest.mark.slow
def test_a_run_of_another_process_that_lives_is_left_alone(store: Path) -> None:
    code = """
        import time
        from scantune.tracking import open_run
        with open_run("train", "a", dataset="b"):
            print(1, flush=True)
            time.sleep(60)
    """
    env = {**os.environ, "PYTHONPATH": str(Path(tracking.__file__).parents[2])}
    other = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], env=env, cwd=store, stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        (note,) = (store / ".scantune/open").glob("*.lock")
        with open_run("evaluate", "a", dataset="b"):
            assert tracking.client().get_run(note.stem).info.status == "RUNNING"
    finally:
        other.kill()
        other.communicate()


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A server that refuses every password."""
    import http.server
    import threading

    paths: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(401)
            self.end_headers()
            self.wfile.write(b"You are not authenticated.")

        do_POST = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wr0ng")
    yield paths
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_wrong_password_is_told_as_one_at_once(store: Path, guarded: list[str]) -> None:
    (store / ".scantune/open").mkdir(parents=True)
    (store / ".scantune/open/0123.lock").touch()
    start = time.monotonic()
    with pytest.raises(TrackingError) as caught, open_run("train", "a", dataset="b"):
        pass
    assert time.monotonic() - start < 10
    assert "refuses this user name or password" in str(caught.value)
    assert "MLFLOW_TRACKING_PASSWORD" in str(caught.value)
    assert "wr0ng" not in str(caught.value)
    assert len(guarded) <= 3
    assert (store / ".scantune/open/0123.lock").exists(), "that run is not closed yet"


@pytest.mark.parametrize(
    "command", [["promote", "m", "1"], ["ui", "--port", "5999"], ["predict", "models:/m/1", ".", "--out", "a.csv"]]
)
def test_no_command_shows_the_password_of_a_server_that_is_gone(store: Path, monkeypatch, capfd, command) -> None:
    from scantune.cli import main

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:s3c@ret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr("sys.argv", ["scantune", *command])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        main()
    told = "".join(capfd.readouterr())
    assert ended.value.code == 2
    assert "http://…@127.0.0.1:9" in told
    assert "s3c" not in told
    assert "ret@" not in told
    assert "Traceback" not in told


def test_a_run_that_is_done_is_no_failure_where_the_server_has_gone(store: Path, monkeypatch, capsys) -> None:
    from scantune.commands.running import _print_destination

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:s3c@ret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    _print_destination(0)
    assert "MLflow cannot be reached at http://…@127.0.0.1:9" in capsys.readouterr().out


class Holding:
    """A sink that keeps what it was sent, as a server does, and says the last step of a name."""

    name = "held"

    def __init__(self) -> None:
        self.points: list[tuple[int, str]] = []

    def metrics(self, points: Any) -> None:
        self.points += [(step, name) for step, values in points for name in values]

    def last(self, name: str) -> int | None:
        return max((step for step, point_name in self.points if point_name == name), default=None)


def test_gradient_norms_are_not_sent_twice_after_a_kill_before_the_first_save(caplog) -> None:
    sink = Holding()
    for epochs in (2, 3):  # killed after two, begun anew
        with Delivery([sink], None) as delivery:
            for epoch in range(1, epochs + 1):
                delivery.monitor(EpochView(epoch, metrics={"gradient_norm/stem": 1.0}))
    assert sink.points == [(epoch, "gradient_norm/stem") for epoch in (1, 2, 3)]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
