"""Progress in the terminal: position, metrics and remaining time of a training."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from scantune.engine.training import Training

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

log = logging.getLogger(__name__)


class Progress:
    """A progress bar over all steps in a terminal, otherwise a log line per epoch."""

    def __init__(self, training: Training, visible: bool) -> None:
        self.training = training
        forced = training.settings.progress is True
        self.bar: Bar | None = _bar(forced) if visible else None
        self.task: Any = None
        self.metric_text = ""

    @classmethod
    def of(cls, training: Training) -> Progress:
        """The progress of a training, displayed by the first process only."""
        setting = training.settings.progress
        visible = sys.stderr.isatty() if setting is None else setting
        return cls(training, visible and training.fabric.is_global_zero)

    def __enter__(self) -> Progress:
        if self.bar is not None:
            total = self.training.steps_per_epoch * self.training.settings.epochs
            self.bar.start()
            self.task = self.bar.add_task("", total=total, completed=self.training.position.step, metrics="")
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def step(self, values: Mapping[str, float]) -> None:
        """Report a step."""
        if self.bar is None:
            return
        position, settings = self.training.position, self.training.settings
        text = f"epoch {position.epoch + 1}/{settings.epochs} · loss {values['loss']:.4g}{self.metric_text}"
        self.bar.update(self.task, completed=position.step, metrics=text)

    def epoch_end(self, epoch: int, row: Mapping[str, Any]) -> None:
        """Report an epoch."""
        monitor, best = self.training.settings.monitor, self.training.checkpoints.best()
        metrics = {name: row.get(name) for name in dict.fromkeys(("val_loss", monitor))}
        text = " · ".join(f"{n} {v:.4g}" for n, v in metrics.items() if isinstance(v, float) and not math.isnan(v))
        best_text = f" (best {best.value:.4g} in epoch {best.epoch})" if best else ""
        self.metric_text = f" · {text}{best_text}"
        log.info(
            "epoch %d/%d: train_loss %.4g%s", epoch, self.training.settings.epochs, row["train_loss"], self.metric_text
        )


def _bar(forced: bool) -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.fields[metrics]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Bar(
        *columns, console=Console(stderr=True, force_terminal=forced or None), transient=True, refresh_per_second=4
    )
