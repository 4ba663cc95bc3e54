"""One training at a time: the second is told of the first, and a killed one is in nobody's way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scantune.pipeline.train.locks import TrainingUnderWay, refuse_second, training_lock

SRC = Path(__file__).parents[2] / "src"
HOLD = """
import time
from scantune.pipeline.train.locks import training_lock
with training_lock("knees"):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_lock_names_its_holder_and_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refuse_second(["knees"])
    env = {**os.environ, "PYTHONPATH": str(SRC)}
    holder = subprocess.Popen([sys.executable, "-c", HOLD], env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        who = f"process {holder.pid} on {os.uname().nodename}, since .*kill {holder.pid}"
        message = f"knees is being trained already by {who}"
        with pytest.raises(TrainingUnderWay, match=message):
            refuse_second(["hips", "knees"])
        with pytest.raises(TrainingUnderWay, match=message), training_lock("knees"):
            pass
        with training_lock("hips"):
            pass
    finally:
        holder.kill()
        holder.wait()
    with training_lock("knees"), pytest.raises(TrainingUnderWay, match=f"process {os.getpid()} "):
        refuse_second(["knees"])
    refuse_second(["knees"])
