"""Samples prepared side by side: processes here, or a cluster of Dask or Ray. Memory holds what is in flight only."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from scantune.preprocess.sample import Job, Outcome, process

Task = tuple[Job, Mapping[str, Any], Path, Mapping[str, Any]]
Work = Callable[..., Outcome]
#: So few samples are done before other processes have started.
FEW = 8


def outcomes(
    jobs: Sequence[Job],
    settings: Mapping[str, Any],
    store_dir: Path,
    index: Mapping[str, Any],
    work: Work = process,
) -> Iterator[Outcome]:
    """Outcomes as they come, in any order, one for each job.

    A decoder that kills its process costs that sample alone: those that were in flight are tried again, each in a
    process of its own, and the one that kills it again is left out. So are those that an earlier run died at.

    Args:
        jobs: the samples.
        settings: the input's block as a dict; ``workers`` and ``backend`` say how many at once and where.
        store_dir: the store.
        index: of the root, by absolute path.
        work: what is done with each.
    """
    left = {job.sample_id: job for job in jobs}

    def alone(suspects: Sequence[Job]) -> Iterator[Outcome]:
        for job in suspects:
            left.pop(job.sample_id)
            yield _alone(work, (job, settings, store_dir, _index_of(job, index)))

    # What a run that died was at may be what killed it.
    yield from alone(_in_flight(store_dir, left))
    workers = min(settings.get("workers") or _cores(), max(1, len(left)))
    backend = settings.get("backend") or {"name": "loky"}
    if backend["name"] == "loky" and (workers == 1 or len(left) <= FEW):
        yield from (work(job, settings, store_dir, _index_of(job, index)) for job in left.values())
        return
    while left:
        tasks = [(job, settings, store_dir, _index_of(job, index)) for job in left.values()]
        try:
            for outcome in _pool(work, tasks, workers, backend):
                left.pop(outcome.sample_id)
                yield outcome
        except Exception as error:
            if not _is_dead_worker(error):
                raise
            yield from alone(_in_flight(store_dir, left) or [next(iter(left.values()))])


def _index_of(job: Job, index: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the index that a job's files need: workers are not sent the whole."""
    if not index:
        return {}
    from scantune.preprocess.sources import parts

    names = [str(file) for path in (*job.files, *job.masks) for file in parts(path)]
    return {name: index[name] for name in names if name in index}


def _pool(work: Work, tasks: Sequence[Task], workers: int, backend: Mapping[str, Any]) -> Iterator[Outcome]:
    import joblib

    calls = (joblib.delayed(_on_one_core)(work, task) for task in tasks)
    with _cluster(backend, workers), joblib.parallel_config(backend=backend["name"], n_jobs=workers):
        yield from joblib.Parallel(return_as="generator_unordered", pre_dispatch="3*n_jobs")(calls)


def _on_one_core(work: Work, task: Task) -> Outcome:
    """The samples are what is parallel, so each is done by one thread."""
    import cv2

    cv2.setNumThreads(1)
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"
    return work(*task)


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


def _is_dead_worker(error: Exception) -> bool:
    from concurrent.futures.process import BrokenProcessPool

    return isinstance(error, BrokenProcessPool)


def _in_flight(store_dir: Path, left: Mapping[str, Job]) -> list[Job]:
    """Samples that processes were at which are gone; their marks are cleared."""
    found = []
    for mark in (store_dir / "in_flight").glob("*-*"):
        process_id, sample_id = mark.name.split("-", 1)
        if not _alive(int(process_id)):
            mark.unlink(missing_ok=True)
            if sample_id in left:
                found.append(left[sample_id])
    return found


def _alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _alone(work: Work, task: Task) -> Outcome:
    """One sample in a process of its own."""
    from concurrent.futures.process import BrokenProcessPool

    from joblib.externals.loky import ProcessPoolExecutor

    with ProcessPoolExecutor(max_workers=1) as pool:
        try:
            return pool.submit(_on_one_core, work, task).result()
        except BrokenProcessPool:
            job = task[0]
            return Outcome(job.sample_id, reason="its decoder crashed", detail=", ".join(map(str, job.files)))
