"""The processes that prepare samples, as the system lists them."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path


def children(parent: int | None = None) -> set[int]:
    """Processes that prepare samples and that ``parent`` (this one) started, by whichever thread."""
    pids: set[int] = set()
    with contextlib.suppress(OSError):  # the parent has ended
        for task in Path(f"/proc/{parent or os.getpid()}/task").iterdir():
            with contextlib.suppress(OSError):  # a thread that has just ended
                pids |= {int(child) for child in (task / "children").read_text().split()}
    return {child for child in pids if b"preprocess.child" in _command(child)}


def left(processes: set[int], seconds: float) -> list[int]:
    """Which of them still run after so long; at once where none does."""
    until = time.monotonic() + seconds
    while (there := [process for process in processes if _command(process)]) and time.monotonic() < until:
        time.sleep(0.05)
    return there


def _command(process: int) -> bytes:
    """Empty for one that has ended, or that nobody has waited for."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""
