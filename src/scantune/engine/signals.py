"""Signals to stop: SIGTERM (of a cluster), Ctrl-C, the end of the parent process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from scantune.stopping import ParentWatch


class Interrupted(SystemExit):
    """A training was stopped by a signal, after saving; the exit code has the cause.

    Attributes:
        cause: as text.
        position: where it was stopped, as text.
        code: 130 after Ctrl-C, 143 after SIGTERM or the parent's end.
    """

    def __init__(self, cause: str, code: int, position: str = "") -> None:
        super().__init__(code)
        self.cause, self.position = cause, position

    def __str__(self) -> str:
        where = f" {self.position}" if self.position else ""
        return f"stopped{where} by {self.cause}; the state is saved: run the same command again to resume"


_CAUSES = {signal.SIGINT: ("Ctrl-C", 130), signal.SIGTERM: ("SIGTERM", 143)}


class StopFlag:
    """Flag that the loop checks between two steps."""

    def __init__(self, watch: ParentWatch) -> None:
        self.watch = watch
        self.received: int | None = None

    def cause(self) -> tuple[str, int] | None:
        """Cause of the stop and exit code; None to continue."""
        if self.received is not None:
            return _CAUSES[signal.Signals(self.received)]
        return ("the end of the process that started it", 143) if self.watch.gone() else None


@contextmanager
def listening(watch_parent: bool | None = None) -> Iterator[StopFlag]:
    """Stop between two steps on SIGTERM and Ctrl-C; a second Ctrl-C stops at once.

    Outside the main thread no handler can be set; only the parent process is watched then.
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
