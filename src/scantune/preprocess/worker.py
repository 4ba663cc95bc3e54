"""A process beside this one that prepares samples: a decoder that crashes or hangs there costs one sample."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from scantune.io.isolation import ask, end, spawn
from scantune.preprocess.sample import Job, Outcome
from scantune.preprocess.sources import State
from scantune.records import ScantuneError

LATE = "it takes longer than {:g} s to prepare (time_limit): its decoder hangs, or the files are too slow to read"
CRASHED = "its decoder crashed"
KILLED = "the process that read it was killed; memory may have run out"
_SIGKILL = -9


class Worker:
    """Prepares one sample at a time in a process of its own, a new one after each that dies.

    Requests and answers are lines of JSON; tensors go from that process straight to the store.
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def process(
        self, job: Job, settings: Mapping[str, Any], store_dir: Path, index: Mapping[str, Any]
    ) -> Outcome | None:
        """As :func:`scantune.preprocess.sample.process`; None once the worker is closed.

        Raises:
            ScantuneError: the process cannot be started at all.
        """
        child = self._ready()
        if child is None:
            return None
        limit = float(settings.get("time_limit") or 600.0)
        watch = _Watch(child, limit)
        try:
            reply = ask(child, request_of(job, settings, store_dir, index))
        except (OSError, EOFError, ValueError):
            reply = None
        if watch.over() or reply is None:
            code = child.wait()
            self._drop(child)
        if reply is not None:
            return outcome_from(reply)
        if self._closed:
            return None
        reason = LATE.format(limit) if watch.late else KILLED if code == _SIGKILL else CRASHED
        return Outcome(job.sample_id, reason=reason, detail=f"{', '.join(map(str, job.files))}: code {code}")

    def close(self) -> None:
        """End the process, whatever it is at."""
        with self._lock:
            self._closed = True
            child, self._child = self._child, None
        if child is not None:
            end(child)

    def _ready(self) -> subprocess.Popen[bytes] | None:
        with self._lock:
            if self._closed:
                return None
            child = self._child = self._child or spawn("scantune.preprocess.child")
        if not hasattr(child, "greeted"):
            assert child.stdout is not None
            if not child.stdout.readline() and not self._closed:
                raise ScantuneError(
                    f"the process that prepares samples does not start (code {child.wait()}): "
                    "'python -m scantune.preprocess.child' says why"
                )
            child.greeted = True  # type: ignore[attr-defined]
        return child

    def _drop(self, child: subprocess.Popen[bytes]) -> None:
        with self._lock:
            if self._child is child:
                self._child = None
        end(child)


class _Watch:
    """Kills a process that takes longer than ``seconds``, unless it is over before."""

    def __init__(self, child: subprocess.Popen[bytes], seconds: float) -> None:
        self.late = False
        self._over = False
        self._child = child
        self._lock = threading.Lock()
        self._timer = threading.Timer(seconds, self._stop)
        self._timer.daemon = True
        self._timer.start()

    def _stop(self) -> None:
        with self._lock:
            if not self._over:
                self.late = True
                self._child.kill()

    def over(self) -> bool:
        """No more killing; whether it has been killed."""
        with self._lock:
            self._over = True
        self._timer.cancel()
        return self.late


def request_of(job: Job, settings: Mapping[str, Any], store_dir: Path, index: Mapping[str, Any]) -> dict[str, Any]:
    """A task as JSON takes it."""
    return {
        "sample_id": job.sample_id,
        "files": [str(path) for path in job.files],
        "masks": [str(path) for path in job.masks],
        "series": job.series,
        "settings": dict(settings),
        "store": str(store_dir),
        "index": dict(index),
    }


def task_from(request: Mapping[str, Any]) -> tuple[Job, dict[str, Any], Path, dict[str, Any]]:
    """The task of a request."""
    series = request["series"]
    job = Job(
        request["sample_id"],
        tuple(map(Path, request["files"])),
        tuple(map(Path, request["masks"])),
        (series[0], series[1]) if series else None,
    )
    return job, request["settings"], Path(request["store"]), {k: tuple(v) for k, v in request["index"].items()}


def reply_of(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON takes it."""
    learned = {
        path: [state.size, state.modified, state.changed, digest] for path, (state, digest) in outcome.learned.items()
    }
    return {**outcome.__dict__, "learned": learned}


def outcome_from(reply: Mapping[str, Any]) -> Outcome:
    """The outcome of a reply."""
    learned = {path: (State(*state), digest) for path, (*state, digest) in reply["learned"].items()}
    return Outcome(**{**reply, "learned": learned, "changed": tuple(reply["changed"])})
