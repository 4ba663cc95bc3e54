"""Processors that this process may use."""

from __future__ import annotations

import os


def usable() -> int:
    """Number of processors that this process may use: a cluster's share of the machine, where it grants one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
