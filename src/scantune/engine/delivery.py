"""Delivery of metrics to servers and log files: in a background thread, queued while a server is away, never twice.

A point is sent only when a saved state covers its step: a training that was killed repeats the steps after its
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

#: A step (or epoch) and its metrics.
Point = tuple[int, Mapping[str, float]]

_VALUES_A_CALL = 900  # MLflow accepts at most 1,000 per call
_DELIVERED = "delivered.json"
_UNDELIVERED = "undelivered.jsonl"


class Sink(Protocol):
    """Destination of metrics. A sink may raise: what it did not accept is sent again later.

    Optional methods: ``histogram(epoch, name, counts, edges)``, ``text(epoch, name, text)``, ``image(epoch, name,
    pixels)``, ``model(path)``, ``last(name) -> int | None`` (the last step that the sink has of a metric, so that no
    point is sent twice after a kill), ``close()``.
    """

    name: str

    def metrics(self, points: Sequence[Point]) -> None:
        """Accept all of ``points`` or raise."""
        ...


def points_of(rows: Sequence[Row], log_every: int = 1) -> list[Point]:
    """Points of history rows: epochs by name and epoch, every ``log_every``-th step as ``step/<name>`` by step."""
    points: list[Point] = []
    for row in rows:
        values = {k: float(v) for k, v in row.items() if isinstance(v, (int, float)) and k not in {"epoch", "step"}}
        finite = {k: v for k, v in values.items() if abs(v) < float("inf")}
        if row["kind"] == "epoch":
            points.append((int(row["epoch"]), finite))
        elif row["step"] == 1 or row["step"] % log_every == 0:
            points.append((int(row["step"]), {f"step/{k}": v for k, v in finite.items()}))
    return points


class _Channel:
    """One sink and its queue."""

    def __init__(self, sink: Sink, delivered: int) -> None:
        self.sink, self.delivered = sink, delivered
        self._last_steps: dict[str, int] | None = None  # the last epoch and step that the sink had at the start
        self._last_epochs: dict[str, int] = {}  # the last epoch of each metric that the sink had at the start
        self.points: Outbox[tuple[int, Point]] = Outbox(
            sink.name, self._send_points, batch=_VALUES_A_CALL, weigh=lambda numbered: len(numbered[1][1])
        )
        self.views: Outbox[EpochView] = Outbox(sink.name, self._send_views, batch=1, most=100)

    def send(self, *, now: bool = False) -> bool:
        """Send the queue; whether anything changed. A failing sink is not called again for a while."""
        changed = self.points.flush(now=now)
        return (not self.points and self.views.flush(now=now)) or changed

    def _send_points(self, numbered: list[tuple[int, Point]]) -> None:
        points = [point for _, point in numbered if self._is_missing(point)]
        if points:
            self.sink.metrics(points)
        self.delivered = numbered[-1][0]

    def _is_missing(self, point: Point) -> bool:
        """Whether the sink lacks a point: it may have accepted some just before a kill."""
        if not hasattr(self.sink, "last"):
            return True
        if self._last_steps is None:
            names = {"epoch": "train_loss", "step": "step/loss"}
            self._last_steps = {kind: self.sink.last(name) or 0 for kind, name in names.items()}
        step, values = point
        return step > self._last_steps["step" if any(name.startswith("step/") for name in values) else "epoch"]

    def _send_views(self, views: list[EpochView]) -> None:
        for view in views:
            _send_view(self.sink, replace(view, metrics=self._undelivered(view)))

    def _undelivered(self, view: EpochView) -> dict[str, float]:
        """Metrics of an epoch that the sink lacks: a training killed before its first save repeats epochs."""
        if not hasattr(self.sink, "last"):
            return view.metrics
        for name in view.metrics.keys() - self._last_epochs.keys():
            self._last_epochs[name] = self.sink.last(name) or 0
        return {name: value for name, value in view.metrics.items() if view.epoch > self._last_epochs[name]}


def _send_view(sink: Any, view: EpochView) -> None:
    if view.metrics:
        sink.metrics([(view.epoch, view.metrics)])
    for histogram in view.histograms if hasattr(sink, "histogram") else ():
        sink.histogram(view.epoch, histogram.name, histogram.counts, histogram.edges)
    for name, words in view.texts.items() if hasattr(sink, "text") else ():
        sink.text(view.epoch, name, words)
    for name, pixels in view.images.items() if hasattr(sink, "image") else ():
        sink.image(view.epoch, name, pixels)
    if view.model is not None and hasattr(sink, "model"):
        sink.model(view.model)


class Delivery:
    """Sends durable rows to the sinks from a background thread.

    Args:
        sinks: destinations.
        folder: of the record of delivered and undelivered points; None keeps no record.
        log_every: steps between points.
        patience: seconds that the sinks have at the end.
    """

    def __init__(self, sinks: Sequence[Sink], folder: Path | None, log_every: int = 10, patience: float = 15.0) -> None:
        self.folder, self.log_every, self.patience = folder, log_every, patience
        delivered = _read_delivered(folder)
        self.channels = [_Channel(sink, delivered.get(sink.name, 0)) for sink in sinks]
        self.queued = [channel.delivered for channel in self.channels]
        self.wake, self.ending = threading.Condition(), False
        self.thread: threading.Thread | None = None

    def __enter__(self) -> Delivery:
        if self.channels:
            self.thread = threading.Thread(target=self._deliver, daemon=True, name="delivery")
            self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.thread is None:
            return
        with self.wake:
            self.ending = True
            self.wake.notify()
        self.thread.join(self.patience)
        self._write_undelivered()
        for channel in self.channels:
            _call_safely(getattr(channel.sink, "close", None))

    def durable(self, rows: Sequence[Row]) -> None:
        """Queue the rows that a saved state covers: the whole history so far."""
        if not self.channels:
            return
        with self.wake:
            for i, channel in enumerate(self.channels):
                channel.points.put(_numbered(rows, self.queued[i], self.log_every))
                self.queued[i] = len(rows)
            self.wake.notify()

    def monitor(self, view: EpochView) -> None:
        """Queue the view of an epoch; lost where a sink stays unreachable for very long."""
        if not self.channels:
            return
        with self.wake:
            for channel in self.channels:
                channel.views.put([view])
            self.wake.notify()

    def _deliver(self) -> None:
        while True:
            with self.wake:
                if not self.ending:
                    self.wake.wait(1.0)
                ending = self.ending
            changed = [channel.send(now=ending) for channel in self.channels]
            if any(changed):
                self._write_delivered()
            if ending:
                return

    def _write_delivered(self) -> None:
        if self.folder is not None:
            delivered = {channel.sink.name: channel.delivered for channel in self.channels}
            _call_safely(partial(durable.write_json, self.folder / _DELIVERED, delivered))

    def _write_undelivered(self) -> None:
        for channel in self.channels:
            name = channel.sink.name
            undelivered = [{"sink": name, "step": p[0], "values": dict(p[1])} for _, p in channel.points.left()]
            if not undelivered:
                continue
            log.warning("%s did not accept %d points; the history files have them", name, len(undelivered))
            if self.folder is not None:
                _call_safely(partial(leave, self.folder / _UNDELIVERED, undelivered))


def _read_delivered(folder: Path | None) -> dict[str, int]:
    path = folder / _DELIVERED if folder else None
    if path is None or not path.exists():
        return {}
    return {str(k): int(v) for k, v in json.loads(path.read_text()).items()}


def _numbered(rows: Sequence[Row], start: int, log_every: int) -> list[tuple[int, Point]]:
    """Points of the rows from ``start`` on, each with the number of its row."""
    return [(n, point) for n, row in enumerate(rows[start:], start + 1) for point in points_of([row], log_every)]


def _call_safely(call: Callable[[], Any] | None) -> None:
    """Call, and log a failure instead of raising it."""
    if call is None:
        return
    try:
        call()
    except Exception as error:
        log.warning("a logger failed: %s", type(error).__name__)


def send_left(folder: Path, sinks: Mapping[str, Sink]) -> int:
    """Send the undelivered points of an earlier training; the number of points that remain undelivered.

    Args:
        folder: the training's ``state_dir``.
        sinks: by their name in that training.
    """

    def send(left: list[dict[str, Any]]) -> list[dict[str, Any]]:
        remaining = []
        for name in dict.fromkeys(point["sink"] for point in left):
            points = [point for point in left if point["sink"] == name]
            try:
                sinks[name].metrics([(point["step"], point["values"]) for point in points])
            except Exception:
                remaining += points
        return remaining

    return collect(folder / _UNDELIVERED, send)
