"""``scantune restore``: runs and registered models made again from the outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scantune.commands import project
from scantune.records import ScantuneError

#: Groups that are logged by their stages, which train nothing, and the folders of their outputs.
_RUN_AGAIN = {"ensembles": ("ensemble", "evaluate-ensemble", "register-ensemble"), "external": ("external",)}
_FOLDERS = {"ensembles": "ensembles", "external": "outputs/external"}


def restore(
    names: Annotated[list[str] | None, typer.Argument(help="names in params.yaml; default: all with outputs")] = None,
) -> None:
    """Log the outputs that MLflow does not know: after `dvc pull` in a clone, or where mlflow.db was deleted.

    Trainings, models, evaluations and registered versions with their alias are made again. Outputs stay as they are, so
    that `dvc repro` afterwards runs nothing. For ensembles and external evaluations it prints the command that logs
    them.
    """
    from scantune.pipeline import restoring
    from scantune.tracking import switched_off

    params = project.settings()
    if switched_off(params.tracking.enabled):
        raise ScantuneError("MLflow is off (tracking.enabled, SCANTUNE_MLFLOW): there is no store to log to")
    for name in names or []:
        project.target_of(params, name)
    for key in restoring.order(params):
        if not names or key in names:
            typer.echo(restoring.restore(params, key))
    for group, stages in _RUN_AGAIN.items():
        for key in getattr(params, group):
            if (not names or key in names) and (Path(_FOLDERS[group]) / key).is_dir():
                targets = " ".join(f"{stage}@{key}" for stage in stages)
                typer.echo(f"{key}: logged again, without training, by: dvc repro -f --single-item {targets}")
