"""``scantune plan``: how many test subjects a study needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from scantune.commands.scoring import Set, Task, refuse_stated, task_settings
from scantune.records import ScantuneError


def plan(
    context: typer.Context,
    pilot: Annotated[
        Path, typer.Argument(help="predictions.csv of a pilot; of the reference model where two are compared")
    ],
    task: Task,
    half_width: Annotated[float, typer.Option(help="of the 95 % interval, in units of the metric")] = 0.0,
    against: Annotated[
        Path | None, typer.Option(help="predictions.csv of the other model, of the same samples")
    ] = None,
    power: Annotated[float, typer.Option(help="of the comparison with --against")] = 0.8,
    margin: Annotated[float, typer.Option(help="non-inferiority margin; 0: superiority", min=0.0)] = 0.0,
    metric: Annotated[str, typer.Option(help="a headline metric of the task; else its first")] = "",
    settings: Set = None,
    split: Annotated[str, typer.Option(help="rows of the pilot that are used")] = "test",
    studies: Annotated[int, typer.Option(help="simulated studies of each size", min=1)] = 200,
    seed: Annotated[int, typer.Option(help="seed of the simulation", min=0)] = 42,
) -> None:
    """The number of test subjects for a half-width, or a power in a paired comparison, by simulation from a pilot."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if (against is None) == (half_width == 0.0):
        raise ScantuneError("state either --half-width, or --against with the predictions of the other model")
    if against is None:
        refuse_stated(context, ["power", "margin"], "is of a comparison, with --against FILE; --half-width needs none")
    from scantune.config.synonyms import metric_name
    from scantune.plugins import load_plugins
    from scantune.tasks import planning
    from scantune.tasks.foreign import load
    from scantune.tasks.predictions_file import read

    load_plugins()
    file = read(pilot)
    schema = task_settings(task, settings or [], list(file.columns))
    common: dict[str, Any] = {"metric": metric_name(metric) or None, "split": split, "studies": studies, "seed": seed}
    first = load(file, schema)[0]
    if against is None:
        result = planning.for_half_width(first, schema, half_width, **common)
        goal = f"median half-width of at most {half_width:g}"
    else:
        result = planning.for_power(first, load(against, schema)[0], schema, power, margin=margin, **common)
        goal = f"power of {power:g} for " + (f"a margin of {margin:g}" if margin else "superiority")
    for line in planning.lines(result, goal):
        typer.echo(line)
