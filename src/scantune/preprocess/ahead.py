"""Files prepared in separate processes, a few ahead of the consumer; the processes are reused."""

from __future__ import annotations

import atexit
import os
import queue
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from scantune.preprocess.prepared import Prepared
from scantune.preprocess.sample import refusal
from scantune.preprocess.sent import on_disk
from scantune.preprocess.within import Within, prepare_within
from scantune.preprocess.worker import Worker
from scantune.records import ReadError, Sent, Source

_IDLE: dict[int, deque[Worker]] = {}  # by the process that owns them: a fork must not share its parent's
_KEPT = 4


def prepared(
    samples: Iterable[Source | Sent],
    settings: Mapping[str, Any],
    *,
    isolated: bool = True,
    workers: int = 1,
    ahead: int = 8,
    within: Within | None = None,
) -> Iterator[Prepared | ReadError]:
    """Each sample's tensor, or the reason that there is none, in order.

    Args:
        samples: what each is read from; what is sent is on the disk while it is read.
        settings: the input's block as a dict; ``time_limit`` holds for each sample where ``isolated``.
        isolated: in processes of their own, where a decoder that crashes or hangs costs its sample alone. Else here,
            one when it is asked for.
        workers: processes.
        ahead: number of samples prepared in advance.
        within: the only folders that may be read, where a stranger names the files.

    Raises:
        ScantuneError: a process cannot be started.
    """
    if not isolated:
        yield from (_here(source, settings, within) for source in samples)
        return
    free: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    crew = [_taken() for _ in range(workers)]
    for worker in crew:
        free.put(worker)
    waiting: deque[Future[Prepared | ReadError]] = deque()
    is_complete = False
    with ThreadPoolExecutor(workers) as threads:
        try:
            for source in samples:
                waiting.append(threads.submit(_there, free, source, settings, within))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
            is_complete = True
        finally:
            for future in waiting:
                future.cancel()
            for worker in crew:
                _give_back(worker, is_complete)


def start() -> None:
    """Start a process in advance, without waiting for it."""
    worker = _taken()
    worker.start()
    _give_back(worker, True)


@atexit.register
def end_idle() -> None:
    """End the processes that wait for work."""
    for worker in _IDLE.pop(os.getpid(), ()):
        worker.close()


def _taken() -> Worker:
    try:
        return _IDLE[os.getpid()].pop()
    except (KeyError, IndexError):
        return Worker()


def _give_back(worker: Worker, is_complete: bool) -> None:
    """Keep the process for reuse, unless it was stopped during its work or enough are idle."""
    idle = _IDLE.setdefault(os.getpid(), deque())
    if is_complete and len(idle) < _KEPT:
        idle.append(worker)
    else:
        worker.close()


def _there(
    free: queue.SimpleQueue[Worker], sample: Source | Sent, settings: Mapping[str, Any], within: Within | None
) -> Prepared | ReadError:
    worker = free.get()
    try:
        with on_disk(sample, within) as (source, readable):
            return worker.prepare(source, settings, readable)
    except ReadError as error:
        return error
    finally:
        free.put(worker)


def _here(sample: Source | Sent, settings: Mapping[str, Any], within: Within | None) -> Prepared | ReadError:
    files = sample.files if isinstance(sample, Source) else ()
    try:
        with on_disk(sample, within) as (source, readable):
            return prepare_within(source, settings, readable)
    except Exception as error:  # one bad scan never ends the run
        return ReadError(*refusal(error, ", ".join(map(str, files))))
