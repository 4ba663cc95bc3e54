"""Processors that this process may use."""

from __future__ import annotations


def usable() -> int:
    """Number of processors that this process may use: its share of the machine, where a cluster or a container grants
    one, and at most ``LOKY_MAX_CPU_COUNT`` (joblib's limit)."""
    import joblib

    return int(joblib.cpu_count())


def limit_threads() -> None:
    """Let PyTorch compute in no more threads than there are processors to use: it counts those of the machine, and a
    container that has fewer is then slowed down several times."""
    import torch

    if (share := usable()) < torch.get_num_threads():
        torch.set_num_threads(share)
