"""When a training is saved, and where it stops if it was told to."""

from __future__ import annotations

import time

import torch

from scantune.engine import state
from scantune.engine.delivery import Delivery
from scantune.engine.signals import Interrupted, StopFlag
from scantune.engine.training import Training


class Saver:
    """Decides between two steps whether to save, and stops the training where it was told to."""

    def __init__(self, training: Training, flag: StopFlag, delivery: Delivery) -> None:
        self.training, self.flag, self.delivery = training, flag, delivery
        self.saved_at, self.took = time.monotonic(), 0.0

    def after_step(self) -> None:
        """Save where it is time, or stop."""
        every = self.training.settings.save_every_steps
        self._maybe(due=every is not None and self.training.position.step % every == 0)

    def after_epoch(self) -> None:
        """The same at an epoch's end; the last epoch is saved by :meth:`last`."""
        if not self.training.finished:
            self._maybe(due=self.training.settings.save_every_steps is not None)

    def before_validation(self) -> None:
        """Where saving goes by steps: the end of an epoch's steps is a place to go on from."""
        if self.training.settings.save_every_steps is not None:
            self._save()

    def between_batches(self) -> None:
        """Inside validation: the state of the epoch's end is saved, validation starts again from its beginning."""
        if self.training.fabric.world_size == 1 and (cause := self.flag.cause()):
            self._save()
            raise Interrupted(*cause)

    def last(self) -> None:
        """Save the end."""
        self._save()

    def _maybe(self, due: bool) -> None:
        wait = max(self.training.settings.save_every_seconds, 50 * self.took)
        due = due or time.monotonic() - self.saved_at >= wait
        cause = self.flag.cause()
        due, cause = self._agreed(due, cause)
        if due or cause:
            self._save()
        if cause:
            raise Interrupted(*cause)

    def _agreed(self, due: bool, cause: tuple[str, int] | None) -> tuple[bool, tuple[str, int] | None]:
        """Saving and stopping are done by all processes at one step or by none."""
        fabric = self.training.fabric
        if fabric.world_size == 1:
            return due, cause
        codes = torch.tensor([float(due), float(cause[1] if cause else 0)], device=fabric.device)
        torch.distributed.all_reduce(codes, op=torch.distributed.ReduceOp.MAX)
        code = int(codes[1])
        return bool(codes[0] > 0), cause or (("another process was told to stop", code) if code else None)

    def _save(self) -> None:
        began = time.monotonic()
        state.save(self.training)
        self.delivery.durable(self.training.history.rows)
        self.saved_at = time.monotonic()
        self.took = self.saved_at - began
