"""Several processes that end together: what ends one is said by all, and none waits for figures that will not come."""

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

#: Seconds between two looks at what the others say, and those that a process has to end by itself once one failed.
LOOK, GRACE = 1.0, 10.0
_NUMBER = itertools.count()


class OtherProcessFailed(ScantuneError):
    """Another process of this training ended; its message is in this one's."""


class Together:
    """Around a training. A process that raises tells the others; one that hears it ends, with the same message.

    Where a process is waiting inside a collective call that never returns (NCCL), it is ended from a thread.

    Args:
        fabric: as launched; with one process nothing is done.
    """

    def __init__(self, fabric: Fabric) -> None:
        self.rank = fabric.global_rank
        self.store: Any = None
        self.key = f"scantune/failed/{next(_NUMBER)}"  # the same in all, since they fit the same in the same order
        self.ended = threading.Event()
        if fabric.world_size > 1 and torch.distributed.is_initialized():
            self.store = torch.distributed.distributed_c10d._get_default_store()

    def __enter__(self) -> Together:
        if self.store is not None:
            threading.Thread(target=self._listen, daemon=True, name="together").start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        if self.store is None or error is None or isinstance(error, SystemExit):
            return  # told to stop is agreed upon by all at one step
        said = self._said()
        if said:
            raise OtherProcessFailed(said) from error
        self._say(f"process {self.rank} failed: {type(error).__name__}: {error}")
        time.sleep(2 * LOOK)  # the first process holds what all look at; it stays while they do

    def _say(self, words: str) -> None:
        try:
            self.store.set(self.key, words)
        except Exception as error:  # the process that holds the store is gone: the others notice that
            log.debug("the other processes could not be told: %s", error)

    def _said(self) -> str:
        try:
            return self.store.get(self.key).decode() if self.store.check([self.key]) else ""
        except Exception:
            return "the first process of this training has ended"

    def _listen(self) -> None:
        while not self.ended.wait(LOOK):
            said = self._said()
            if said:
                if not self.ended.wait(GRACE):
                    print(f"error: {said}", file=sys.stderr, flush=True)
                    os._exit(1)
                return
