"""Samples prepared side by side: processes here, or a cluster of Dask or Ray. Memory holds what is in flight only."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from scantune.preprocess.sample import Job, Outcome, process
from scantune.preprocess.worker import Worker

Task = tuple[Job, Mapping[str, Any], Path, Mapping[str, Any]]


def outcomes(
    jobs: Sequence[Job], settings: Mapping[str, Any], store_dir: Path, index: Mapping[str, Any]
) -> Generator[Outcome]:
    """Outcomes as they come, in any order, one for each job.

    Each process works on one sample at a time, so that a decoder that kills its process, or hangs, costs that sample
    alone. ``threads`` go without that guard.

    Args:
        jobs: the samples.
        settings: the input's block as a dict; ``workers`` and ``backend`` say how many at once and where.
        store_dir: the store.
        index: of the root, by absolute path.
    """
    tasks = ((job, settings, store_dir, _index_of(job, index)) for job in jobs)
    workers = min(settings.get("workers") or _cores(), max(1, len(jobs)))
    backend = settings.get("backend") or {"name": "processes"}
    if backend["name"] == "threads" and workers == 1:
        yield from (process(*task) for task in tasks)
    elif backend["name"] == "processes":
        yield from _by_processes(tasks, workers)
    else:
        yield from _by_joblib(tasks, workers, backend)


def _index_of(job: Job, index: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the index that a job's files need: workers are not sent the whole."""
    if not index:
        return {}
    from scantune.preprocess.sources import parts

    names = [str(file) for path in (*job.files, *job.masks) for file in parts(path)]
    return {name: index[name] for name in names if name in index}


def _by_processes(tasks: Iterator[Task], workers: int) -> Iterator[Outcome]:
    """A thread for each process hands it one sample after another."""
    done: queue.SimpleQueue[Outcome | BaseException | None] = queue.SimpleQueue()
    taking, crew = threading.Lock(), [Worker() for _ in range(workers)]

    def serve(worker: Worker) -> None:
        try:
            while True:
                with taking:
                    task = next(tasks, None)
                outcome = worker.process(*task) if task is not None else None
                if outcome is None:  # no more tasks, or nobody waits any longer
                    break
                done.put(outcome)
        except BaseException as error:  # of ours, not of a scan: it ends the run
            done.put(error)
        else:
            done.put(None)

    threads = [threading.Thread(target=serve, args=(worker,), daemon=True) for worker in crew]
    try:
        for thread in threads:
            thread.start()
        left = workers
        while left:
            found = done.get()
            if isinstance(found, BaseException):
                raise found
            if found is None:
                left -= 1
            else:
                yield found
    finally:
        for worker in crew:
            worker.close()


def _by_joblib(tasks: Iterator[Task], workers: int, backend: Mapping[str, Any]) -> Iterator[Outcome]:
    import joblib

    work: Callable[[Task], Outcome] = _unguarded if backend["name"] == "threads" else _guarded
    name = {"threads": "threading"}.get(backend["name"], backend["name"])
    calls = (joblib.delayed(work)(task) for task in tasks)
    with _cluster(backend, workers), joblib.parallel_config(backend=name, n_jobs=workers):
        yield from joblib.Parallel(return_as="generator_unordered", pre_dispatch="3*n_jobs")(calls)


def _unguarded(task: Task) -> Outcome:
    return process(*task)


_HERE = threading.local()


def _guarded(task: Task) -> Outcome:
    """One sample on a cluster's machine, in a process beside the cluster's own."""
    if not hasattr(_HERE, "worker"):
        _HERE.worker = Worker()
    outcome = _HERE.worker.process(*task)
    assert outcome is not None
    return outcome


def _cluster(backend: Mapping[str, Any], workers: int) -> AbstractContextManager[Any]:
    """The cluster that joblib is to use, connected."""
    return _CLUSTERS.get(backend["name"], lambda *_: nullcontext())(backend.get("address"), workers)


def _dask(address: str | None, workers: int) -> AbstractContextManager[Any]:
    from dask.distributed import Client, LocalCluster

    if address:
        return Client(address)
    return Client(LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None))


def _ray(address: str | None, workers: int) -> AbstractContextManager[Any]:
    import ray
    from ray.util.joblib import register_ray

    ray.init(address=address, num_cpus=None if address else workers, ignore_reinit_error=True)
    register_ray()
    return nullcontext()


_CLUSTERS: dict[str, Any] = {"dask": _dask, "ray": _ray}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
