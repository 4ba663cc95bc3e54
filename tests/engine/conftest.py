from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Nursery:
    """A warm process that forks trainings, so that each can be killed without paying for its imports."""

    error: str
    """What the last training died of, where it was given a file size."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.engine.toy"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._answer()["ready"]

    def _answer(self) -> dict[str, Any]:
        """The process's next line that is an answer: PyTorch 2.8 tells there of the processes that it connects."""
        assert self.process.stdout is not None
        return json.loads(next(line for line in self.process.stdout if line.startswith("{")))

    def train(
        self,
        folder: Path,
        state: Path,
        *,
        kill_after: float | None = None,
        how: int = signal.SIGKILL,
        processes: int = 1,
        **options: Any,
    ) -> int:
        """Run a training, killed after so many seconds if it still runs; its exit code, negative for a signal."""
        assert self.process.stdin is not None
        order = {"folder": str(folder), "state": str(state), "options": options, "processes": processes}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        pid = self._answer()["pid"]
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, how)
        self.error = ""
        while "status" not in (reply := self._answer()):
            self.error = reply["error"]
        return int(reply["status"])

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(120)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    process = Nursery()
    yield process
    process.close()
