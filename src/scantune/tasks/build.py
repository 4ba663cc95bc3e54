"""A task's settings and the data's classes to the task itself."""

from __future__ import annotations

from scantune.tasks.base import TaskSettings
from scantune.tasks.catalogue import optional_part, part
from scantune.tasks.protocol import Task


def build_task(
    settings: TaskSettings,
    *,
    classes: tuple[str, ...] | None = None,
    loss: str | None = None,
    calibration: str = "temperature",
    miscoverage: float = 0.1,
) -> Task:
    """The task of a ``task:`` block.

    Args:
        settings: the block.
        classes: as :meth:`TaskSettings.classes_in` gave them for the data that it was trained on.
        loss: the loss's name, which may decide the number of outputs.
        calibration: what is fitted to probabilities on validation: ``temperature``, ``isotonic`` or ``none``.
        miscoverage: of conformal intervals and sets.
    """
    optional_part(settings.name, "losses")  # which registers them
    return part(settings.name, "task").build(
        settings, classes=classes, loss=loss, calibration=calibration, miscoverage=miscoverage
    )
