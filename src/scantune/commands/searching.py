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
    n_trials: Annotated[int, typer.Option(help="total number of trials; 0: search.n_trials", min=0)] = 0,
    timeout: Annotated[float, typer.Option(help="minutes after which no new trial starts; 0: no limit", min=0)] = 0.0,
    sweep: Annotated[Path | None, typer.Option(help="write the search space as a W&B sweep file, and stop")] = None,
    train_best: Annotated[
        bool, typer.Option("--train-best", help="write the best settings to params.yaml and train with them")
    ] = False,
    source: Annotated[Path | None, typer.Option("--from", help="the file of settings for --train-best")] = None,
) -> None:
    """Search the hyperparameters in an experiment's search.space. A second start resumes it; parallel starts share it.

    Trials are compared on the validation set; the test set is not used.
    """
    _refuse_unused(n_trials, timeout, sweep, train_best, source)
    quiet_logging()
    from scantune.config.edit import Change
    from scantune.pipeline.naming import files_named
    from scantune.pipeline.trials import search as searching
    from scantune.tracking.parent import adopted

    searched = searching.searched(experiment)
    total = n_trials or searched.block.search.n_trials
    if sweep is not None:
        typer.echo(f"{searching.write_sweep(searched, sweep, total)}: start it by: wandb sweep {sweep}")
        return
    best = source or searched.folder / searching.BEST
    if train_best:
        changed = searching.changes(searched, best)
        for line in changed:
            typer.echo(line)
        target = project.register_target(searched.params, experiment)
        raise typer.Exit(running.execute([target], [Change.read(line) for line in changed], keep=True))
    with files_named(searched.params, searched.block.dataset), adopted(searched.block.dataset, f"search {experiment}"):
        result = searching.run_search(searched, n_trials=total, seconds=60 * timeout or None, say=typer.echo)
    typer.echo(f"best {searched.block.train.monitor}: {result.best_value:.5g}")
    typer.echo(f"{result.completed} completed, {result.pruned} pruned, {result.failed} failed; {best}")


def _refuse_unused(n_trials: int, timeout: float, sweep: Path | None, train_best: bool, source: Path | None) -> None:
    """Refuse options that what is asked for does not use.

    Raises:
        ScantuneError: with their names.
    """
    if source is not None and not train_best:
        raise ScantuneError(f"--from {source} is the file of settings for --train-best, which is not stated")
    stated = {"--n-trials": n_trials and train_best, "--timeout": timeout, "--sweep": sweep if train_best else None}
    unused = [name for name, value in stated.items() if value]
    if unused and (train_best or sweep is not None):
        does = "--train-best trains with settings that were found" if train_best else "--sweep writes a file"
        raise ScantuneError(f"{', '.join(unused)}: without effect, since {does}; leave it out")


def trial(
    context: typer.Context,
    experiment: Annotated[str, typer.Argument(help="a name in experiments or derived")],
) -> None:
    """Train once with settings such as --train.learning_rate=0.001: the command run by the agent of a sweep."""
    import tempfile

    quiet_logging()
    from scantune.pipeline.naming import files_named
    from scantune.pipeline.trials import search as searching
    from scantune.tracking import open_run

    searched = searching.searched(experiment)
    parameters = _settings(context.args)
    if os.environ.get("WANDB_SWEEP_ID"):
        parameters.setdefault("train.loggers.wandb", {"mode": "online"})
    plan = searched.trial(parameters)
    tracking = searched.params.tracking
    with (
        files_named(searched.params, plan.block.dataset),
        open_run("trial", experiment, dataset=plan.block.dataset, enabled=tracking.enabled, require=False) as run,
        tempfile.TemporaryDirectory() as folder,
    ):
        run.params(parameters)
        result = searching.train_trial(plan, Path(folder), run)
        run.metrics({f"best_{result.monitor}": result.best_value})
    typer.echo(f"best {result.monitor}: {result.best_value:.5g}")


def _settings(arguments: list[str]) -> dict[str, Any]:
    """``--key.path=value`` to values, read as YAML.

    Raises:
        ScantuneError: another form.
    """
    from scantune.config.load import plain_value

    settings = {}
    for argument in arguments:
        name, equals, text = argument.removeprefix("--").partition("=")
        if not equals or "." not in name:
            raise ScantuneError(f"{argument!r}: write --key.path=value, as in --train.learning_rate=0.001")
        settings[name] = plain_value(text)
    return settings
