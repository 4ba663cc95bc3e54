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
