"""Runs in MLflow: opened, fed in batches, kept when the server is away.

MLflow itself is imported when a run is opened, not before. Everything goes through ``MlflowClient``: the fluent
interface would add the user's name and the script's path as tags.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scantune.records import ScantuneError

log = logging.getLogger(__name__)

OFF = {"off", "0", "false", "no"}
_BATCH = 500  # points kept before they are sent; a log_batch takes at most 1,000
_SECONDS = 10.0
_PARAM_LENGTH = 6000


class TrackingError(ScantuneError):
    """The tracking server cannot be reached, or refuses."""


@dataclass(frozen=True)
class RunReference:
    """What ``run.json`` holds: enough for the next stage to find the run, and the model that it logged."""

    run_id: str | None
    model_id: str | None = None

    @classmethod
    def read(cls, path: Path) -> RunReference:
        """The reference in ``path``; an empty one where the file does not exist."""
        if not path.exists():
            return cls(None)
        held = json.loads(path.read_text())
        return cls(held.get("run_id"), held.get("model_id"))

    def write(self, path: Path) -> None:
        """Write to ``path``, making its folder."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"run_id": self.run_id, "model_id": self.model_id}) + "\n")


def project_home(start: Path | None = None) -> Path:
    """The project's own folder, also from the copy below ``.dvc/tmp`` in which ``dvc exp run --temp`` works."""
    here = (start or Path.cwd()).resolve()
    for parent in (here, *here.parents):
        if parent.name == ".dvc" and here.is_relative_to(parent / "tmp"):
            return parent.parent
    return next((p for p in (here, *here.parents) if (p / "dvc.yaml").exists()), here)


def tracking_uri() -> str:
    """``MLFLOW_TRACKING_URI`` where it is set, else the SQLite store beside ``dvc.yaml``."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_home() / 'mlflow.db'}"


def switched_off(enabled: bool = True) -> bool:
    """Whether MLflow is off: by the key ``tracking.enabled``, by ``SCANTUNE_MLFLOW=off``, or not being rank 0."""
    if int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0")) or 0) != 0:
        return True
    return not enabled or os.environ.get("SCANTUNE_MLFLOW", "on").lower() in OFF


def take_parent_run() -> str | None:
    """The run that ``mlflow run`` opened, taken out of the environment.

    Left there, every run opened below would resume that same one and their parameters would collide.
    """
    run_id = os.environ.pop("MLFLOW_RUN_ID", None)
    if run_id:
        os.environ["SCANTUNE_PARENT_RUN_ID"] = run_id
    return os.environ.get("SCANTUNE_PARENT_RUN_ID")


def _prepare_environment() -> None:
    """What MLflow reads at import: a server that is away must not hold a call for minutes; no pickles."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "15")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "1")
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    os.environ.setdefault("MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING", "false")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("DO_NOT_TRACK", "true")


def client() -> Any:
    """An ``MlflowClient`` of :func:`tracking_uri`, which is made the process's own store as well.

    Raises:
        TrackingError: MLflow cannot be opened at that address.
    """
    _prepare_environment()
    import mlflow

    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    logging.getLogger("mlflow.tracking.fluent").setLevel(logging.ERROR)
    uri = tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        return mlflow.MlflowClient(uri)
    except Exception as error:
        raise TrackingError(_away(error)) from error


def _away(error: Exception) -> str:
    first = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
    return (
        f"MLflow cannot be reached at {_shown(tracking_uri())}: {_shown(first)}. Start the server, set "
        "MLFLOW_TRACKING_URI to one that answers, or go on without MLflow by SCANTUNE_MLFLOW=off "
        "(or tracking.require: false in params.yaml)"
    )


def _shown(text: str) -> str:
    """``text`` as a terminal may show it: no password in an address."""
    return re.sub(r"//[^@/\s]+@", "//…@", text)


