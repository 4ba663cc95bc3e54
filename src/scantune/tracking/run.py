"""An MLflow run: metrics are sent in batches and queued until the server accepts them."""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scantune.outbox import Outbox, collect, leave
from scantune.tracking.store import first_line

log = logging.getLogger(__name__)

_BATCH = 500  # queued points before sending; log_batch accepts at most 1,000
_SECONDS = 10.0
_PARAM_LENGTH = 6000


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings as ``train.learning_rate: 0.001``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, name)
        else:
            flat[name] = value
    return flat


def metric_name(name: str) -> str:
    """``name`` with characters that MLflow does not accept replaced by ``_``."""
    return re.sub(r"[^A-Za-z0-9_\-./ :]", "_", name)


@dataclass
class Run:
    """An MLflow run; without a run id (MLflow disabled) every method does nothing.

    An unreachable server raises no error: points are queued, sent again, and at the end written to ``pending`` for the
    next run.
    """

    service: Any = None
    run_id: str | None = None
    pending: Path | None = None
    _sent_at: float = field(default_factory=time.monotonic)
    _warned: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._points: Outbox[dict[str, Any]] = Outbox(
            "MLflow", lambda points: send_points(self.service, self.run_id, points), batch=1000, longest=300.0
        )

    @property
    def on(self) -> bool:
        """Whether MLflow is enabled."""
        return self.run_id is not None

    def params(self, values: Mapping[str, Any]) -> None:
        """Log settings; a setting already logged with another value becomes a tag ``param.<name>``."""
        if not self.on:
            return
        flat = {k: _text(v) for k, v in flatten(values).items()}
        self._try("parameters", lambda: self._send_params(flat))

    def _send_params(self, flat: dict[str, str]) -> None:
        from mlflow.entities import Param

        logged = self.service.get_run(self.run_id).data.params
        new = [Param(metric_name(k), v) for k, v in flat.items() if metric_name(k) not in logged]
        for start in range(0, len(new), 100):
            self.service.log_batch(self.run_id, params=new[start : start + 100])
        for name, value in flat.items():
            if logged.get(metric_name(name), value) != value:
                self.service.set_tag(self.run_id, f"param.{metric_name(name)}", value)

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
        now = int(time.time() * 1000)
        for name, value in values.items():
            if value is None or not math.isfinite(value):
                continue
            point = {"key": metric_name(name), "value": float(value), "timestamp": now, "step": int(step)}
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
        if self.on and self._points.flush():
            self._sent_at = time.monotonic()

    def tags(self, values: Mapping[str, Any]) -> None:
        """Set tags."""
        if self.on:
            from mlflow.entities import RunTag

            tags = [RunTag(k, _text(v)) for k, v in values.items()]
            self._try("tags", lambda: self.service.log_batch(self.run_id, tags=tags))

    def artifact(self, path: Path, folder: str | None = None) -> None:
        """Log a file, or all files of a folder, under ``folder``."""
        if not self.on or not path.exists():
            return
        send = self.service.log_artifacts if path.is_dir() else self.service.log_artifact
        self._try(f"artifact {path.name}", lambda: send(self.run_id, str(path), folder))

    def text(self, text: str, name: str) -> None:
        """Log ``text`` as the file ``name``."""
        if self.on:
            self._try(f"artifact {name}", lambda: self.service.log_text(self.run_id, text, name))

    def dataset(self, name: str, digest: str, *, context: str, rows: int) -> None:
        """Log the data of the run, for the column Dataset of the user interface.

        Args:
            name: of the dataset in params.yaml.
            digest: of its samples, truncated to 36 characters.
            context: training, validation or test.
            rows: number of samples.
        """
        if not self.on:
            return
        from mlflow.entities import Dataset, DatasetInput, InputTag

        dataset = Dataset(
            name=name,
            digest=digest[:36],
            source_type="code",
            source=json.dumps({"tags": {"dataset": name}}),
            profile=json.dumps({"num_rows": rows}),
        )
        dataset_input = DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
        self._try("dataset", lambda: self.service.log_inputs(self.run_id, [dataset_input]))

    def _try(self, what: str, send: Any) -> bool:
        try:
            send()
        except Exception as error:
            if what not in self._warned:
                self._warned.add(what)
                reason = first_line(error)
                log.warning("MLflow rejected the %s (%s); the run continues, and its files contain it", what, reason)
            return False
        return True

    def close(self, status: str) -> None:
        """Send queued points, or write them to ``pending``, and end the run as FINISHED, FAILED or KILLED."""
        if not self.on:
            return
        self._points.flush(now=True)
        if self._points and self.pending is not None:
            leave(self.pending, self._points.left())
            log.warning("%d values are queued in %s; the next run sends them", len(self._points), self.pending.name)
        self._try("status", lambda: self.service.set_terminated(self.run_id, status))


def send_points(service: Any, run_id: str | None, points: list[dict[str, Any]]) -> None:
    """Send points of a run in batches of the size that MLflow accepts; raises its errors."""
    from mlflow.entities import Metric

    metrics = [Metric(**point, run_id=run_id) for point in points]
    for start in range(0, len(metrics), 1000):
        service.log_batch(run_id, metrics=metrics[start : start + 1000])


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _PARAM_LENGTH else text[: _PARAM_LENGTH - 1] + "…"


def resend(service: Any, folder: Path) -> None:
    """Send the queued points of earlier runs; a file is removed when all its points are sent."""
    for path in sorted(folder.glob("*.jsonl")):
        collect(path, lambda points, run_id=path.stem: _resent(service, run_id, points))  # type: ignore[misc]


def _resent(service: Any, run_id: str, points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        send_points(service, run_id, points)
    except Exception as error:
        log.warning("values of run %s are still queued (%s)", run_id, type(error).__name__)
        return points
    return []
