"""Runs that a killed process left open: the next run that is opened closes them.

A process holds a lock on each run that it has open, which the system frees when the process ends, however it ends. So
another process is known by what it wrote, also where it ran in a container that has another name by now.

The lock is there before the run is: it is named after a tag that the run is created with, and then after the run's id.
A run whose process was killed in between is found by its tag.
"""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from scantune.tracking.store import own_folder

if TYPE_CHECKING:
    from mlflow import MlflowClient

#: Tag of a run: the name of the note that was written before the run was created.
OPENING = "scantune.opening"

_PREFIX = "new-"
_WAIT = 10.0  # seconds; another process holds a free lock only while it closes the run
_SETTLED = 600.0  # seconds after which a server has created a run that was requested before a kill, or never will
_OPEN: dict[str, FileLock] = {}  # of this process


def create(service: MlflowClient, experiment: str, *, tags: Mapping[str, str], run_name: str | None = None) -> str:
    """Create a run that this process has open; its id.

    Args:
        service: the tracking client.
        experiment: id of the MLflow experiment.
        tags: of the run.
        run_name: MLflow invents one where None.

    Raises:
        mlflow.exceptions.MlflowException: the store refuses.
    """
    name = _announce()
    run_id = str(service.create_run(experiment, tags={**tags, OPENING: name}, run_name=run_name).info.run_id)
    _path(name).replace(_path(run_id))  # renamed, not locked anew: at no moment is it free
    _OPEN[run_id] = _OPEN.pop(name)
    with contextlib.suppress(Exception):  # the run is there
        for twin in service.search_runs([experiment], f"tags.`{OPENING}` = '{name}'"):
            if twin.info.run_id != run_id:  # MLflow's client asks again where the answer to the first request is lost
                service.delete_run(twin.info.run_id)
    return run_id


def note(run_id: str) -> None:
    """Remember that this process has the run open, which it resumes."""
    with contextlib.suppress(Timeout):
        _lock(run_id)


def forget(run_id: str) -> None:
    """The run is closed."""
    lock = _OPEN.pop(run_id, None)
    if lock is not None:
        lock.release(force=True)
    _path(run_id).unlink(missing_ok=True)


def close_all(service: MlflowClient) -> None:
    """Mark the runs of ended processes as killed; repeated by the next run where the store refuses.

    Args:
        service: the tracking client.
    """
    from mlflow.exceptions import MlflowException

    for name in _left():
        with _free(name) as free, contextlib.suppress(MlflowException):
            if free and _close(service, name):
                _path(name).unlink(missing_ok=True)


def close_current(service: MlflowClient) -> None:
    """Mark the runs that this very process has open as killed: it is about to be ended from the side."""
    for name in list(_OPEN):
        _close(service, name)
        forget(name)


def has_orphans() -> bool:
    """Whether runs are noted whose process is gone."""
    return bool(_left())


def _close(service: MlflowClient, name: str) -> bool:
    """Mark what is noted as killed; whether the note has served its purpose."""
    if not name.startswith(_PREFIX):
        _kill(service, name)
        return True
    created = _created(service, name)
    for run_id in created:
        with _free(run_id) as free:
            if free:  # else its process has renamed the note meanwhile
                _kill(service, run_id)
    return bool(created) or time.time() - int(name.split("-")[1]) > _SETTLED


def _created(service: MlflowClient, name: str) -> list[str]:
    """Ids of the runs that were created with the tag."""
    experiments = [experiment.experiment_id for experiment in service.search_experiments()]
    if not experiments:
        return []
    return [run.info.run_id for run in service.search_runs(experiments, f"tags.`{OPENING}` = '{name}'")]


def _kill(service: MlflowClient, run_id: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        if service.get_run(run_id).info.status == "RUNNING":
            service.set_terminated(run_id, "KILLED")
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # that is a run which this store does not know
            raise


def _left() -> list[str]:
    """Names of the notes whose lock nobody holds."""
    left = []
    for path in sorted(_folder().glob("*.lock")):
        with _free(path.stem) as free:
            if free:
                left.append(path.stem)
    return left


@contextlib.contextmanager
def _free(name: str) -> Iterator[bool]:
    """Whether nobody has what is noted open; it stays so within the context."""
    path = _path(name)
    if name in _OPEN:
        yield False
        return
    if not path.exists():
        yield True
        return
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _announce() -> str:
    """A note of a run that is about to be created."""
    while True:
        name = f"{_PREFIX}{int(time.time())}-{uuid.uuid4().hex}"
        with contextlib.suppress(Timeout):  # another process looks for its run: that note is not to be used
            _lock(name)
            return name


def _lock(name: str) -> None:
    if name in _OPEN:
        return
    _folder().mkdir(parents=True, exist_ok=True)
    lock = FileLock(_path(name), thread_local=False)
    lock.acquire(timeout=_WAIT)
    _OPEN[name] = lock


def _path(name: str) -> Path:
    return _folder() / f"{name}.lock"


def _folder() -> Path:
    return own_folder() / "open"
