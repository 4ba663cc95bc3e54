"""Processors are counted as this process may use them."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from scantune import processors


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no binding of processes to processors here")
def test_a_process_bound_to_one_processor_uses_one():
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
        "from scantune import processors; print(processors.usable())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_a_limit_of_the_environment_holds(monkeypatch):
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert processors.usable() == 1


@pytest.mark.slow
def test_pytorch_computes_within_the_share_and_keeps_a_lower_number():
    code = (
        "import sys, torch; from scantune import processors; torch.set_num_threads(int(sys.argv[1])); "
        "processors.limit_threads(); print(torch.get_num_threads())"
    )
    told = []
    for threads, share in (("4", "2"), ("1", "2")):
        environment = {**os.environ, "LOKY_MAX_CPU_COUNT": share}
        done = subprocess.run([sys.executable, "-c", code, threads], capture_output=True, text=True, env=environment)
        told.append(done.stdout.strip())
    assert told == ["2", "1"]


@pytest.mark.parametrize(
    ("stated", "usable", "processes", "share"),
    [(None, 8, 4, 2), ("4", 4, 4, 4), ("2", 2, 2, 2), ("4", 16, 4, 4), (None, 1, 4, 1), ("8(x2)", 16, 2, 8)],
)
def test_processors_that_a_cluster_binds_to_a_process_are_not_divided_again(
    monkeypatch, stated, usable, processes, share
):
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    if stated:
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", stated)
    monkeypatch.setattr(processors, "usable", lambda: usable)
    assert processors.share_of_one(processes) == share
