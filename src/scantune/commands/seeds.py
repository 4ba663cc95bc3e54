"""``scantune seeds``: variation of an experiment's metrics between seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scantune.commands import project


def seeds(
    experiments: Annotated[list[str], typer.Argument(help="names in experiments or derived")],
    count: Annotated[
        int, typer.Option("--seeds", min=2, help="number of trainings of each; the first uses the seed of params.yaml")
    ] = 5,
    precision: Annotated[str, typer.Option(help="32 or bf16 in place of train.precision")] = "",
    out: Annotated[Path | None, typer.Option(help="file for the Markdown table, printed in any case")] = None,
    keep: Annotated[
        Path | None,
        typer.Option(
            help="folder for predictions.csv of every training, which `scantune compare` takes by experiment; "
            "trainings that it already has are not repeated"
        ),
    ] = None,
) -> None:
    """Train and evaluate experiments with several seeds; mean and range of their headline metrics as a table.

    It works in a folder of its own on the project's prepared data and split: params.yaml, outputs/ and MLflow stay as
    they are. A derived experiment starts from the model of the same round where its parent is named too, else from the
    project's own; the table says which.
    """
    from scantune.files import refuse_unwritable
    from scantune.pipeline.trials import seeds as repeated
    from scantune.tracking import project_home

    params = project.settings()
    if out is not None:
        refuse_unwritable(out)
    runs = []
    say = lambda text: typer.echo(text, err=True)  # noqa: E731
    for run in repeated.run_seeds(params, experiments, count, project_home(), precision=precision, keep=keep, say=say):
        runs.append(run)
        values = ", ".join(f"{name} {value:.4g}" for name, value in run.metrics.items())
        typer.echo(f"  {values} ({run.minutes:.1f} min)", err=True)
    text = "\n".join(repeated.table(params, runs, experiments))
    typer.echo(text)
    if out is not None:
        out.write_text(text + "\n", encoding="utf-8")
