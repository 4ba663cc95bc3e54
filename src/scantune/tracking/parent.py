"""The run that ``mlflow run`` opened for the whole project."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scantune.records import ScantuneError
from scantune.tracking import unfinished
from scantune.tracking.run import Run
from scantune.tracking.store import (
    TrackingError,
    client,
    experiment_id,
    first_line,
    is_own_store,
    own_folder,
    project_home,
    switched_off,
    take_parent_run,
)

log = logging.getLogger(__name__)

#: Tag of a run whose place another one took: the id of the other.
REPLACED_BY = "scantune.replaced_by"
_REPLACED = "SCANTUNE_REPLACED_RUN_ID"


@contextlib.contextmanager
def adopted(dataset: str, title: str) -> Iterator[None]:
    """A command's work, with the run that ``mlflow run`` opened for it in the dataset's experiment under a name.

    Args:
        dataset: names the MLflow experiment.
        title: the run's name.
    """
    run_id = take_parent_run()
    if run_id:
        adopt_parent(run_id, dataset, title)
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        close_parent(status)


@contextlib.contextmanager
def refusal_described() -> Iterator[None]:
    """Where what was typed is refused, the run that ``mlflow run`` opened has the reason as its description."""
    try:
        yield
    except ScantuneError as refusal:
        run_id = take_parent_run()
        if run_id and not switched_off():
            try:
                service = client()
                if "scantune.stage" not in service.get_run(run_id).data.tags:  # else it has its name already
                    service.set_tag(run_id, "mlflow.runName", "refused")
                service.set_tag(run_id, "mlflow.note.content", str(refusal))
            except Exception as error:
                log.warning("the run %s does not say why it failed (%s)", run_id, first_line(error))
        raise


def adopt_parent(run_id: str, dataset: str, title: str) -> None:
    """Put it into the MLflow experiment of the dataset, where the stages' runs become its children, and name it.

    MLflow opens it in ``Default`` unless told otherwise, and has no call that moves a run. In the project's own SQLite
    store the row is changed. On a server a run in the experiment of the dataset takes its place, and the one in
    ``Default`` refers to it: ``mlflow run`` closes it at its end, so that it may not be deleted.

    Args:
        run_id: of the run.
        dataset: names the MLflow experiment.
        title: the run's name.
    """
    if switched_off():
        return
    try:
        service = client()
        opened = service.get_run(run_id)
        target = experiment_id(service, dataset)
        current = service.get_experiment(opened.info.experiment_id)
        if current.name == "Default" and target != opened.info.experiment_id:
            if is_own_store():
                _move(service, run_id, target)
            else:
                run_id = _replace(service, opened, target)
        service.set_tag(run_id, "mlflow.runName", title)
        service.set_tag(run_id, "scantune.stage", "project")
    except Exception as error:
        log.warning("the run %s stays in its MLflow experiment (%s)", run_id, first_line(error))


def _move(service: Any, run_id: str, target: str) -> None:
    """Change the experiment of a run in the project's own database."""
    artifacts = f"{service.get_experiment(target).artifact_location}/{run_id}/artifacts"
    with contextlib.closing(sqlite3.connect(project_home() / "mlflow.db", timeout=30)) as database, database:
        database.execute(
            "UPDATE runs SET experiment_id = ?, artifact_uri = ? WHERE run_uuid = ?", (target, artifacts, run_id)
        )


def _replace(service: Any, opened: Any, target: str) -> str:
    """Open a run with the same parameters and tags in the experiment ``target``, as the parent from now on; its id."""
    from mlflow.entities import Param

    tags = {name: value for name, value in opened.data.tags.items() if name != "mlflow.runName"}
    created = unfinished.create(service, target, tags=tags)
    service.log_batch(created, params=[Param(name, value) for name, value in opened.data.params.items()])
    service.set_tag(opened.info.run_id, REPLACED_BY, created)
    os.environ |= {"SCANTUNE_PARENT_RUN_ID": created, _REPLACED: opened.info.run_id}
    return created


def close_parent(status: str) -> None:
    """End the parent run that took the place of that of ``mlflow run``, and give that one its name and metrics.

    The id that ``mlflow run`` prints so leads to the metrics and, by a tag and the description, to the other run.

    Args:
        status: ``FINISHED``, ``FAILED`` or ``KILLED``.
    """
    replaced = os.environ.pop(_REPLACED, None)
    if replaced is None:
        return
    try:
        service = client()
        parent = service.get_run(os.environ["SCANTUNE_PARENT_RUN_ID"])
        service.set_terminated(parent.info.run_id, status)
        unfinished.forget(parent.info.run_id)
        for name, value in parent.data.metrics.items():
            service.log_metric(replaced, name, value)
        service.set_tag(replaced, "mlflow.runName", parent.info.run_name)
        experiment = service.get_experiment(parent.info.experiment_id).name
        place = f"run {parent.info.run_id} in the MLflow experiment {experiment}"
        service.set_tag(replaced, "mlflow.note.content", f"The stages and the report are below {place}.")
        service.set_terminated(replaced, status)
        log.info("run %s of mlflow run is %s", replaced, place)
    except Exception as error:
        log.warning("the run %s in the MLflow experiment Default has no metrics (%s)", replaced, first_line(error))


def describe_parent(
    run_id: str, title: str, summaries: Mapping[str, Mapping[str, float | None]], reports: Mapping[str, Path]
) -> None:
    """Set the name of the parent run, and log test metrics and reports to it.

    Args:
        run_id: of the run.
        title: name of the run.
        summaries: test metrics by name of each experiment, without undefined ones.
        reports: page of each experiment.
    """
    if switched_off():
        return
    try:
        run = Run(client(), run_id, own_folder() / "pending" / f"{run_id}.jsonl")
    except TrackingError as error:
        log.warning("%s", error)
        return
    run.tags({"mlflow.runName": title})
    for name, metrics in summaries.items():
        run.metrics(
            {f"test_{metric}" if len(summaries) == 1 else f"{name}/test_{metric}": v for metric, v in metrics.items()}
        )
    for name, page in reports.items():
        run.artifact(page, name)
    run.close(None)
