"""The run that ``mlflow run`` opened for the whole project."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from scantune.tracking.run import Run
from scantune.tracking.store import TrackingError, client, switched_off

log = logging.getLogger(__name__)


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