def experiment_id(service: Any, name: str, description: str = "") -> str:
    """The id of the MLflow experiment ``name``, made where it does not exist (one a dataset)."""
    found = service.get_experiment_by_name(name)
    if found is None:
        location = None
        if tracking_uri().startswith("sqlite:"):
            location = (project_home() / "mlartifacts").as_uri()
        with contextlib.suppress(Exception):  # two stages may make it at once: the second finds it below
            service.create_experiment(name, artifact_location=location)
        found = service.get_experiment_by_name(name)
    elif found.lifecycle_stage == "deleted":
        service.restore_experiment(found.experiment_id)
    if description and found.tags.get("mlflow.note.content") != description:
        service.set_experiment_tag(found.experiment_id, "mlflow.note.content", description)
    if found.tags.get("mlflow.experimentKind") != "custom_model_development":
        service.set_experiment_tag(found.experiment_id, "mlflow.experimentKind", "custom_model_development")
    return found.experiment_id


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
    """``name`` in the letters that MLflow takes; the others become ``_``."""
    return re.sub(r"[^A-Za-z0-9_\-./ :]", "_", name)


@dataclass
class Run:
    """One MLflow run, or nothing at all where MLflow is switched off: every method then does nothing.

    A server that goes away while the run is open never raises from here: points are kept, tried again, and at the end
    written to ``pending`` for the next run to send.
    """

    service: Any = None
    run_id: str | None = None
    pending: Path | None = None
    _points: list[dict[str, Any]] = field(default_factory=list)
    _sent_at: float = field(default_factory=time.monotonic)
    _away_until: float = 0.0
    _failures: int = 0
    _warned: set[str] = field(default_factory=set)

    @property
    def on(self) -> bool:
        """Whether anything is logged at all."""
        return self.run_id is not None

    def params(self, values: Mapping[str, Any]) -> None:
        """Log settings once; one that is there already with another value becomes a tag ``param.<name>``."""
        if not self.on:
            return
        flat = {k: _text(v) for k, v in flatten(values).items()}
        self._try("parameters", lambda: self._send_params(flat))

    def _send_params(self, flat: dict[str, str]) -> None:
        from mlflow.entities import Param

        held = self.service.get_run(self.run_id).data.params
        fresh = [Param(metric_name(k), v) for k, v in flat.items() if metric_name(k) not in held]
        for start in range(0, len(fresh), 100):
            self.service.log_batch(self.run_id, params=fresh[start : start + 100])
        for name, value in flat.items():
            if held.get(metric_name(name), value) != value:
                self.service.set_tag(self.run_id, f"param.{metric_name(name)}", value)

    def metrics(
        self,
        values: Mapping[str, float | None],
        step: int = 0,
        *,
        model_id: str | None = None,
        dataset: tuple[str, str] | None = None,
    ) -> None:
        """Keep points to be sent in batches. Undefined ones (None, NaN) and infinite ones are not points.

        Args:
            values: name to value.
            step: the step or epoch they belong to.
            model_id: the logged model that they are figures of.
            dataset: name and digest of the data they were measured on.
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
            self._points.append(point)
        if len(self._points) >= _BATCH or time.monotonic() - self._sent_at > _SECONDS:
            self.flush()

    def send(self, points: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Send points at once, or raise: for a caller that keeps what was not taken.

        Args:
            points: step, and name to value.
        """
        if not self.on:
            return
        now = int(time.time() * 1000)
        _send_points(
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
        """The last step that the run holds of a figure; None where it holds none."""
        if not self.on:
            return None
        held = self.service.get_metric_history(self.run_id, metric_name(name))
        return max((point.step for point in held), default=None)

    def flush(self) -> None:
        """Send the points that are kept; what cannot be sent stays."""
        if not self.on or not self._points or time.monotonic() < self._away_until:
            return
        sent = self._try("metrics", lambda: _send_points(self.service, self.run_id, self._points))
        self._sent_at = time.monotonic()
        if sent:
            self._points = []
            self._failures = 0
        else:  # wait longer each time, so that an absent server costs the training little
            self._failures += 1
            self._away_until = time.monotonic() + min(300.0, 5.0 * 2**self._failures)

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
        """Say which data the run used: shown in the UI's Dataset column.

        Args:
            name: the dataset's name in params.yaml.
            digest: of its samples; at most 36 characters are kept.
            context: training, validation or test.
            rows: number of samples.
        """
        if not self.on:
            return
        from mlflow.entities import Dataset, DatasetInput, InputTag

        held = Dataset(
            name=name,
            digest=digest[:36],
            source_type="code",
            source=json.dumps({"tags": {"dataset": name}}),
            profile=json.dumps({"num_rows": rows}),
        )
        given = DatasetInput(held, [InputTag("mlflow.data.context", context)])
        self._try("dataset", lambda: self.service.log_inputs(self.run_id, [given]))

    def _try(self, what: str, send: Any) -> bool:
        try:
            send()
        except Exception as error:
            if what not in self._warned:
                self._warned.add(what)
                first = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
                log.warning("MLflow did not take the %s (%s); the run goes on, its files hold it", what, _shown(first))
            return False
        return True

    def _close(self, status: str) -> None:
        if not self.on:
            return
        self._away_until = 0.0
        self.flush()
        if self._points and self.pending is not None:
            self.pending.parent.mkdir(parents=True, exist_ok=True)
            with self.pending.open("a") as file:
                file.writelines(json.dumps(point) + "\n" for point in self._points)
            log.warning("%d points wait in %s; the next run sends them", len(self._points), self.pending.name)
        self._try("status", lambda: self.service.set_terminated(self.run_id, status))


def _send_points(service: Any, run_id: str | None, points: list[dict[str, Any]]) -> None:
    from mlflow.entities import Metric

    metrics = [Metric(**point, run_id=run_id) for point in points]
    for start in range(0, len(metrics), 1000):
        service.log_batch(run_id, metrics=metrics[start : start + 1000])


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= _PARAM_LENGTH else text[: _PARAM_LENGTH - 1] + "…"


def _resend(service: Any, folder: Path) -> None:
    """Send what earlier runs could not; a file goes only when all of it went."""
    for path in sorted(folder.glob("*.jsonl")):
        points = [json.loads(line) for line in path.read_text().splitlines() if line]
        try:
            _send_points(service, path.stem, points)
        except Exception as error:
            log.warning("points of run %s still wait (%s)", path.stem, type(error).__name__)
            continue
        path.unlink()


@contextlib.contextmanager
def open_run(
    stage: str,
    key: str,
    *,
    dataset: str,
    description: str = "",
    tags: Mapping[str, str] | None = None,
    parent: str | None = None,
    resume: str | None = None,
    enabled: bool = True,
    require: bool = True,
) -> Iterator[Run]:
    """The MLflow run of one stage execution.

    Args:
        stage: preprocess, split, train, evaluate, register.
        key: the block of params.yaml; the run is named ``<stage> <key>``.
        dataset: names the MLflow experiment.
        description: of the MLflow experiment.
        tags: further tags.
        parent: run id of the parent; one that the store does not know is passed over.
        resume: run id to go on with (after a kill); a new run is opened where the store does not know it.
        enabled: False switches MLflow off.
        require: whether a server that cannot be reached stops the stage.

    Raises:
        TrackingError: the server cannot be reached and ``require`` is set.
    """
    outer = take_parent_run()
    if switched_off(enabled):
        yield Run()
        return
    try:
        run = _open(stage, key, dataset, description, dict(tags or {}), parent or outer, resume)
    except Exception as error:
        if require:
            raise error if isinstance(error, TrackingError) else TrackingError(_away(error)) from error
        log.warning("%s", _away(error))
        yield Run()
        return
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    except SystemExit as error:
        status = "FINISHED" if error.code in (None, 0) else "KILLED"
        raise
    finally:
        run._close(status)


def _open(
    stage: str, key: str, dataset: str, description: str, tags: dict[str, str], parent: str | None, resume: str | None
) -> Run:
    service = client()
    waiting = project_home() / ".scantune" / "pending"
    _resend(service, waiting)
    experiment = experiment_id(service, dataset, description)
    if resume and (held := _find(service, resume)) is not None:
        service.update_run(held.info.run_id, status="RUNNING")
        return Run(service, resume, waiting / f"{resume}.jsonl")
    tags |= {
        "mlflow.user": "scantune",  # MLflow would put the login name here, and a path below
        "mlflow.source.name": f"stages/{stage}.py",
        "mlflow.source.type": "LOCAL",
        "scantune.stage": stage,
        "scantune.key": key,
    }
    if parent and (found := _find(service, parent)) is not None and found.info.experiment_id == experiment:
        tags["mlflow.parentRunId"] = parent
    elif parent:
        tags["scantune.parent_run_id"] = parent
    made = service.create_run(experiment, tags=tags, run_name=f"{stage} {key}")
    return Run(service, made.info.run_id, waiting / f"{made.info.run_id}.jsonl")


def _find(service: Any, run_id: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        found = service.get_run(run_id)
    except MlflowException:
        return None
    return found if found.info.lifecycle_stage == "active" else None
