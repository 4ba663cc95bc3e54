"""A whole model in the store, counted: it is there once, wherever the training was killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from scantune import tracking
from scantune.tracking import MODEL_ID, Run, open_run
from scantune.tracking.run import Reach
from scantune.tracking.sending import Gone

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of MLflow, about hints of types and the example

SPEC = {"name": "knees", "params": {}, "columns": {"score": "double"}, "example": "a.png", "requirements": ["torch"]}


@pytest.fixture
def folder(store: Path) -> Path:
    """A folder with a model's file."""
    folder = store / "model"
    folder.mkdir()
    (folder / "model.json").write_text("{}")
    return folder


def models(run: Run) -> list[str]:
    """Ids of the run's models."""
    experiment = run.service.get_run(run.run_id).info.experiment_id
    return [model.model_id for model in run.service.search_logged_models([experiment])]


def test_a_training_that_is_killed_after_its_model_was_logged_leaves_one_model(store, folder, monkeypatch):
    resume, told = None, []
    for killed in (True, False):
        with open_run("train", "knees", dataset="hips", resume=resume) as run, monkeypatch.context() as patched:
            if killed:  # between the model and the tag that names it
                patched.setattr(run.service, "set_tag", None)
            told.append(run.model({**SPEC, "folder": str(folder)}))
            if killed:
                run._refused.clear()
        resume = run.run_id
    assert models(run) == [told[1]]
    assert tracking.client().get_run(resume).data.tags[MODEL_ID] == told[1]


def test_what_was_left_of_a_model_by_a_kill_is_removed_and_another_model_is_logged(store, folder):
    with open_run("train", "knees", dataset="hips") as run:
        experiment = run.service.get_run(run.run_id).info.experiment_id
        run.service.create_logged_model(experiment, name="knees", source_run_id=run.run_id)
        first = run.model({**SPEC, "folder": str(folder)})
        assert models(run) == [first]
        (folder / "model.json").write_text("[]")
        second = run.model({**SPEC, "folder": str(folder)})
    assert sorted(models(run)) == sorted([first, second])


def test_a_run_and_a_model_whose_first_answer_was_lost_are_there_once(store, folder, monkeypatch):
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    for name in ("create_run", "create_logged_model"):  # MLflow's client asks a server again
        call = getattr(SqlAlchemyStore, name)
        monkeypatch.setattr(SqlAlchemyStore, name, lambda *a, call=call, **k: (call(*a, **k), call(*a, **k))[1])
    with open_run("train", "knees", dataset="hips") as run:
        logged = run.model({**SPEC, "folder": str(folder)})
    assert models(run) == [logged]
    experiment = run.service.get_run(run.run_id).info.experiment_id
    assert [stored.info.run_id for stored in run.service.search_runs([experiment])] == [run.run_id]


def test_what_waits_for_a_run_of_another_store_stays_and_is_told_with_what_to_do(store, caplog):
    waiting = store / ".scantune" / "pending" / ("0" * 32 + ".jsonl")
    waiting.parent.mkdir(parents=True)
    waiting.write_text('{"key": "loss", "value": 1.0, "timestamp": 1, "step": 1}\n')
    with open_run("train", "knees", dataset="hips"):
        pass
    (told,) = [record.message for record in caplog.records if waiting.stem in record.message]
    assert "has no run" in told
    assert f"{waiting} waits: set MLFLOW_TRACKING_URI to the store that has it, or delete the file" in told
    assert len(waiting.read_text().splitlines()) == 1


def test_what_waits_for_a_run_that_this_user_may_not_see_stops_no_stage(store, caplog, monkeypatch):
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import PERMISSION_DENIED

    waiting = store / ".scantune" / "pending" / ("0" * 32 + ".jsonl")
    waiting.parent.mkdir(parents=True)
    waiting.write_text('{"key": "loss", "value": 1.0, "timestamp": 1, "step": 1}\n')
    get_run = MlflowClient.get_run

    def guarded(self, run_id):
        if run_id == waiting.stem:
            raise MlflowException("API request to endpoint failed with error code 403", PERMISSION_DENIED)
        return get_run(self, run_id)

    monkeypatch.setattr(MlflowClient, "get_run", guarded)
    with open_run("train", "knees", dataset="hips") as run:
        assert run.on
    assert f"{waiting} waits; ask for access" in caplog.text
    assert waiting.exists()


def test_a_file_that_was_read_for_long_and_is_another_by_now_is_no_server_that_does_not_answer(monkeypatch):
    monkeypatch.setattr("scantune.tracking.run._LONG", -1.0)
    reach = Reach()
    with pytest.raises(Gone), reach.attempt():
        raise Gone("weights.pt")
    assert not reach.away, "the rest of the items, and the end of the run, would not be sent"
    with pytest.raises(ConnectionError), reach.attempt():
        raise ConnectionError
    assert reach.away


def test_a_server_that_hangs_at_the_end_of_a_stage_is_waited_for_once_more_for_its_own_run_alone(
    store: Path, monkeypatch
):
    monkeypatch.setattr("scantune.tracking.run._LONG", -1.0)
    waited: list[str] = []

    def hangs(_: object, run_id: str, item: object) -> None:
        waited.append(run_id)
        raise ConnectionError

    with open_run("train", "knees", dataset="hips") as trained:
        pass
    with open_run("evaluate", "knees", dataset="hips", parent=trained.run_id) as run, monkeypatch.context() as patched:
        patched.setattr("scantune.tracking.run.send", hangs)
        run.tags({"a": "1"})
        parent = run.other(trained.run_id)
        parent.tags({"b": "1"})
        parent.close(None)
        assert waited == [run.run_id]
    assert waited == [run.run_id]
    with open_run("register", "knees", dataset="hips"):
        pass
    sent = [run.service.get_run(one.run_id).data.tags for one in (run, parent)]
    assert [sent[0]["a"], sent[1]["b"]] == ["1", "1"]
