"""A new store of MLflow is whole or not there, whatever ends the process that creates it."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from scantune.tracking import TrackingError, client, creation
from scantune.tracking.store import without_password


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without a store, in a folder with letters that addresses have to quote."""
    home = tmp_path / "Größe 5% (a's) & more"
    home.mkdir()
    (home / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(home)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return home


@pytest.mark.parametrize("end", [OSError("database or disk is full"), KeyboardInterrupt()])
def test_a_store_that_was_stopped_while_it_was_created_is_created_by_the_next_process(project, monkeypatch, end):
    import sqlalchemy
    from mlflow.store.db import utils

    def stop(engine: sqlalchemy.Engine) -> None:
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("CREATE TABLE spans (trace_id TEXT)"))
        raise end

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(utils, "_initialize_tables", stop)
        with pytest.raises((TrackingError, KeyboardInterrupt)):
            client()
    assert [path.name for path in project.iterdir() if "mlflow" in path.name] == []
    assert [experiment.name for experiment in client().search_experiments()] == ["Default"]
    assert [path.name for path in project.iterdir() if "mlflow" in path.name] == ["mlflow.db"]


@pytest.mark.parametrize("links", [True, False])
def test_of_two_stores_created_at_once_the_first_is_kept(tmp_path: Path, monkeypatch, links):
    def none(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    if not links:
        monkeypatch.setattr(creation.os, "link", none)
    for content in ("first", "second"):
        (tmp_path / content).write_text(content)
        creation._name(tmp_path / content, tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").read_text() == "first"


def test_a_store_that_lacks_tables_is_told_with_what_to_do(project):
    with sqlite3.connect(project / "mlflow.db") as store:
        store.execute("CREATE TABLE spans (trace_id TEXT)")
    with pytest.raises(TrackingError, match=r"lacks some of its tables .* Move the file away and run again"):
        client()


def test_a_server_or_a_missing_folder_is_left_to_mlflow(tmp_path: Path):
    for address in ("http://127.0.0.1:9", f"sqlite:///{tmp_path}/none/mlflow.db", "sqlite:///:memory:?cache=shared"):
        creation.create(address)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["My%20Films", "films?"])
def test_a_folder_that_mlflow_would_take_for_another_is_told_by_name(tmp_path: Path, monkeypatch, name):
    home = tmp_path / name
    home.mkdir()
    (home / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.chdir(home)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match=rf"{re.escape(name)}: MLflow cannot open .* rename the folder"):
        client()
    assert [path.name for path in tmp_path.rglob("*")] == [name, "dvc.yaml"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/elsewhere.db")
    assert [experiment.name for experiment in client().search_experiments()] == ["Default"]


@pytest.mark.parametrize("password", ["plain", "a@b", "@", "a:b@@c"])
def test_a_password_is_never_shown(password):
    text = without_password(f"at http://user:{password}@host:5000/path: no answer, see https://mlflow.org, mail a@b")
    assert text == "at http://…@host:5000/path: no answer, see https://mlflow.org, mail a@b"
