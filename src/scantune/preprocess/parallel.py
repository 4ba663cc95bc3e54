"""Samples prepared in parallel: by local processes, or a cluster of Dask or Ray. Only samples in progress are in
memory."""

from __future__ import annotations

import importlib.util
import itertools
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from scantune import processors
from scantune.preprocess.sample import Job, Outcome, process
from scantune.preprocess.sources import parts
from scantune.preprocess.worker import Worker
from scantune.records import ReadError, ScantuneError

Task = tuple[Job, Mapping[str, Any], Path, Mapping[str, Any]]


def outcomes(
    jobs: Sequence[Job], settings: Mapping[str, Any], store_dir: Path, index: Mapping[str, Any]
) -> Generator[Outcome]:
    """Outcomes in order of completion, one for each job.

    Each process works on one sample at a time, so that a decoder that kills its process, or hangs, costs that sample
    alone. ``threads`` go without that guard.

    Args:
        jobs: the samples.
        settings: the input's block as a dict; ``workers`` and ``backend`` set how many at once and where.
        store_dir: the store.
        index: of the root, by absolute path.
    """
    tasks = ((job, settings, store_dir, _index_of(job, index)) for job in jobs)
    workers = min(settings.get("workers") or processors.usable(), max(1, len(jobs)))
    backend = settings.get("backend") or {"name": "processes"}
    yield from _BACKENDS[backend["name"]](tasks, workers, backend.get("address"))


def _index_of(job: Job, index: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the index that a job's files need: workers do not receive the complete index."""
    if not index:
        return {}

    try:
        names = [str(file) for path in (*job.files, *job.mask_paths) for file in parts(path)]
    except ReadError:  # the worker meets it too, and says so
        return {}
    return {name: index[name] for name in names if name in index}


def _by_processes(tasks: Iterator[Task], workers: int, address: str | None = None) -> Iterator[Outcome]:
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
            result = done.get()
            if isinstance(result, BaseException):
                raise result
            if result is None:
                left -= 1
            else:
                yield result
    finally:
        for worker in crew:
            worker.close()
        for thread in threads:
            if thread.ident is not None:
                thread.join(10)


def _by_threads(tasks: Iterator[Task], workers: int, address: str | None = None) -> Iterator[Outcome]:
    if workers == 1:
        yield from (process(*task) for task in tasks)
        return
    import joblib

    calls = (joblib.delayed(process)(*task) for task in tasks)
    with joblib.parallel_config(backend="threading", n_jobs=workers):
        yield from joblib.Parallel(return_as="generator_unordered", pre_dispatch="3*n_jobs")(calls)


def _by_dask(tasks: Iterator[Task], workers: int, address: str | None) -> Iterator[Outcome]:
    """By joblib's backend, on the cluster at ``address`` or one that is started here."""
    import joblib

    _needs("dask", "distributed")
    from dask.distributed import Client, LocalCluster

    cluster = address or LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)
    calls = (joblib.delayed(_guarded)(task) for task in tasks)
    with Client(cluster), joblib.parallel_config(backend="dask", n_jobs=workers):
        yield from joblib.Parallel(return_as="generator_unordered", pre_dispatch="3*n_jobs")(calls)


def _by_ray(tasks: Iterator[Task], workers: int, address: str | None) -> Iterator[Outcome]:
    """By Ray itself: its backend of joblib returns nothing before all is done. Twice ``workers`` jobs are in
    progress."""
    _needs("ray", "ray")
    import ray

    ray.init(address=address, num_cpus=None if address else workers, ignore_reinit_error=True)
    work = ray.remote(_guarded)
    waiting = [work.remote(task) for task in itertools.islice(tasks, 2 * workers)]
    while waiting:
        done, waiting = ray.wait(waiting)
        waiting += [work.remote(task) for task in itertools.islice(tasks, len(done))]
        yield from ray.get(done)


def _needs(backend: str, package: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise ScantuneError(
            f"inputs.<name>.backend: {backend!r} needs the package {package}: "
            f"pip install 'scantune[{_EXTRAS[backend]}]'"
        )


_EXTRAS = {"dask": "cluster", "ray": "ray"}
_HERE = threading.local()


def _guarded(task: Task) -> Outcome:
    """One sample on a cluster's machine, in a process beside the cluster's own."""
    if not hasattr(_HERE, "worker"):
        _HERE.worker = Worker()
    outcome = _HERE.worker.process(*task)
    assert outcome is not None
    return outcome


_BACKENDS: dict[str, Callable[[Iterator[Task], int, str | None], Iterator[Outcome]]] = {
    "processes": _by_processes,
    "threads": _by_threads,
    "dask": _by_dask,
    "ray": _by_ray,
}
