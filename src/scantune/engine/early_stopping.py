"""When a training that no longer gets better ends. Usable in any loop."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scantune.engine.better import is_better
from scantune.tasks.directions import direction


@dataclass
class EarlyStopping:
    """Counts epochs without improvement.

    Attributes:
        patience: epochs without improvement before the end.
        min_delta: by how much the figure must improve to count.
        monitor: name of the figure; the loop's own where empty, ``val_loss`` in a loop of one's own.
        mode: ``min``, ``max`` or ``auto`` (by the tasks' tables).
        restore_best_weights: the loop takes the best epoch's weights at the end.
        best: the best figure so far, NaN at first.
        wait: epochs since.

    Example:
        >>> stopping = EarlyStopping(patience=2, min_delta=0.0)
        >>> [stopping.update(loss) for loss in (1.0, 0.5, 0.6, 0.7)]
        [False, False, False, True]
    """

    patience: int = 10
    min_delta: float = 0.001
    monitor: str = ""
    mode: str = "auto"
    restore_best_weights: bool = True
    best: float = math.nan
    wait: int = 0

    def update(self, value: float) -> bool:
        """Take an epoch's figure; True where training should end. NaN counts as no improvement."""
        if is_better(value, self.best, direction(self.monitor or "val_loss", self.mode), self.min_delta):
            self.best, self.wait = value, 0
        else:
            self.wait += 1
        return self.wait >= self.patience

    def state(self) -> dict[str, float]:
        """What :meth:`load` takes."""
        return {"best": self.best, "wait": self.wait}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state`."""
        self.best, self.wait = float(state["best"]), int(state["wait"])
