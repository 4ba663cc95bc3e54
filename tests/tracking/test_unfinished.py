"""A run is closed by the next stage, wherever its process was killed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from scantune import tracking
from scantune.tracking import open_run, unfinished

KILLED_WHILE_A_RUN_IS_CREATED = """
    import os
    import mlflow
    from scantune.tracking import open_run

    create = mlflow.MlflowClient.create_run

    def killed(*arguments, **keywords):
        {before}
        run = create(*arguments, **keywords)
        print(run.info.run_id, flush=True)
        os._exit(9)

    mlflow.MlflowClient.create_run = killed
    with open_run("register", "knees", dataset="hips"):
        pass
"""


def run_apart(code: str, folder: Path) -> str:
    """What Python code printed in a process of its own, in a project."""
    env = {**os.environ, "PYTHONPATH": str(Path(tracking.__file__).parents[2])}
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)]
    return subprocess.run(command, env=env, cwd=folder, stdout=subprocess.PIPE, text=True, check=False).stdout.strip()


def notes(folder: Path) -> list[Path]:
    return sorted((folder / ".scantune/open").glob("*"))


@pytest.mark.slow
def test_a_run_whose_process_was_killed_when_it_had_just_been_created_is_closed(store: Path) -> None:
    created = run_apart(KILLED_WHILE_A_RUN_IS_CREATED.format(before="pass"), store)
    service = tracking.client()
    assert service.get_run(created).info.status == "RUNNING"
    with open_run("index", "hips", dataset="others") as run:
        assert service.get_run(created).info.status == "KILLED"
        assert service.get_run(run.run_id).info.status == "RUNNING"
    assert notes(store) == []


@pytest.mark.slow
def test_a_note_without_a_run_stays_until_no_server_can_still_create_it(store: Path) -> None:
    assert run_apart(KILLED_WHILE_A_RUN_IS_CREATED.format(before="os._exit(9)"), store) == ""
    (note,) = notes(store)
    with open_run("index", "hips", dataset="hips"):
        pass
    assert notes(store) == [note]
    service = tracking.client()
    experiment = service.get_experiment_by_name("hips").experiment_id
    late = service.create_run(experiment, tags={unfinished.OPENING: note.stem}).info.run_id
    with open_run("index", "hips", dataset="hips"):
        assert service.get_run(late).info.status == "KILLED"
    assert notes(store) == []
    (store / ".scantune/open" / f"new-{int(time.time()) - 3600}-0.lock").touch()
    with open_run("index", "hips", dataset="hips"):
        pass
    assert notes(store) == []


@pytest.mark.slow
def test_a_run_that_was_killed_while_it_was_resumed_is_closed(store: Path) -> None:
    with open_run("train", "knees", dataset="hips") as run:
        pass
    code = f"""
        import os
        import mlflow
        from scantune.tracking import open_run

        update = mlflow.MlflowClient.update_run

        def killed(*arguments, **keywords):
            update(*arguments, **keywords)
            os._exit(9)

        mlflow.MlflowClient.update_run = killed
        with open_run("train", "knees", dataset="hips", resume="{run.run_id}"):
            pass
    """
    run_apart(code, store)
    service = tracking.client()
    assert service.get_run(run.run_id).info.status == "RUNNING"
    with open_run("evaluate", "knees", dataset="hips"):
        assert service.get_run(run.run_id).info.status == "KILLED"
    assert notes(store) == []


def test_a_note_that_was_renamed_while_it_was_read_does_not_close_the_run(store: Path) -> None:
    with open_run("train", "knees", dataset="hips") as run:
        service = tracking.client()
        name = service.get_run(run.run_id).data.tags[unfinished.OPENING]
        (store / ".scantune/open" / f"{name}.lock").touch()  # what a lock on its former name leaves behind
        with open_run("evaluate", "knees", dataset="hips"):
            assert service.get_run(run.run_id).info.status == "RUNNING"
        assert [note.stem for note in notes(store)] == [run.run_id]
