"""``scantune checkpoints``: the checkpoints of a training, and resuming from one."""

from __future__ import annotations

from typing import Annotated

import typer

from scantune.commands import project
from scantune.records import ScantuneError


def checkpoints(
    experiment: Annotated[str, typer.Argument(help="a name in experiments or derived")],
    best: Annotated[bool, typer.Option("--best", help="print the path of the best checkpoint only")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="print one line per network")] = False,
    continue_from: Annotated[
        int | None, typer.Option(help="resume the next training from this epoch; 0: from the beginning", min=0)
    ] = None,
) -> None:
    """List the checkpoints of an experiment, or choose one from which its next training resumes."""
    if best + summary + (continue_from is not None) > 1:
        raise ScantuneError("--best, --summary and --continue-from are three questions: name one of them")
    from scantune.pipeline.project import trained_by
    from scantune.pipeline.train import resume_request

    params = project.settings()
    project.group_of(params, experiment)
    if continue_from == 0:
        resume_request.done(experiment)
        typer.echo("the next training starts from the beginning")
        _tell_of_interrupted(experiment)
        return
    if continue_from is not None:
        resume_request.resume_from_epoch(experiment, continue_from)
        target = f"{trained_by(params, experiment)}@{experiment}"
        typer.echo(f"the next training resumes from epoch {continue_from}; run: dvc repro --force {target}")
        _tell_of_interrupted(experiment)
        return
    for member in resume_request.read_checkpoints(experiment):
        if best:
            typer.echo(str(member.folder / "best.safetensors"))
        elif summary:
            typer.echo(resume_request.described(member))
        else:
            typer.echo("\n".join(resume_request.lines(member)))


def _tell_of_interrupted(key: str) -> None:
    """Tell of interrupted trainings, which go before a choice."""
    from scantune.pipeline.train.state import interrupted

    if folders := interrupted(key):
        typer.echo(
            "but an interrupted training of the same settings and data goes on where it was, whatever is chosen here. "
            f"To leave it, remove {', '.join(folders)}"
        )
