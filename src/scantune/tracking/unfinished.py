"""Runs that a killed process left open: the next run that is opened closes them."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import Any

from scantune.tracking.store import project_home


def note(run_id: str) -> None:
    """Remember that this process has the run open."""
    path = _folder() / run_id
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(me())


def forget(run_id: str) -> None:
    """The run is closed."""
    (_folder() / run_id).unlink(missing_ok=True)


def close_all(service: Any) -> None:
    """Mark the runs of processes that are gone as killed; a store that does not take it is asked again next time.

    Args:
        service: the tracking client.
    """
    from mlflow.exceptions import MlflowException

    for path in sorted(_folder().glob("*")):
        if alive(_owner(path)):
            continue
        with contextlib.suppress(MlflowException):  # a run that this store does not know
            if service.get_run(path.name).info.status == "RUNNING":
                service.set_terminated(path.name, "KILLED")
        path.unlink(missing_ok=True)


def close_own(service: Any) -> None:
    """Mark the runs that this very process has open as killed: it is about to be ended from the side."""
    for path in _folder().glob("*"):
        if _owner(path) == me():
            service.set_terminated(path.name, "KILLED")
            path.unlink(missing_ok=True)


def any_left() -> bool:
    """Whether runs are noted whose process is gone."""
    return any(not alive(_owner(path)) for path in _folder().glob("*"))


def me() -> str:
    """This process, among those of all machines."""
    return f"{socket.gethostname()}:{os.getpid()}"


def alive(owner: str) -> bool:
    """Whether a process named by :func:`me` still runs; on other machines it is taken to."""
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
    """Who noted the run; another process may have forgotten it by now."""
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _folder() -> Path:
    return project_home() / ".scantune" / "open"
