"""The run that ``mlflow run`` opened for the whole project."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from scantune.tracking.run import Run
from scantune.tracking.store import TrackingError, client, experiment_id, is_own_store, project_home, switched_off

log = logging.getLogger(__name__)


def adopt_parent(run_id: str, dataset: str, title: str) -> None:
    """Put it into the MLflow experiment of the dataset, where the stages' runs become its children, and name it.

    MLflow opens it in ``Default`` unless told otherwise, and has no call that moves a run. In the project's own SQLite
    store the row is changed; on a server the run stays where it is (``mlflow run --experiment-name``).

    Args:
        run_id: of the run.
        dataset: names the MLflow experiment.
        title: the run's name.
    """
    if switched_off() or not is_own_store():
        return
    service = client()
    held = service.get_run(run_id)
    target = experiment_id(service, dataset)
    default = service.get_experiment(held.info.experiment_id)
    if default.name == "Default" and target != held.info.experiment_id:
        artifacts = f"{service.get_experiment(target).artifact_location}/{run_id}/artifacts"
        with contextlib.closing(sqlite3.connect(project_home() / "mlflow.db", timeout=30)) as database, database:
            database.execute(
                "UPDATE runs SET experiment_id = ?, artifact_uri = ? WHERE run_uuid = ?", (target, artifacts, run_id)
            )
    service.set_tag(run_id, "mlflow.runName", title)
    service.set_tag(run_id, "scantune.stage", "project")


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
        run = Run(client(), run_id)
    except TrackingError as error:
        log.warning("%s", error)
        return
    run.tags({"mlflow.runName": title})
    for name, metrics in summaries.items():
        run.metrics(
            {f"test_{metric}" if len(summaries) == 1 else f"{name}/test_{metric}": v for metric, v in metrics.items()}
        )
    run.flush()
    for name, page in reports.items():
        run.artifact(page, name)
