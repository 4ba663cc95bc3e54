"""Processes that load samples."""

from __future__ import annotations

import subprocess
import sys

import psutil

from tests.processes import left

_LOADS = """
import multiprocessing, time
import numpy as np
from scantune.engine.loading import Loader

class Samples:
    def __len__(self): return 4
    def __getitem__(self, index): return {"input": np.zeros(2, np.float32)}

if __name__ == "__main__":
    multiprocessing.set_start_method("forkserver")  # the default of Python 3.14
    loader = Loader(Samples(), workers=2)
    list(loader.batches(0, [np.arange(2)] * 2))
    print("loaded", flush=True)
    time.sleep(60)
"""


def test_none_outlives_a_training_that_is_killed_whatever_starts_processes(tmp_path) -> None:
    script = tmp_path / "loads.py"
    script.write_text(_LOADS)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "loaded\n"
        workers = {child.pid for child in psutil.Process(process.pid).children(recursive=True)}
        assert len(workers) >= 2
        process.kill()
    assert left(workers, 20) == []
