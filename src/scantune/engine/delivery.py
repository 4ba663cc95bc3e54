"""Figures on their way to servers and log files: sent beside the training, kept where one is away, never twice.

A point is handed on only when a saved state covers its step: a training that is killed repeats the steps after its
last save, and most servers keep both points of a repeated step.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from scantune.engine import durable
from scantune.engine.history import Row
from scantune.engine.monitoring import EpochView
from scantune.outbox import Outbox, collect, leave

log = logging.getLogger(__name__)

#: A step (or epoch) and its figures.
Point = tuple[int, Mapping[str, float]]

_VALUES_A_CALL = 900  # MLflow takes at most 1,000 in one
_DELIVERED = "delivered.json"
_UNDELIVERED = "undelivered.jsonl"


class Sink(Protocol):
    """Where figures go. A sink may raise: what it did not take comes again later.

    Methods that it does not have are not called: ``histogram(epoch, name, counts, edges)``, ``text(epoch, name,
    words)``, ``image(epoch, name, pixels)``, ``model(path)``, ``last(name) -> int | None`` (the last step that it holds
    of a figure, so that none is sent twice after a kill), ``close()``.
    """

    name: str

    def metrics(self, points: Sequence[Point]) -> None:
        """Take all of ``points`` or raise."""
        ...


def points_of(rows: Sequence[Row], log_every: int = 1) -> list[Point]:
    """Rows as points: epochs under their own names by epoch, every so many steps as ``step/<name>`` by step."""
    points: list[Point] = []
    for row in rows:
        values = {k: float(v) for k, v in row.items() if isinstance(v, (int, float)) and k not in {"epoch", "step"}}
        finite = {k: v for k, v in values.items() if abs(v) < float("inf")}
        if row["kind"] == "epoch":
            points.append((int(row["epoch"]), finite))
        elif row["step"] == 1 or row["step"] % log_every == 0:
            points.append((int(row["step"]), {f"step/{k}": v for k, v in finite.items()}))
    return points


class _Line:
    """One sink and what it has not taken yet."""

    def __init__(self, sink: Sink, taken: int) -> None:
        self.sink, self.taken = sink, taken
        self._shown: dict[str, int] = {}  # the last epoch of each figure that the sink held when it was first sent
        self.points: Outbox[tuple[int, Point]] = Outbox(
            sink.name, self._take, batch=_VALUES_A_CALL, weigh=lambda numbered: len(numbered[1][1])
        )
        self.views: Outbox[EpochView] = Outbox(sink.name, self._show, batch=1, most=100)

    def send(self, *, now: bool = False) -> bool:
        """Hand on what waits; whether anything changed. A failing sink is left alone for a while."""
        changed = self.points.flush(now=now)
        return (not self.points and self.views.flush(now=now)) or changed

    def _take(self, numbered: list[tuple[int, Point]]) -> None:
        self.sink.metrics([point for _, point in numbered])
        self.taken = numbered[-1][0]

    def _show(self, views: list[EpochView]) -> None:
        for view in views:
            _show(self.sink, replace(view, figures=self._not_shown(view)))

    def _not_shown(self, view: EpochView) -> dict[str, float]:
        """Figures of an epoch that the sink does not hold: a training killed before its first save repeats epochs."""
        if not hasattr(self.sink, "last"):
            return view.figures
        for name in view.figures.keys() - self._shown.keys():
            self._shown[name] = self.sink.last(name) or 0
        return {name: value for name, value in view.figures.items() if view.epoch > self._shown[name]}


def _show(sink: Any, view: EpochView) -> None:
    if view.figures:
        sink.metrics([(view.epoch, view.figures)])
    for held in view.histograms if hasattr(sink, "histogram") else ():
        sink.histogram(view.epoch, held.name, held.counts, held.edges)
    for name, words in view.texts.items() if hasattr(sink, "text") else ():
        sink.text(view.epoch, name, words)
    for name, pixels in view.images.items() if hasattr(sink, "image") else ():
        sink.image(view.epoch, name, pixels)
    if view.model is not None and hasattr(sink, "model"):
        sink.model(view.model)


class Delivery:
    """Sends durable rows to the sinks from a thread of its own.

    Args:
        sinks: where to.
        folder: what was taken is remembered here, and what never was is left here; None remembers nothing.
        log_every: steps between points.
        patience: seconds given to the sinks at the end.
    """

    def __init__(self, sinks: Sequence[Sink], folder: Path | None, log_every: int = 10, patience: float = 15.0) -> None:
        self.folder, self.log_every, self.patience = folder, log_every, patience
        held = _taken_before(folder)
        self.lines = [_Line(sink, held.get(sink.name, 0)) for sink in sinks]
        self.seen = [line.taken for line in self.lines]
        self.wake, self.ending = threading.Condition(), False
        self.thread: threading.Thread | None = None

    def __enter__(self) -> Delivery:
        if self.lines:
            self.thread = threading.Thread(target=self._work, daemon=True, name="delivery")
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.thread is None:
            return
        with self.wake:
            self.ending = True
            self.wake.notify()
        self.thread.join(self.patience)
        self._leave_behind()
        for line in self.lines:
            _quietly(getattr(line.sink, "close", None))

    def durable(self, rows: Sequence[Row]) -> None:
        """Rows that a saved state covers: all of the history so far."""
        if not self.lines:
            return
        with self.wake:
            for i, line in enumerate(self.lines):
                fresh = _not_held(line.sink, rows, self.seen[i]) if self.seen[i] < len(rows) else []
                line.points.put(_numbered(fresh, self.log_every))
                self.seen[i] = len(rows)
            self.wake.notify()

    def monitor(self, view: EpochView) -> None:
        """What an epoch looked like; lost where a sink stays away for very long."""
        if not self.lines:
            return
        with self.wake:
            for line in self.lines:
                line.views.put([view])
            self.wake.notify()

    def _work(self) -> None:
        while True:
            with self.wake:
                if not self.ending:
                    self.wake.wait(1.0)
                ending = self.ending
            changed = [line.send(now=ending) for line in self.lines]
            if any(changed):
                self._remember()
            if ending:
                return

    def _remember(self) -> None:
        if self.folder is not None:
            taken = {line.sink.name: line.taken for line in self.lines}
            _quietly(partial(durable.write_json, self.folder / _DELIVERED, taken))

    def _leave_behind(self) -> None:
        for line in self.lines:
            left = [{"sink": line.sink.name, "step": p[0], "values": dict(p[1])} for _, p in line.points.left()]
            if not left:
                continue
            log.warning("%s did not take %d points; they are in the history files", line.sink.name, len(left))
            if self.folder is not None:
                _quietly(partial(leave, self.folder / _UNDELIVERED, left))


def _taken_before(folder: Path | None) -> dict[str, int]:
    path = folder / _DELIVERED if folder else None
    if path is None or not path.exists():
        return {}
    return {str(k): int(v) for k, v in json.loads(path.read_text()).items()}


def _not_held(sink: Any, rows: Sequence[Row], start: int) -> list[tuple[int, Row]]:
    """Rows from ``start`` on that the sink does not hold: it may have taken some just before a kill."""
    numbered = list(enumerate(rows[start:], start + 1))
    if not hasattr(sink, "last"):
        return numbered
    try:
        held = {"epoch": sink.last("train_loss") or 0, "step": sink.last("step/loss") or 0}
    except Exception:
        return numbered
    return [(n, row) for n, row in numbered if int(row[row["kind"]]) > held[row["kind"]]]


def _numbered(rows: Sequence[tuple[int, Row]], log_every: int) -> list[tuple[int, Point]]:
    return [(n, point) for n, row in rows for point in points_of([row], log_every)]


def _quietly(call: Callable[[], Any] | None) -> None:
    """Do it; a failure is said and ends nothing."""
    if call is None:
        return
    try:
        call()
    except Exception as error:
        log.warning("a logger could not be served: %s", type(error).__name__)


def send_left(folder: Path, sinks: Mapping[str, Sink]) -> int:
    """Send what an earlier training left behind in ``folder``; how many points are still there.

    Args:
        folder: the training's ``state_dir``.
        sinks: by the name they had.
    """

    def send(left: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = []
        for name in dict.fromkeys(point["sink"] for point in left):
            own = [point for point in left if point["sink"] == name]
            try:
                sinks[name].metrics([(point["step"], point["values"]) for point in own])
            except Exception:
                kept += own
        return kept

    return collect(folder / _UNDELIVERED, send)
