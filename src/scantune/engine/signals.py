"""Being told to stop: SIGTERM (a cluster's), Ctrl-C, a parent that is gone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from scantune.stopping import ParentWatch


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
