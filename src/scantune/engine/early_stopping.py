"""Early stopping. Usable in any training loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from scantune.engine.better import is_better
from scantune.engine.settings import EarlyStoppingConfig
from scantune.tasks.directions import direction


@dataclass
class EarlyStopping:
    """Counts epochs without improvement.

    Attributes:
        settings: the ``early_stopping:`` block; ``monitor`` is ``val_loss`` where null.
        best: best value so far, NaN at first.
        wait: epochs since the best value.

    Example:
        >>> stopping = EarlyStopping(EarlyStoppingConfig(patience=2, min_delta=0.0))
        >>> [stopping.update(loss) for loss in (1.0, 0.5, 0.6, 0.7)]
        [False, False, False, True]
    """

    settings: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    best: float = math.nan
    wait: int = 0

    @property
    def monitor(self) -> str:
        """Name of the metric."""
        return self.settings.monitor or "val_loss"

    def update(self, value: float) -> bool:
        """Add an epoch's value; True where training should end. NaN counts as no improvement."""
        if is_better(value, self.best, direction(self.monitor, self.settings.mode), self.settings.min_delta):
            self.best, self.wait = value, 0
        else:
            self.wait += 1
        return self.is_over

    @property
    def is_over(self) -> bool:
        """Whether training should end, by the values so far."""
        return self.wait >= self.settings.patience

    def state(self) -> dict[str, float]:
        """State for :meth:`load`."""
        return {"best": self.best, "wait": self.wait}

    def load(self, state: dict[str, Any]) -> None:
        """Restore :meth:`state`."""
        self.best, self.wait = float(state["best"]), int(state["wait"])
