"""``scantune search`` and ``scantune trial``: hyperparameter search for an experiment."""

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
    n_trials: Annotated[int, typer.Option(help="total number of trials; 0: search.n_trials")] = 0,
    timeout: Annotated[float, typer.Option(help="minutes after which no new trial starts; 0: no limit")] = 0.0,
    sweep: Annotated[Path | None, typer.Option(help="write the search space as a W&B sweep file, and stop")] = None,
    train_best: Annotated[
        bool, typer.Option("--train-best", help="write the best settings to params.yaml and train with them")
    ] = False,
    source: Annotated[Path | None, typer.Option("--from", help="the file of settings for --train-best")] = None,
) -> None:
    """Search the hyperparameters in an experiment's search.space. A second start resumes it; parallel starts share it.

    Trials are compared on the validation set; the test set is not used.
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
    typer.echo(f"{found.completed} completed, {found.pruned} pruned, {found.failed} failed; {best}")


def trial(
    context: typer.Context,
    experiment: Annotated[str, typer.Argument(help="a name in experiments or derived")],
) -> None:
    """Train once with settings such as --train.learning_rate=0.001: the command run by the agent of a sweep."""
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
