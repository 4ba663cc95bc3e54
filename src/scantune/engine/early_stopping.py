"""Early stopping. Usable in any training loop."""

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
        min_delta: smallest change of the metric that counts as an improvement.
        monitor: name of the metric; empty for the monitor of the training, or ``val_loss`` in a custom loop.
        mode: ``min``, ``max`` or ``auto`` (from the tasks' tables).
        restore_best_weights: restore the best epoch's weights at the end.
        best: best value so far, NaN at first.
        wait: epochs since the best value.

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
        """Add an epoch's value; True where training should end. NaN counts as no improvement."""
        if is_better(value, self.best, direction(self.monitor or "val_loss", self.mode), self.min_delta):
            self.best, self.wait = value, 0
        else:
            self.wait += 1
        return self.wait >= self.patience

    def state(self) -> dict[str, float]:
        """State for :meth:`load`."""
        return {"best": self.best, "wait": self.wait}

    def load(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state`."""
        self.best, self.wait = float(state["best"]), int(state["wait"])
