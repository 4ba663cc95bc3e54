"""``scantune restore``: runs and registered models made again from the outputs."""

from __future__ import annotations

from typing import Annotated

import typer

from scantune.commands import project
from scantune.records import ScantuneError


def restore(
    names: Annotated[list[str] | None, typer.Argument(help="names in params.yaml; default: all with outputs")] = None,
) -> None:
    """Log the outputs that MLflow does not know: after `dvc pull` in a clone, or where mlflow.db was deleted.

    Trainings, ensembles, models, evaluations (external ones too) and registered versions with their alias are made
    again. Outputs stay as they are, so that `dvc repro` afterwards runs nothing.
    """
    from scantune.pipeline import restoring
    from scantune.tracking import switched_off

    params = project.settings()
    if switched_off(params.tracking.enabled):
        raise ScantuneError("MLflow is off (tracking.enabled, SCANTUNE_MLFLOW): there is no store to log to")
    for name in names or []:
        project.refuse_unknown(params, name)
    for key in restoring.order(params):
        if not names or key in names:
            typer.echo(restoring.restore(params, key))
    for key in params.externals:  # after their models, of whose runs they are parts
        if not names or key in names:
            typer.echo(restoring.restore_external(params, key))
