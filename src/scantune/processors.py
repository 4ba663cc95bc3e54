"""Processors that this process may use."""

from __future__ import annotations


def usable() -> int:
    """Number of processors that this process may use: its share of the machine, where a cluster or a container grants
    one, and at most ``LOKY_MAX_CPU_COUNT`` (joblib's limit)."""
    import joblib

    return int(joblib.cpu_count())
