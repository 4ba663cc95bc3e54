"""What a person at the terminal sees: where the training is, how it goes, how long it will take."""

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
    """A bar over all steps where a terminal is watching, a line an epoch in the log otherwise."""

    def __init__(self, training: Training, shown: bool) -> None:
        self.training = training
        forced = training.settings.progress is True
        self.bar: Bar | None = _bar(forced) if shown else None
        self.task: Any = None
        self.figures = ""

    @classmethod
    def of(cls, training: Training) -> Progress:
        """The progress of a training; the first process alone shows one."""
        wanted = training.settings.progress
        shown = sys.stderr.isatty() if wanted is None else wanted
        return cls(training, shown and training.fabric.is_global_zero)

    def __enter__(self) -> Progress:
        if self.bar is not None:
            total = self.training.steps_per_epoch * self.training.settings.epochs
            self.bar.start()
            self.task = self.bar.add_task("", total=total, completed=self.training.position.step, figures="")
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

    def step(self, values: Mapping[str, float]) -> None:
        """A step was done."""
        if self.bar is None:
            return
        position, settings = self.training.position, self.training.settings
        words = f"epoch {position.epoch + 1}/{settings.epochs} · loss {values['loss']:.4g}{self.figures}"
        self.bar.update(self.task, completed=position.step, figures=words)

    def epoch_end(self, epoch: int, row: Mapping[str, Any]) -> None:
        """An epoch was done."""
        monitor, best = self.training.settings.monitor, self.training.checkpoints.best()
        shown = {name: row.get(name) for name in dict.fromkeys(("val_loss", monitor))}
        words = " · ".join(f"{n} {v:.4g}" for n, v in shown.items() if isinstance(v, float) and not math.isnan(v))
        best_words = f" (best {best.value:.4g} in epoch {best.epoch})" if best else ""
        self.figures = f" · {words}{best_words}"
        log.info(
            "epoch %d/%d: train_loss %.4g%s", epoch, self.training.settings.epochs, row["train_loss"], self.figures
        )


def _bar(forced: bool) -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.fields[figures]}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Bar(
        *columns, console=Console(stderr=True, force_terminal=forced or None), transient=True, refresh_per_second=4
    )
