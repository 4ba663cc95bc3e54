"""Time of a training, from seconds of a step and of a validation: before it (an estimate) and during it (its pace)."""

from __future__ import annotations

import math

from scantune.engine.training import Training
from scantune.progress import duration


def seconds_left(training: Training, step_seconds: float, validation_seconds: float) -> float:
    """Seconds from the position of a training to its last epoch, without early stopping."""
    settings, position = training.settings, training.position
    steps = training.steps_per_epoch * (settings.epochs - position.epoch) - position.in_epoch
    return max(steps, 0) * step_seconds + settings.validations_after(position.epoch) * validation_seconds


class Pace:
    """Speed of a training by its latest epoch, and the time left to its last one.

    Args:
        training: its position is read.
        now: seconds on any clock.
    """

    def __init__(self, training: Training, now: float) -> None:
        self.training = training
        self.began, self.steps = now, 0
        self.step_seconds, self.validation_seconds = math.nan, math.nan
        self.stepped = now

    def step(self, now: float) -> None:
        """Count a step."""
        self.steps, self.stepped = self.steps + 1, now
        self.step_seconds = (now - self.began) / self.steps

    def epoch(self, now: float) -> None:
        """Count the validation of the epoch that has ended, if any, and start the measurement of the next epoch."""
        if self.training.settings.validates(self.training.position.epoch):
            self.validation_seconds = now - self.stepped
        self.began, self.steps = now, 0

    def seconds_left(self) -> float:
        """Seconds to the last epoch, without early stopping; NaN before the first step."""
        validation = 0.0 if math.isnan(self.validation_seconds) else self.validation_seconds
        return seconds_left(self.training, self.step_seconds, validation)

    def left(self) -> str:
        """The same as text."""
        return duration(self.seconds_left())

    def text(self) -> str:
        """Steps per second, and the time left."""
        if math.isnan(self.step_seconds):
            return ""
        return f"{1 / max(self.step_seconds, 1e-9):.3g} steps/s · {self.left()} left"
