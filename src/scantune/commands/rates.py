"""``scantune find-learning-rate``: the loss by a rising learning rate."""

from __future__ import annotations

from typing import Annotated

import typer

from scantune.script import quiet_logging


def find_learning_rate(
    experiment: Annotated[str, typer.Argument(help="a name in experiments or derived")],
    lowest: Annotated[float, typer.Option(help="first learning rate")] = 1e-7,
    highest: Annotated[float, typer.Option(help="last learning rate")] = 10.0,
    steps: Annotated[int, typer.Option(help="optimizer steps, at least 10")] = 100,
) -> None:
    """Suggest a learning rate: train a network for some steps while the rate rises, and draw the loss.

    The network is not kept. The curve is in MLflow and below .scantune/learning_rate/; params.yaml does not change. The
    data must be prepared (dvc repro split@DATASET).
    """
    quiet_logging()
    from scantune.commands import project
    from scantune.engine import launch
    from scantune.pipeline.monitoring import rates
    from scantune.pipeline.naming import files_named
    from scantune.pipeline.project import block_of
    from scantune.pipeline.train import stage as recipe
    from scantune.tracking import open_run, own_folder
    from scantune.tracking.parent import adopted

    params = project.settings()
    with files_named(params, block_of(params, experiment).dataset):
        plan = recipe.plan_of(params, experiment)
    settings = plan.block.train
    fabric = launch(device=settings.device, devices=1, precision=settings.precision)
    folder = own_folder() / "learning_rate" / experiment
    with (
        files_named(params, plan.block.dataset),
        adopted(plan.block.dataset, f"find-learning-rate {experiment}"),
        open_run(
            "find learning rate",
            experiment,
            dataset=plan.block.dataset,
            enabled=params.tracking.enabled,
            require=params.tracking.require,
        ) as run,
    ):
        run.params({"lowest": lowest, "highest": highest, "steps": steps, "learning_rate": settings.learning_rate})
        text = rates.sweep(plan, run, folder, fabric, lowest=lowest, highest=highest, steps=steps)
    typer.echo(text)
    typer.echo(f"curve: {folder / 'learning_rate.png'}")
