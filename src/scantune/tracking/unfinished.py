"""Runs that a killed process left open: the next run that is opened closes them.

A process holds a lock on each run that it has open, which the system frees when the process ends, however it ends. So
another process is known by what it wrote, also where it ran in a container that has another name by now.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from scantune.tracking.store import own_folder

_OPEN: dict[str, FileLock] = {}  # of this process


def note(run_id: str) -> None:
    """Remember that this process has the run open."""
    folder = _folder()
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{run_id}.lock", thread_local=False)
    with contextlib.suppress(Timeout):
        lock.acquire(timeout=0)
        _OPEN[run_id] = lock


def forget(run_id: str) -> None:
    """The run is closed."""
    lock = _OPEN.pop(run_id, None)
    if lock is not None:
        lock.release(force=True)
    (_folder() / f"{run_id}.lock").unlink(missing_ok=True)


def close_all(service: Any) -> None:
    """Mark the runs of ended processes as killed; repeated by the next run where the store refuses.

    Args:
        service: the tracking client.
    """
    from mlflow.exceptions import MlflowException

    for path in _left():
        try:
            if service.get_run(path.stem).info.status == "RUNNING":
                service.set_terminated(path.stem, "KILLED")
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":  # that is a run which this store does not know
                continue
        path.unlink(missing_ok=True)


def close_current(service: Any) -> None:
    """Mark the runs that this very process has open as killed: it is about to be ended from the side."""
    for run_id in list(_OPEN):
        service.set_terminated(run_id, "KILLED")
        forget(run_id)


def has_orphans() -> bool:
    """Whether runs are noted whose process is gone."""
    return bool(_left())


def _left() -> list[Path]:
    """Notes whose lock nobody holds."""
    found = []
    for path in sorted(_folder().glob("*.lock")):
        if path.stem in _OPEN:
            continue
        with contextlib.suppress(Timeout, OSError), FileLock(path, timeout=0):
            found.append(path)
    return found


def _folder() -> Path:
    return own_folder() / "open"
