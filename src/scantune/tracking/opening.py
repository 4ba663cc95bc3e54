"""Opening, resuming and closing the run of a stage, and the reference to it for the next stage."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.files import write_json
from scantune.tracking import unfinished
from scantune.tracking.names import NAME_LENGTH
from scantune.tracking.run import Run, resend
from scantune.tracking.sending import MODEL_ID
from scantune.tracking.store import (
    TrackingError,
    client,
    experiment_id,
    found,
    own_folder,
    switched_off,
    take_parent_run,
    unreachable_message,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)

#: Environment variable of a variant: what was changed, for the names of its runs.
CHANGED = "SCANTUNE_CHANGED"

#: Tags of a run that was made again from outputs: the run and the model of the former store.
RESTORED_RUN, RESTORED_MODEL = "scantune.restored_run", "scantune.restored_model"


@dataclass(frozen=True)
class RunReference:
    """Content of ``run.json``: ids of the run and of its logged model, for the next stage."""

    run_id: str | None
    model_id: str | None = None

    @classmethod
    def read(cls, path: Path) -> RunReference:
        """The reference in ``path``; an empty one where the file does not exist."""
        if not path.exists():
            return cls(None)
        content = json.loads(path.read_text())
        return cls(content.get("run_id"), content.get("model_id"))

    def completed(self, run: Run) -> RunReference:
        """With the model that was sent after the training had ended, where it could not be logged at once."""
        if self.model_id or not self.run_id or not run.on:
            return self
        stored = _find(run.service, self.run_id)
        return self if stored is None else RunReference(self.run_id, stored.data.tags.get(MODEL_ID))

    def write(self, path: Path) -> None:
        """Write to ``path`` and create its folder."""
        write_json(path, {"run_id": self.run_id, "model_id": self.model_id})

    def in_store(self, enabled: bool = True) -> RunReference:
        """The run and model as the store knows them: themselves, those restored from outputs, or none.

        Args:
            enabled: False where MLflow is off: the reference is then returned as it is.

        Raises:
            TrackingError: the server cannot be reached.
        """
        if switched_off(enabled) or self.run_id is None:
            return self
        service = client()
        try:
            if _find(service, self.run_id) is not None:
                return self
            experiments = [experiment.experiment_id for experiment in service.search_experiments()]
            restored = service.search_runs(experiments, f"tags.`{RESTORED_RUN}` = '{self.run_id}'", max_results=1)
        except Exception as error:
            raise TrackingError(unreachable_message(error)) from error
        if not restored:
            return RunReference(None)
        return RunReference(restored[0].info.run_id, restored[0].data.tags.get(MODEL_ID) or None)


def known_training(key: str, path: Path, settings: Any) -> RunReference:
    """The run and model that a training logged, as the store knows them, for the stages that follow it.

    Args:
        key: the experiment.
        path: its ``run.json``.
        settings: the ``tracking:`` block.

    Raises:
        ScantuneError: the store does not know the run, and MLflow is required.
    """
    noted = RunReference.read(path)
    try:
        reference = noted.in_store(settings.enabled)
    except TrackingError:
        if settings.require:
            raise
        return RunReference(None)
    if noted.run_id and not reference.run_id:
        why = (
            f"MLflow does not know the training of {key} ({path.as_posix()} names run {noted.run_id[:8]}…): "
            f"'scantune restore {key}' logs it again; or set MLFLOW_TRACKING_URI to the store that has it"
        )
        if settings.require:
            raise TrackingError(why)
        log.warning("%s", why)
    return reference


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
        tags: additional tags.
        parent: run id of the parent; ignored where unknown to the store.
        resume: run id to resume (after a kill); a new run is opened where it is unknown to the store.
        enabled: False disables MLflow.
        require: whether an unreachable server stops the stage.

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
            raise error if isinstance(error, TrackingError) else TrackingError(unreachable_message(error)) from error
        log.warning("%s", unreachable_message(error))
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
        run.close(status)
        unfinished.forget(str(run.run_id))


def _open(
    stage: str, key: str, dataset: str, description: str, tags: dict[str, str], parent: str | None, resume: str | None
) -> Run:
    service = client()
    pending = own_folder() / "pending"
    resend(service, pending)
    unfinished.close_all(service)
    experiment = experiment_id(service, dataset, description)
    if resume and (earlier := _find(service, resume)) is not None:
        unfinished.note(resume)
        service.update_run(earlier.info.run_id, status="RUNNING")
        return Run(service, resume, pending / f"{resume}.jsonl")
    tags |= {
        "mlflow.user": "scantune",  # instead of the login name, and of a path below
        "mlflow.source.name": f"stages/{stage}.py",
        "mlflow.source.type": "LOCAL",
        "scantune.stage": stage,
        "scantune.key": key,
    }
    if parent and (parent_run := _find(service, parent)) is not None and parent_run.info.experiment_id == experiment:
        tags["mlflow.parentRunId"] = parent
    elif parent:
        tags["scantune.parent_run_id"] = parent
    run_id = unfinished.create(service, experiment, tags=tags, run_name=_name(stage, key))
    return Run(service, run_id, pending / f"{run_id}.jsonl")


def _name(stage: str, key: str) -> str:
    """``train digits``; of a variant ``train digits · learning_rate=0.0005``."""
    changed = os.environ.get(CHANGED, "")
    name = f"{stage} {key} · {changed}" if changed else f"{stage} {key}"
    return name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"


def _find(service: MlflowClient, run_id: str) -> Any:
    run = found(service.get_run, run_id)
    return run if run is not None and run.info.lifecycle_stage == "active" else None
