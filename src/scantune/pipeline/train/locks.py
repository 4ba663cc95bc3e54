"""One training of an experiment at a time: a second one is refused, with the process of the first."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Collection, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from scantune import files
from scantune.records import ScantuneError
from scantune.tracking import own_folder

_FOLDER = Path(".scantune") / "locks"


class TrainingUnderWay(ScantuneError):
    """Another process is training this experiment."""


@contextlib.contextmanager
def training_lock(key: str, path: Path | None = None) -> Iterator[None]:
    """Hold the lock of an experiment's training; the operating system releases it when the process ends.

    Args:
        key: the experiment.
        path: of the lock; None: that of the project folder in which this runs (a copy of it has its own outputs).

    Raises:
        TrainingUnderWay: another process holds the lock; with its id, host and start time.
    """
    own_folder()
    path = path or _path(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise TrainingUnderWay(_refusal(key, path)) from None
    holder = _holder(path)
    facts = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    files.write_text(holder, json.dumps(facts))
    try:
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def refuse_second(keys: Collection[str]) -> None:
    """Check, before DVC removes a stage's outputs, that none of these experiments is being trained.

    Raises:
        TrainingUnderWay: one is.
    """
    for key in keys:
        if _path(key).exists():
            with training_lock(key):
                pass


def _path(key: str) -> Path:
    return _FOLDER / f"train-{key}.lock"


def _holder(path: Path) -> Path:
    return path.with_suffix(".json")


def _refusal(key: str, path: Path) -> str:
    try:
        holder = json.loads(_holder(path).read_text())
        who = f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
        remedy = f"wait for it, or end it: kill {holder['pid']}"
    except (OSError, ValueError, KeyError):  # the holder has not written its file yet
        who, remedy = "another process", "wait for it"
    return f"{key} is being trained already by {who}; {remedy}"
