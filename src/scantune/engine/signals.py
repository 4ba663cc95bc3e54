"""Being told to stop: SIGTERM (a cluster's), Ctrl-C, a parent that is gone."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


class Interrupted(SystemExit):
    """A training that was told to stop, and was saved; the exit code says by what.

    Attributes:
        cause: in words.
        code: 130 after Ctrl-C, 143 after SIGTERM or the parent's end.
    """

    def __init__(self, cause: str, code: int) -> None:
        super().__init__(code)
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.cause}; saved, and started again it goes on from there"


_CAUSES = {signal.SIGINT: ("Ctrl-C", 130), signal.SIGTERM: ("SIGTERM", 143)}


class ParentWatch:
    """Notices that the process which started us is gone.

    A shell between the two (``sh -c``) is looked through: it stays alive when its own parent dies.

    Args:
        enabled: None watches where DVC started the stage, and not where hang-ups are ignored (``nohup``).
    """

    def __init__(self, enabled: bool | None = None) -> None:
        wanted = "DVC_STAGE" in os.environ if enabled is None else enabled
        ignored = hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        self.enabled = wanted and not (enabled is None and ignored)
        self.parent = os.getppid()
        self.grandparent = _parent_of(self.parent) if _is_shell(self.parent) else None

    def gone(self) -> bool:
        """Whether the parent, or what stood behind its shell, has ended."""
        if not self.enabled:
            return False
        if os.getppid() != self.parent:
            return True
        return self.grandparent is not None and _parent_of(self.parent) != self.grandparent


def _stat(pid: int) -> list[str]:
    """Fields of ``/proc/<pid>/stat`` from the name on; empty where there is no such file (other systems)."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return []
    name, rest = text.split("(", 1)[1].rsplit(")", 1)
    return [name, *rest.split()]


def _parent_of(pid: int) -> int | None:
    fields = _stat(pid)
    return int(fields[2]) if fields else None


def _is_shell(pid: int) -> bool:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return Path(os.fsdecode(words[0])).name in {"sh", "bash", "dash", "zsh"} and b"-c" in words[1:3]


class StopFlag:
    """What the loop asks between two steps."""

    def __init__(self, watch: ParentWatch) -> None:
        self.watch = watch
        self.received: int | None = None

    def cause(self) -> tuple[str, int] | None:
        """Why to stop, and the exit code; None to go on."""
        if self.received is not None:
            return _CAUSES[signal.Signals(self.received)]
        return ("the process that started this one has ended", 143) if self.watch.gone() else None


@contextmanager
def listening(watch_parent: bool | None = None) -> Iterator[StopFlag]:
    """Take SIGTERM and Ctrl-C as a wish to stop between two steps; a second Ctrl-C stops at once.

    Outside the main thread no handler can be set; only the parent is watched then.
    """
    flag = StopFlag(ParentWatch(watch_parent))

    def receive(number: int, frame: FrameType | None) -> None:
        if flag.received == signal.SIGINT and number == signal.SIGINT:
            raise KeyboardInterrupt
        flag.received = number

    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = {number: signal.signal(number, receive) for number in _CAUSES}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
