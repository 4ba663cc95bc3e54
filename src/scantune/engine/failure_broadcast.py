"""Failure of one of several processes: all others end with its message instead of waiting for it."""

from __future__ import annotations

import itertools
import logging
import os
import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch

from scantune.records import ScantuneError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)

#: Seconds between two checks for a failure, and seconds that a process has to end by itself after one.
POLL_SECONDS, GRACE_SECONDS = 1.0, 10.0
_NUMBER = itertools.count()


class OtherProcessFailed(ScantuneError):
    """Another process of this training failed; the message has its error."""


class FailureBroadcast:
    """Context of a training: a process that raises publishes its error, and the others end with the same message.

    A process that waits in a collective operation that never returns (NCCL) is ended from a thread.

    Args:
        fabric: as launched; with a single process the context does nothing.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.rank = fabric.global_rank
        self.store: Any = None
        self.key = f"scantune/failed/{next(_NUMBER)}"  # the same in all processes, which train in the same order
        self.ended = threading.Event()
        if fabric.world_size > 1 and torch.distributed.is_initialized():
            self.store = torch.distributed.distributed_c10d._get_default_store()

    def __enter__(self) -> FailureBroadcast:
        if self.store is not None:
            threading.Thread(target=self._watch, daemon=True, name="together").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        if self.store is None or error is None or isinstance(error, SystemExit):
            return  # all processes agree on a stop by signal
        message = self._published()
        if message:
            raise OtherProcessFailed(message) from error
        self._publish(f"process {self.rank} failed: {type(error).__name__}: {error}")
        time.sleep(2 * POLL_SECONDS)  # rank 0 has the store: it stays until the others have read it

    def _publish(self, message: str) -> None:
        try:
            self.store.set(self.key, message)
        except Exception as error:  # the process with the store has ended, which the others notice
            log.debug("the failure could not be published: %s", error)

    def _published(self) -> str:
        try:
            return self.store.get(self.key).decode() if self.store.check([self.key]) else ""
        except Exception:
            return "the first process of this training has ended"

    def _watch(self) -> None:
        while not self.ended.wait(POLL_SECONDS):
            message = self._published()
            if message:
                if not self.ended.wait(GRACE_SECONDS):
                    print(f"error: {message}", file=sys.stderr, flush=True)
                    os._exit(1)
                return
