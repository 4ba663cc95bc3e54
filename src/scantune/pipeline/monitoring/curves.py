"""Learning curves of a training in its MLflow run."""

from __future__ import annotations

import csv
from pathlib import Path

from scantune import plots
from scantune.pipeline.train.training import TrainingPlan
from scantune.tasks.directions import monitored
from scantune.tracking import Run


def log_curves(run: Run, plan: TrainingPlan, out: Path) -> None:
    """Draw the first member's ``history.csv`` for the run, where MLflow is on.

    Args:
        run: gets ``figures/learning_curves``.
        plan: the plan.
        out: ``outputs/<experiment>/train``.
    """
    if not run.on:
        return
    with (out / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows = [row for row in rows if row.get("member", rows[0].get("member")) == rows[0].get("member")]
    monitor, mode = monitored(plan.block)
    figure = plots.learning_curves(rows, monitor=monitor, mode=mode, title=plan.key)
    for path in plots.save(figure, out / ".curves" / "learning_curves"):
        run.artifact(path, "figures")
