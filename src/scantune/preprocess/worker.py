"""A process beside this one that prepares samples: a decoder that crashes or hangs there costs one sample."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from scantune.io.isolation import Lost, end, exchange, spawn
from scantune.preprocess.prepared import Prepared
from scantune.preprocess.sample import Job, Outcome
from scantune.preprocess.sources import State
from scantune.records import ReadError, ScantuneError, Source

if TYPE_CHECKING:
    from scantune.preprocess.within import Within

LATE = "it takes longer than {:g} s to prepare (time_limit): its decoder hangs, or reading is too slow"
CRASHED = "its decoder crashed"
KILLED = "the reading process was killed; memory may have run out"
NO_PROCESS = "the process that prepares samples cannot be started"
WITHOUT = "Without it a decoder that crashes ends the run: `backend: threads`, or `scantune predict --no-isolated`"
_SIGKILL = -9


class Worker:
    """Prepares one sample at a time in a separate process, which is replaced if it dies.

    Requests and answers are lines of JSON. Tensors go from that process straight to the store (:meth:`process`), or
    follow the answer as bytes (:meth:`prepare`).
    """

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._closed = False

    def start(self) -> None:
        """Start the process without waiting for it, where it does not run.

        Raises:
            ScantuneError: the system starts none.
        """
        with self._lock:
            if self._child is not None and self._child.poll() is not None:
                end(self._child)  # killed while idle: not a fault of the next sample
                self._child = None
            if self._child is None and not self._closed:
                try:
                    self._child = spawn("scantune.preprocess.child")
                except OSError as error:
                    raise ScantuneError(f"{NO_PROCESS} ({error}). {WITHOUT}") from error

    def process(
        self, job: Job, settings: Mapping[str, Any], store_dir: Path, index: Mapping[str, Any]
    ) -> Outcome | None:
        """As :func:`scantune.preprocess.sample.process`; None once the worker is closed.

        Raises:
            ScantuneError: the process cannot be started at all.
        """
        try:
            reply, _ = self._exchange(request_of(job, settings, store_dir, index), settings)
        except _Lost as lost:
            if self._closed:
                return None
            return Outcome(job.sample_id, reason=lost.reason, detail=f"{', '.join(map(str, job.files))}: {lost.detail}")
        return outcome_from(reply)

    def prepare(self, source: Source, settings: Mapping[str, Any], within: Within | None = None) -> Prepared:
        """As :func:`scantune.preprocess.within.prepare_within`.

        Raises:
            ReadError: the files cannot be used; a decoder that crashed or hung among the reasons.
            ScantuneError: the process cannot be started at all.
        """
        request = {
            "files": [str(path.absolute()) for path in source.files],
            "series": source.series,
            "volume": source.volume,
            "leaves_out": source.leaves_out,
            "settings": dict(settings),
            "within": None if within is None else asdict(within),
        }
        reply, body = self._exchange(request, settings)
        if "reason" in reply:
            raise ReadError(reply["reason"], reply["detail"])
        tensor = np.frombuffer(body, np.dtype(reply["dtype"])).reshape(reply["shape"])
        spacing = reply["spacing"]
        return Prepared(tensor, None, None if spacing is None else tuple(spacing), reply["facts"])

    def close(self) -> None:
        """End the process, whatever it is at."""
        with self._lock:
            self._closed = True
            child, self._child = self._child, None
        if child is not None:
            end(child)

    def _exchange(self, request: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The answer and the bytes that follow it.

        Raises:
            _Lost: there is none.
        """
        limit = seconds_of(settings)
        try:
            return exchange(self._ready(), request, limit, _following)
        except Lost as lost:
            reason = LATE.format(limit) if lost.late else KILLED if lost.code == _SIGKILL else CRASHED
            raise _Lost(reason, f"code {lost.code}") from lost

    def _ready(self) -> subprocess.Popen[bytes]:
        self.start()
        child = self._child
        if child is None:
            raise _Lost("the reading process has been stopped")
        if not hasattr(child, "greeted"):
            assert child.stdout is not None
            if not child.stdout.readline():
                if self._closed:
                    raise _Lost("the reading process has been stopped")
                raise ScantuneError(
                    f"{NO_PROCESS} (code {child.wait()}): 'python -m scantune.preprocess.child' says why. {WITHOUT}"
                )
            child.greeted = True  # type: ignore[attr-defined]
        return child


def seconds_of(settings: Mapping[str, Any]) -> float:
    """Time limit of one sample from the input block; 600 s by default."""
    return float(settings.get("time_limit") or 600.0)


class _Lost(ReadError):
    """The process ended before its answer was complete, as the reason of a sample."""


def _following(stream: IO[bytes], reply: Mapping[str, Any]) -> bytes:
    """The bytes after an answer."""
    count = int(reply.get("bytes", 0))
    body = stream.read(count) if count else b""
    if len(body) != count:
        raise EOFError
    return body


def request_of(job: Job, settings: Mapping[str, Any], store_dir: Path, index: Mapping[str, Any]) -> dict[str, Any]:
    """A task, JSON-serialisable."""
    return {
        "sample_id": job.sample_id,
        "files": [str(path) for path in job.files],
        "masks": [str(path) for path in job.masks],
        "series": job.series,
        "volume": job.volume,
        "region": str(job.region) if job.region else None,
        "rater_masks": {name: [str(path) for path in paths] for name, paths in job.rater_masks.items()},
        "settings": dict(settings),
        "store": str(store_dir),
        "index": dict(index),
    }


def task_from(request: Mapping[str, Any]) -> tuple[Job, dict[str, Any], Path, dict[str, Any]]:
    """The task of a request."""
    source = source_from(request)
    job = Job(
        request["sample_id"],
        source.files,
        tuple(map(Path, request["masks"])),
        source.series,
        source.volume,
        Path(request["region"]) if request["region"] else None,
        {name: tuple(map(Path, paths)) for name, paths in request["rater_masks"].items()},
    )
    return job, request["settings"], Path(request["store"]), {k: tuple(v) for k, v in request["index"].items()}


def source_from(request: Mapping[str, Any]) -> Source:
    """The files of a request, and which series and volume of them."""
    series, volume = request["series"], request["volume"]
    return Source(
        tuple(map(Path, request["files"])),
        (series[0], series[1]) if series else None,
        (volume[0], volume[1]) if volume else None,
        bool(request.get("leaves_out")),
    )


def reply_of(outcome: Outcome) -> dict[str, Any]:
    """An outcome, JSON-serialisable."""
    learned = {
        path: [state.size, state.modified, state.changed, digest] for path, (state, digest) in outcome.learned.items()
    }
    return {**outcome.__dict__, "learned": learned}


def outcome_from(reply: Mapping[str, Any]) -> Outcome:
    """The outcome of a reply."""
    learned = {path: (State(*state), digest) for path, (*state, digest) in reply["learned"].items()}
    tuples = {name: tuple(reply[name]) for name in ("changed", "display")}
    return Outcome(**{**reply, **tuples, "learned": learned})
