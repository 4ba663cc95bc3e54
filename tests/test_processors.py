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
