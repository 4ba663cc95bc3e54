"""Candidates timed in turn, in one process, on the same data: what matters is the ratio."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


def one_thread() -> None:
    """Every library to one thread; before any of them is imported."""
    for name in ONE_THREAD:
        os.environ[name] = "1"


def in_turn(candidates: dict[str, Callable[[], object]], repeats: int = 7) -> dict[str, tuple[float, float]]:
    """Median wall and processor milliseconds of each (children included), called in turn; the first round is left out.

    On a machine that others use too, wall times waver; processor time hardly does.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
    for round_ in range(repeats + 1):
        for name, call in candidates.items():
            wall, used = time.perf_counter(), _processor()
            call()
            if round_:
                taken[name].append((1000 * (time.perf_counter() - wall), 1000 * (_processor() - used)))
    return {
        name: (statistics.median(wall for wall, _ in times), statistics.median(used for _, used in times))
        for name, times in taken.items()
    }


def _processor() -> float:
    """Seconds of processor time of this process and its finished children."""
    try:
        import resource
    except ImportError:  # Windows; os.times counts in hundredths elsewhere
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def report(title: str, medians: dict[str, tuple[float, float]], ours: str, goals: dict[str, float]) -> dict[str, float]:
    """Print each median, how many times longer the others take than ours (wall; processor), and the goal."""
    print(f"\n{title}")
    for name, (wall, used) in medians.items():
        goal = f"   goal ≥ {goals[name]:g}" if name in goals else ""
        ratios = f"   {wall / medians[ours][0]:6.2f} × ours ({used / max(medians[ours][1], 1e-3):.2f} × processor)"
        print(f"  {name:<36}{wall:9.1f} ms{used:9.1f} ms processor{'' if name == ours else ratios + goal}")
    return {name: wall / medians[ours][0] for name, (wall, _) in medians.items()}
