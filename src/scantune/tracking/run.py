"""An MLflow run: metrics are sent in batches and queued until the server accepts them."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from scantune.files import without_paths
from scantune.outbox import Outbox, collect, leave
from scantune.tracking.names import flatten, metric_name, metric_names
from scantune.tracking.points import send_points
from scantune.tracking.sending import MODEL_ID, Gone, content_digest, send
from scantune.tracking.store import TrackingError, first_line, found, tracking_uri, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

_LONG = 10.0  # seconds; a server that refuses does so at once
_PAUSE = 60.0  # seconds in which a server that was waited for in vain is not asked again
_BATCH = 500  # queued points before sending; log_batch accepts at most 1,000
_SECONDS = 10.0
_PARAM_LENGTH = 6000
_FILES = {"artifact", "text", "model"}


@dataclass
class Reach:
    """Whether a server answers: one that was waited for in vain is left alone for a while, so that one item holds a
    stage up, not each."""

    _away_until: float = 0.0

    @property
    def away(self) -> bool:
        """Whether it was waited for in vain a moment ago."""
        return time.monotonic() < self._away_until

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Within it something is sent, or an error raised."""
        start = time.monotonic()
        try:
            yield
        except Gone:  # read for long, perhaps, but not from the server
            raise
        except Exception:
            if time.monotonic() - start > _LONG:
                self._away_until = time.monotonic() + _PAUSE
            raise

    def reset(self) -> None:
        """Ask again."""
        self._away_until = 0.0


