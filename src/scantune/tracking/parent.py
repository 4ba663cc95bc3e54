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
    """Give it a name that says what was run, the test metrics, and the reports.

    Args:
        run_id: of the run.
        title: its name.
        summaries: of each experiment, its test metrics by name; undefined ones are left out.
        reports: of each experiment, the page.
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
