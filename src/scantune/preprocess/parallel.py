"""Samples prepared side by side: processes here, or a cluster of Dask or Ray. Memory holds what is in flight only."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from scantune.preprocess.sample import Job, Outcome, process

#: So few samples are done before other processes have started.
FEW = 8


def outcomes(
    jobs: Sequence[Job], settings: Mapping[str, Any], store_dir: Path, index: Mapping[str, Any]
) -> Iterator[Outcome]:
    """Outcomes as they come, in any order, one for each job.

    A decoder that kills its process costs that sample alone: those that were in flight are tried again, each in a
    process of its own, and the one that kills it again is left out.
    """
    workers = min(settings.get("workers") or _cores(), max(1, len(jobs)))
    backend = settings.get("backend") or {"name": "loky"}
    if backend["name"] == "loky" and (workers == 1 or len(jobs) <= FEW):
        yield from (one(job, settings, store_dir, index) for job in jobs)
        return
    left = {job.sample_id: job for job in jobs}
    while left:
        try:
            for outcome in _pool(list(left.values()), settings, store_dir, index, workers, backend):
                left.pop(outcome.sample_id)
                yield outcome
        except Exception as error:
            if not _is_dead_worker(error):
                raise
            for job in _in_flight(store_dir, left) or [next(iter(left.values()))]:
                left.pop(job.sample_id)
                yield _alone(job, settings, store_dir, index)


def one(job: Job, settings: Mapping[str, Any], store_dir: Path, index: Mapping[str, Any]) -> Outcome:
    """:func:`process` on one core: the samples are what is parallel."""
    _single_thread()
    return process(job, settings, store_dir, _index_of(job, index))


def _index_of(job: Job, index: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the index that a job's files need: workers are not sent the whole."""
    if not index:
        return {}
    from scantune.preprocess.sources import parts

    names = [str(file) for path in (*job.files, *job.masks) for file in parts(path)]
    return {name: index[name] for name in names if name in index}


def _pool(
    jobs: Sequence[Job],
    settings: Mapping[str, Any],
    store_dir: Path,
    index: Mapping[str, Any],
    workers: int,
    backend: Mapping[str, Any],
) -> Iterator[Outcome]:
    import joblib

    tasks = (joblib.delayed(_task)(job, settings, store_dir, _index_of(job, index)) for job in jobs)
    with _cluster(backend, workers), joblib.parallel_config(backend=backend["name"], n_jobs=workers):
        yield from joblib.Parallel(return_as="generator_unordered", pre_dispatch="3*n_jobs")(tasks)


def _task(job: Job, settings: Mapping[str, Any], store_dir: Path, index: Mapping[str, Any]) -> Outcome:
    _single_thread()
    return process(job, settings, store_dir, index)


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


def _single_thread() -> None:
    import cv2

    cv2.setNumThreads(1)
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _is_dead_worker(error: Exception) -> bool:
    from concurrent.futures.process import BrokenProcessPool

    return isinstance(error, BrokenProcessPool)


def _in_flight(store_dir: Path, left: Mapping[str, Job]) -> list[Job]:
    """Samples that processes were at which are gone; the marks are cleared."""
    found = []
    for folder in (store_dir / "in_flight").glob("*"):
        if not _alive(int(folder.name)):
            found += [left[mark.name] for mark in folder.iterdir() if mark.name in left]
            shutil.rmtree(folder, ignore_errors=True)
    return found


def _alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _alone(job: Job, settings: Mapping[str, Any], store_dir: Path, index: Mapping[str, Any]) -> Outcome:
    """One sample in a process of its own."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(_task, job, settings, store_dir, _index_of(job, index)).result()
        except BrokenProcessPool:
            detail = ", ".join(map(str, job.files))
            return Outcome(job.sample_id, reason="its decoder crashed", detail=detail)
