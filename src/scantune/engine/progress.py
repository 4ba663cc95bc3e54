"""Progress of a training: a bar in a terminal, elsewhere a line a minute; position, speed, losses, time left."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from scantune.engine.pace import Pace
from scantune.engine.training import Training
from scantune.progress import LINE_SECONDS

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

log = logging.getLogger(__name__)


class Progress:
    """A progress bar over all steps in a terminal, otherwise a line a minute; in both a line per epoch.

    Args:
        training: its position is read.
        visible: draw the bar.
        clock: seconds, monotonic.
    """

    def __init__(self, training: Training, visible: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.training, self.clock = training, clock
        self.bar: Bar | None = _bar(training.settings.progress is True) if visible else None
        self.task: Any = None
        self.metric_text = ""
        self.pace = Pace(training, clock())
        self.reported = clock()
        self.open = ExitStack()

    @classmethod
    def of(cls, training: Training) -> Progress:
        """The progress of a training, displayed by the first process only."""
        setting = training.settings.progress
        visible = sys.stderr.isatty() if setting is None else setting
        return cls(training, visible and training.fabric.is_global_zero)

    def __enter__(self) -> Progress:
        if self.bar is not None:
            total = self.training.steps_per_epoch * self.training.settings.epochs
            self.open.enter_context(_lines_above(self.bar))
            self.task = self.bar.add_task("", total=total, completed=self.training.position.step, text="", pace="")
        return self

    def __exit__(self, *_: object) -> None:
        self.open.close()

    def step(self, values: Mapping[str, float]) -> None:
        """Report a step: its loss, and its terms where there are several."""
        self.pace.step(self.clock())
        terms = [f"{name}_loss" for name in self.training.terms] if len(self.training.terms) > 1 else []
        losses = " · ".join(f"{name} {values[name]:.4g}" for name in ("loss", *terms))
        self._show(f"{self._epoch()} · {losses}{self.metric_text}", self.pace.text())

    def validation(self, batch: int, batches: int) -> None:
        """Report that a batch of the validation set was evaluated, of so many."""
        self._show(f"{self._epoch()} · validation {batch}/{batches}{self.metric_text}", self.pace.text())

    def epoch_end(self, epoch: int, row: Mapping[str, Any]) -> None:
        """Report an epoch: its losses, the first metric of the task and the monitored one."""
        self.pace.epoch(self.clock())
        monitor, best = self.training.settings.monitor, self.training.checkpoints.best()
        headline = next((f"val_{name}" for name in self.training.task.epoch_metrics), "val_loss")
        metrics = {name: row.get(name) for name in dict.fromkeys(("val_loss", headline, monitor))}
        text = " · ".join(f"{n} {v:.4g}" for n, v in metrics.items() if isinstance(v, float) and not math.isnan(v))
        best_text = f"best {best.value:.4g} in epoch {best.epoch}" if best else ""
        self.metric_text = "".join([f" · {text}" if text else "", f" ({best_text})" if best_text else ""])
        epochs = self.training.settings.epochs
        left = "" if epoch >= epochs else f" · {self.pace.left()} left"
        log.info("epoch %d/%d: train_loss %.4g%s%s", epoch, epochs, row["train_loss"], self.metric_text, left)
        self.reported = self.clock()

    def _epoch(self) -> str:
        position, settings = self.training.position, self.training.settings
        return f"epoch {min(position.epoch + 1, settings.epochs)}/{settings.epochs}"

    def _show(self, text: str, pace: str) -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=self.training.position.step, text=text, pace=pace)
        elif self.clock() - self.reported >= LINE_SECONDS:
            step, total = self.training.position.step, self.training.steps_per_epoch * self.training.settings.epochs
            log.info("%s · step %d/%d · %s", text, step, total, pace)
            self.reported = self.clock()


def _bar(forced: bool) -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    columns = (  # in a narrow terminal the text is cut, and the time left stays
        TextColumn("{task.fields[text]}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}", markup=False),
    )
    console = Console(stderr=True, force_terminal=forced or None)
    return Bar(*columns, console=console, transient=True, refresh_per_second=4, expand=True)


@contextmanager
def _lines_above(bar: Bar) -> Iterator[None]:
    """Draw a bar; meanwhile log lines are written above it, not into it."""
    terminal = sys.stderr
    bar.start()  # sys.stderr is now a writer that knows of the bar
    handlers = [h for h in logging.getLogger().handlers if getattr(h, "stream", None) is terminal]
    for handler in handlers:
        handler.setStream(sys.stderr)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(terminal)  # type: ignore[attr-defined]
        bar.stop()
