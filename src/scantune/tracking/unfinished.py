"""Runs left open by killed processes; the next run closes them."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Any

from scantune.tracking.store import project_home


def note(run_id: str) -> None:
    """Record that this process has the run open."""
    path = _folder() / run_id
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(process_id())


def forget(run_id: str) -> None:
    """Remove the record of a closed run."""
    (_folder() / run_id).unlink(missing_ok=True)


def close_all(service: Any) -> None:
    """Mark the runs of ended processes as killed; repeated by the next run where the store refuses.

    Args:
        service: the tracking client.
    """
    from mlflow.exceptions import MlflowException

    for path in sorted(_folder().glob("*")):
        if is_running(_owner(path)):
            continue
        with contextlib.suppress(MlflowException):  # the run is unknown to this store
            if service.get_run(path.name).info.status == "RUNNING":
                service.set_terminated(path.name, "KILLED")
        path.unlink(missing_ok=True)


def close_current(service: Any) -> None:
    """Mark the open runs of this process as killed, before it is ended."""
    for path in _folder().glob("*"):
        if _owner(path) == process_id():
            service.set_terminated(path.name, "KILLED")
            path.unlink(missing_ok=True)


def has_orphans() -> bool:
    """Whether runs of ended processes are recorded."""
    return any(not is_running(_owner(path)) for path in _folder().glob("*"))


def process_id() -> str:
    """Id of this process, unique among machines."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_running(owner: str) -> bool:
    """Whether a process named by :func:`process_id` still runs; assumed for other machines."""
    host, _, pid = owner.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return True
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _owner(path: Path) -> str:
    """Id of the process that recorded the run; "" where another process has removed the record."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _folder() -> Path:
    return project_home() / ".scantune" / "open"
