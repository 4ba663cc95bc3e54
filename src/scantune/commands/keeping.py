"""``scantune checkpoints``: what a training kept, and going on from it."""

from __future__ import annotations

from typing import Annotated

import typer


def checkpoints(
    experiment: Annotated[str, typer.Argument(help="a name in experiments or derived")],
    best: Annotated[bool, typer.Option("--best", help="only the path of the best")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="one line")] = False,
    continue_from: Annotated[int, typer.Option(help="the next training goes on from this epoch; 0 for none")] = 0,
) -> None:
    """List what an experiment's training kept; make one of them what its next training goes on from."""
    from scantune.pipeline.train import resume_request

    if continue_from:
        resume_request.go_on_from(experiment, continue_from)
        typer.echo(f"the next training goes on from epoch {continue_from}; run: dvc repro --force train@{experiment}")
        return
    for held in resume_request.kept(experiment):
        if best:
            typer.echo(str(held.folder / "best.safetensors"))
        elif summary:
            typer.echo(resume_request.described(held))
        else:
            typer.echo("\n".join(resume_request.lines(held)))
