"""When a training is saved, and where it stops after a signal."""

from __future__ import annotations

import time

import torch

from scantune.engine import state
from scantune.engine.delivery import Delivery
from scantune.engine.signals import Interrupted, StopFlag
from scantune.engine.training import Training


class Saver:
    """Saves a training between two steps where it is due, and stops it after a signal."""

    def __init__(self, training: Training, flag: StopFlag, delivery: Delivery) -> None:
        self.training, self.flag, self.delivery = training, flag, delivery
        self.saved_at, self.duration = time.monotonic(), 0.0

    def after_step(self) -> None:
        """Save where it is due, or stop."""
        settings = self.training.settings
        every = settings.save_every_steps
        due = every is not None and self.training.position.step % every == 0
        self._save_if_due(due, seconds=60 * settings.save_every_minutes)

    def after_epoch(self) -> None:
        """The same at the end of an epoch, however long ago the last save was; :meth:`final` saves the last epoch."""
        if not self.training.finished:
            self._save_if_due(self.training.settings.save_every_steps is not None, seconds=0.0)

    def before_validation(self) -> None:
        """With ``save_every_steps``: save before validation, so that a resumed training starts with it."""
        if self.training.settings.save_every_steps is not None:
            self._save()

    def between_batches(self) -> None:
        """Stop within validation after saving; a resumed training repeats the whole validation."""
        if self.training.fabric.world_size == 1 and (cause := self.flag.cause()):
            self._save()
            raise Interrupted(*cause, self._position())

    def final(self) -> None:
        """Save the end of the training."""
        self._save()

    def _save_if_due(self, due: bool, seconds: float) -> None:
        due = due or time.monotonic() - self.saved_at >= max(seconds, 50 * self.duration)
        cause = self.flag.cause()
        due, cause = self._agree(due, cause)
        if due or cause:
            self._save()
        if cause:
            raise Interrupted(*cause, self._position())

    def _agree(self, due: bool, cause: tuple[str, int] | None) -> tuple[bool, tuple[str, int] | None]:
        """Agree between all processes on saving and stopping, so that all do it at the same step."""
        fabric = self.training.fabric
        if fabric.world_size == 1:
            return due, cause
        codes = torch.tensor([float(due), float(cause[1] if cause else 0)], device=fabric.device)
        torch.distributed.all_reduce(codes, op=torch.distributed.ReduceOp.MAX)
        code = int(codes[1])
        return bool(codes[0] > 0), cause or (("a signal to another process", code) if code else None)

    def _position(self) -> str:
        training = self.training
        epoch, epochs = min(training.position.epoch + 1, training.settings.epochs), training.settings.epochs
        step, steps = training.position.step, training.steps_per_epoch * epochs
        return f"in epoch {epoch} of {epochs} (step {step} of {steps})"

    def _save(self) -> None:
        began = time.monotonic()
        state.save(self.training)
        self.delivery.durable(self.training.history.rows)
        self.saved_at = time.monotonic()
        self.duration = self.saved_at - began