@dataclass
class Run:
    """An MLflow run; without a run id (MLflow disabled) every method does nothing.

    An unreachable server raises no error: points are queued, sent again, and at the end written to ``pending`` for the
    next run.
    """

    service: Any = None
    run_id: str | None = None
    pending: Path | None = None
    reach: Reach = field(default_factory=Reach)
    _sent_at: float = field(default_factory=time.monotonic)
    _warned: set[str] = field(default_factory=set)
    _failing: bool = False
    _refused: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._points: Outbox[dict[str, Any]] = Outbox("MLflow", self._send_points, batch=1000, longest=300.0)

    def _send_points(self, points: Sequence[Mapping[str, Any]]) -> None:
        with self.reach.attempt():
            send_points(self.service, self.run_id, points)

    @property
    def on(self) -> bool:
        """Whether MLflow is enabled."""
        return self.run_id is not None

    def params(self, values: Mapping[str, Any]) -> None:
        """Log settings once; one that is there already with another value becomes a tag ``param.<name>``.

        Of absolute paths and addresses among them only the last part is logged.
        """
        flat = flatten(without_paths(values))
        named = metric_names(flat)
        self._send("parameters", "params", values={named[k]: _text(v) for k, v in flat.items()})

    def metrics(
        self,
        values: Mapping[str, float | None],
        step: int = 0,
        *,
        model_id: str | None = None,
        dataset: tuple[str, str] | None = None,
    ) -> None:
        """Queue values of metrics. Undefined (None, NaN) and infinite values are not logged.

        Args:
            values: name to value.
            step: step or epoch.
            model_id: logged model of the metrics.
            dataset: name and digest of the evaluated data.
        """
        if not self.on:
            return
        now, named = int(time.time() * 1000), metric_names(values)
        for name, value in values.items():
            if value is None or not math.isfinite(value):
                continue
            point = {"key": named[name], "value": float(value), "timestamp": now, "step": int(step)}
            if model_id:
                point["model_id"] = model_id
            if model_id and dataset:
                point["dataset_name"], point["dataset_digest"] = dataset
            self._points.put([point])
        if len(self._points) >= _BATCH or time.monotonic() - self._sent_at > _SECONDS:
            self.flush()

    def send(self, points: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Send points at once, or raise: for a caller with its own queue.

        Args:
            points: step, and name to value.
        """
        if not self.on:
            return
        now = int(time.time() * 1000)
        send_points(
            self.service,
            self.run_id,
            [
                {"key": metric_name(name), "value": float(value), "timestamp": now, "step": int(step)}
                for step, values in points
                for name, value in values.items()
                if math.isfinite(value)
            ],
        )

    def last_step(self, name: str) -> int | None:
        """The last logged step of a metric; None where there is none."""
        if not self.on:
            return None
        history = self.service.get_metric_history(self.run_id, metric_name(name))
        return max((point.step for point in history), default=None)

    def flush(self) -> None:
        """Send queued points; points that cannot be sent remain in the queue."""
        if self.on and not self.reach.away and self._points.flush():
            self._sent_at = time.monotonic()

    def tags(self, values: Mapping[str, Any]) -> None:
        """Set tags."""
        self._send("tags", "tags", values={metric_name(k): _text(v) for k, v in values.items()})

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Log a file, or all files of a folder, under ``folder``."""
        if path.exists():
            self._send(f"artifact {path.name}", "artifact", path=str(path.absolute()), folder=folder)

    def text(self, text: str, name: str) -> None:
        """Log ``text`` as the file ``name``."""
        self._send(f"artifact {name}", "text", text=text, name=name)

    def dataset(self, name: str, digest: str, *, context: str, rows: int) -> None:
        """Log the data of the run, for the column Dataset of the user interface.

        Args:
            name: of the dataset in params.yaml.
            digest: of its samples, truncated to 36 characters.
            context: training, validation or test.
            rows: number of samples.
        """
        self._send("dataset", "dataset", name=name, digest=digest, context=context, rows=rows)

    def model(self, spec: Mapping[str, Any]) -> str | None:
        """Log a whole model; its id, or None where the server does not take it now.

        Args:
            spec: as :func:`scantune.tracking.models.log_whole` takes it.
        """
        if not self._send("model", "model", spec=dict(spec)):
            return None
        return self.service.get_run(self.run_id).data.tags.get(MODEL_ID)

    def _send(self, what: str, kind: str, **arguments: Any) -> bool:
        """Send an item now, or keep it to be sent at the end, or by the next run."""
        if not self.on:
            return False
        item = {"kind": kind, **arguments}
        if self.reach.away:
            self._refused.append(_with_digest(item))
            return False
        try:
            with self.reach.attempt():
                send(self.service, str(self.run_id), item)
        except Exception as error:
            if what not in self._warned and not self._failing:  # one line, not one for each item
                self._warned.add(what)
                why = first_line(error)
                log.warning("MLflow rejected the %s (%s); the run continues, and it is sent later", what, why)
            self._failing = True
            self._refused.append(_with_digest(item))
            return False
        self._failing = False
        return True

    def other(self, run_id: str) -> Run:
        """Another run of the same store, such as that of the training that is evaluated; to be closed by itself."""
        return Run(self.service, run_id, self.pending and self.pending.with_name(f"{run_id}.jsonl"), self.reach)

    def close(self, status: str | None) -> None:
        """Send what is kept, or leave it in ``pending``, and end the run.

        Args:
            status: FINISHED, FAILED or KILLED; None leaves it as it is. With it, a server that was waited for in vain
                is asked once more.
        """
        if not self.on:
            return
        if status:
            self.reach.reset()
        self._points.flush(now=True)
        end = [{"kind": "status", "status": status}] if status else []
        left = [*self._points.left(), *_unsent(self.service, str(self.run_id), [*self._refused, *end], self.reach)]
        if left and self.pending is not None:
            leave(self.pending, left)
            log.warning("%d items are queued in %s; the next run sends them", len(left), self.pending.name)


def _with_digest(item: dict[str, Any]) -> dict[str, Any]:
    """An item that names files, with what they are now: later there may be others in their place."""
    place = item.get("path") or item.get("spec", {}).get("folder")
    return {**item, "digest": content_digest(Path(place))} if place and "digest" not in item else item


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _PARAM_LENGTH else text[: _PARAM_LENGTH - 1] + "…"


def resend(service: MlflowClient, folder: Path) -> None:
    """Send what earlier runs could not, and close them; a file goes only when all of it went.

    Two processes do not send the same: the second one leaves it to the first.

    Raises:
        TrackingError: the server fails.
    """
    waiting = sorted(folder.glob("*.jsonl"))
    if not waiting:
        return
    try:
        with FileLock(folder / "sending.lock", timeout=0):
            for path in waiting:
                if _is_known(service, path):
                    collect(path, lambda items, run_id=path.stem: _resent(service, run_id, items))  # type: ignore[misc]
    except Timeout:
        return


def _is_known(service: MlflowClient, path: Path) -> bool:
    """Whether the store has the run of a file and shows it to this user, else a warning."""
    try:
        known = found(service.get_run, path.stem)
    except TrackingError as error:
        if getattr(error.__cause__, "error_code", None) != "PERMISSION_DENIED":
            raise
        log.warning("MLflow does not show run %s to this user: %s waits; ask for access, or delete it", path.stem, path)
        return False
    if known is not None and known.info.lifecycle_stage == "active":
        return True
    remedy = "set MLFLOW_TRACKING_URI to the store that has it" if known is None else "restore it there"
    log.warning(
        "MLflow at %s has %s run %s, for which %s waits: %s, or delete the file",
        *(without_password(tracking_uri()), "no" if known is None else "deleted the", path.stem, path, remedy),
    )
    return False


def _resent(service: MlflowClient, run_id: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    points, reach = [item for item in items if "kind" not in item], Reach()
    try:
        with reach.attempt():
            send_points(service, run_id, points)
        points = []
    except Exception as error:
        log.warning("values of run %s are still queued (%s)", run_id, type(error).__name__)
    return [*points, *_unsent(service, run_id, [item for item in items if "kind" in item], reach)]


def _unsent(service: MlflowClient, run_id: str, items: list[dict[str, Any]], reach: Reach) -> list[dict[str, Any]]:
    """Send items; those that were not taken. What is not there any more is given up.

    Files go last, before the run's end. Where the server was waited for in vain, the rest is not tried, but for the end
    after a file: a server may be out of reach for large files alone.
    """
    left: list[dict[str, Any]] = []
    failed, why = "", ""
    for item in sorted(items, key=lambda item: (item["kind"] == "status", item["kind"] in _FILES)):
        if reach.away and (item["kind"] != "status" or failed not in _FILES):
            left.append(item)
            continue
        try:
            with reach.attempt():
                send(service, run_id, item)
        except Gone as error:
            log.warning("%s of run %s is no longer what it was, and is not sent", error, run_id)
        except Exception as error:
            failed, why = item["kind"], why or first_line(error)
            left.append(item)
    if left:
        kinds = ", ".join(dict.fromkeys(item["kind"] for item in left))
        log.warning("run %s: still queued are %s (%s)", run_id, kinds, why or "the server did not answer")
    return left
