"""Processors that this process may use."""

from __future__ import annotations

import os


def usable() -> int:
    """Number of processors that this process may use: its share of the machine, where a cluster or a container grants
    one, and at most ``LOKY_MAX_CPU_COUNT`` (joblib's limit)."""
    import joblib

    return int(joblib.cpu_count())


def share_of_one(processes: int) -> int:
    """Number of processors for each of several processes of one run on this machine, at least 1.

    SLURM binds each task to its own processors (``--cpus-per-task``): what this process may use is then its share.

    Args:
        processes: of the run on this machine.
    """
    share, bound = usable(), os.environ.get("SLURM_CPUS_PER_TASK", "")
    return share if bound.isdecimal() and share <= int(bound) else max(share // processes, 1)


def limit_threads() -> None:
    """Let PyTorch compute in no more threads than there are processors to use: it counts those of the machine, and a
    container that has fewer is then slowed down several times."""
    import torch

    if (share := usable()) < torch.get_num_threads():
        torch.set_num_threads(share)
