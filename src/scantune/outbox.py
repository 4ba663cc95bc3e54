"""Items that a server has not accepted yet: sent in batches, retried after growing delays, saved in a file at the
end."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from filelock import FileLock

from scantune import files

log = logging.getLogger(__name__)

T = TypeVar("T")


class Outbox(Generic[T]):
    """Items on their way to a server that may be away, oldest first, none of them twice.

    One thread may put while another one flushes.

    Args:
        name: of the server, for the log.
        send: accepts a complete batch, or raises.
        batch: the greatest weight of one call; an item that weighs more goes by itself.
        weigh: weight of an item.
        longest: wait between two attempts, in seconds, that it grows to.
        most: items kept; the oldest are dropped beyond. None keeps all.
    """

    def __init__(
        self,
        name: str,
        send: Callable[[list[T]], None],
        *,
        batch: int,
        weigh: Callable[[T], int] = lambda item: 1,
        longest: float = 60.0,
        most: int | None = None,
    ) -> None:
        self.name, self.batch, self.longest = name, batch, longest
        self._send, self._weigh = send, weigh
        self._items: deque[T] = deque(maxlen=most)
        self._failures, self._not_before = 0, 0.0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._items)

    def put(self, items: Iterable[T]) -> None:
        """Items to be sent by the next :meth:`flush`."""
        with self._lock:
            self._items.extend(items)

    def flush(self, *, now: bool = False) -> bool:
        """Send what waits, unless the server was away a moment ago; whether a batch went or failed.

        Args:
            now: try the server even if it was unreachable a moment ago.
        """
        if not self._items or (time.monotonic() < self._not_before and not now):
            return False
        try:
            while chunk := self._next():
                self._send(chunk)
                self._taken(chunk)
        except Exception as error:
            self._failed(error)
            return True
        if self._failures:
            log.warning("%s is reachable again; everything queued was sent", self.name)
        self._failures = 0
        return True

    def left(self) -> list[T]:
        """Items that were not accepted."""
        with self._lock:
            return list(self._items)

    def _next(self) -> list[T]:
        chunk: list[T] = []
        weight = 0
        with self._lock:
            for item in self._items:
                weight += self._weigh(item)
                if chunk and weight > self.batch:
                    break
                chunk.append(item)
        return chunk

    def _taken(self, chunk: list[T]) -> None:
        with self._lock:
            for item in chunk:
                if self._items and self._items[0] is item:  # else it was dropped meanwhile, being the oldest
                    self._items.popleft()

    def _failed(self, error: Exception) -> None:
        if not self._failures:
            log.warning(
                "%s is unreachable (%s); the run continues and its log is queued", self.name, type(error).__name__
            )
        self._failures += 1
        self._not_before = time.monotonic() + min(self.longest, 2.0**self._failures)


def leave(path: Path, items: Iterable[Mapping[str, Any]]) -> None:
    """Add items to a file for a later run to send: a line of JSON each, all of them or none."""
    with _alone(path):
        cut = path.exists() and not path.read_bytes().endswith(b"\n")  # a process was killed within its last line
        files.append(path, "\n" * cut + _lines(items))


def collect(path: Path, send: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> int:
    """Send the items of an earlier run; the file is removed when all are accepted. Returns the number that remain.

    What another process adds meanwhile stays in the file. A line that a killed process did not finish is dropped.

    Args:
        path: the file; it may be missing.
        send: returns the items that were not accepted.
    """
    if not path.exists():
        return 0
    content = path.read_bytes()
    items, broken = _items(content)
    if broken:
        log.warning("%s: %d lines were not finished, by a process that was killed, and are dropped", path.name, broken)
    remaining = send(items)
    with _alone(path):
        added = path.read_bytes()[len(content) :]
        if not remaining and not added:
            path.unlink()
        elif broken or added or len(remaining) < len(items):
            files.write_bytes(path, _lines(remaining).encode() + added)
    return len(remaining) + len(_items(added)[0])


def _lines(items: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(item) + "\n" for item in items)


def _items(content: bytes) -> tuple[list[dict[str, Any]], int]:
    """The items of a file's lines, and the number of lines that are none."""
    items, broken = [], 0
    for line in content.splitlines():
        try:
            item = json.loads(line) if line else {}
        except ValueError:
            item = None
        if not isinstance(item, dict):
            broken += 1
        elif item:
            items.append(item)
    return items, broken


def _alone(path: Path) -> FileLock:
    """While it is held, no other process changes the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path.with_name("queue.lock"))
