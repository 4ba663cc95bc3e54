"""``scantune search`` and ``scantune trial``: better settings for an experiment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from scantune.commands import project, running
from scantune.records import ScantuneError
from scantune.script import quiet_logging


def search(
    experiment: Annotated[str, typer.Argument(help="a name in experiments or derived")],
    n_trials: Annotated[int, typer.Option(help="trials to reach in all; search.n_trials where 0")] = 0,
    timeout: Annotated[float, typer.Option(help="minutes after which no further trial begins; 0 for none")] = 0.0,
    sweep: Annotated[Path | None, typer.Option(help="only write the space as a W&B sweep file")] = None,
    train_best: Annotated[
        bool, typer.Option("--train-best", help="write what was found to params.yaml and train with it")
    ] = False,
    source: Annotated[Path | None, typer.Option("--from", help="the file of --train-best")] = None,
) -> None:
    """Search the settings of an experiment's search.space. Started again it goes on; started twice they share.

    Models are compared on validation; the test set is not touched.
    """
    quiet_logging()
    from scantune.config.edit import Change
    from scantune.pipeline.trials import search as searching

    given = searching.searched(experiment)
    wanted = n_trials or given.block.search.n_trials
    if sweep is not None:
        typer.echo(f"{searching.write_sweep(given, sweep, wanted)}: start it by: wandb sweep {sweep}")
        return
    best = source or given.folder / searching.BEST
    if train_best:
        changed = searching.changes(given, best)
        for line in changed:
            typer.echo(line)
        target = project.register_target(given.params, experiment)
        raise typer.Exit(running.execute([target], [Change.read(line) for line in changed], keep=True))
    found = searching.run_search(given, n_trials=wanted, seconds=60 * timeout or None, say=typer.echo)
    typer.echo(f"best {given.block.train.monitor}: {found.best_value:.5g}")
    typer.echo(f"{found.completed} complete, {found.pruned} stopped early, {found.failed} failed; {best}")


def trial(
    context: typer.Context,
    experiment: Annotated[str, typer.Argument(help="a name in experiments or derived")],
) -> None:
    """One training of an experiment with settings given as --train.learning_rate=0.001: what a sweep's agent runs."""
    import tempfile

    quiet_logging()
    from scantune.pipeline.trials import search as searching
    from scantune.tracking import open_run

    given = searching.searched(experiment)
    found = _settings(context.args)
    if os.environ.get("WANDB_SWEEP_ID"):
        found.setdefault("train.loggers.wandb", {"mode": "online"})
    plan = given.trial(found)
    tracking = given.params.tracking
    with (
        open_run("trial", experiment, dataset=plan.block.dataset, enabled=tracking.enabled, require=False) as run,
        tempfile.TemporaryDirectory() as folder,
    ):
        run.params(found)
        result = searching.train_trial(plan, Path(folder), run)
        run.metrics({f"best_{result.monitor}": result.best_value})
    typer.echo(f"best {result.monitor}: {result.best_value:.5g}")


def _settings(arguments: list[str]) -> dict[str, Any]:
    """``--key.path=value`` to values, read as YAML.

    Raises:
        ScantuneError: another form.
    """
    from scantune.config.load import plain_value

    found = {}
    for argument in arguments:
        name, equals, text = argument.removeprefix("--").partition("=")
        if not equals or "." not in name:
            raise ScantuneError(f"{argument!r}: write --key.path=value, as in --train.learning_rate=0.001")
        found[name] = plain_value(text)
    return found
