"""The ``scantune`` command. Each command imports what it needs when it is called: ``--help`` answers at once."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from scantune.commands import (
    checkpoints,
    cluster,
    cohorts,
    converting,
    drifting,
    exporting,
    finding,
    getting,
    planning,
    predicting,
    promoting,
    rates,
    restoring,
    running,
    scoring,
    searching,
    seeds,
    serving,
    showing,
    starting,
    weights,
)
from scantune.commands.options import Command, Commands, RunCommand
from scantune.files import words_of
from scantune.records import ScantuneError

app = typer.Typer(
    name="scantune",
    cls=Commands,
    help="Fine-tune deep models on clinical images, and show how far each can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main() -> None:
    """The console script: faults a user can correct are messages, not tracebacks; SIGTERM closes what is open."""
    from scantune.script import print_any_text
    from scantune.stopping import exit_code_in, raise_terminated

    print_any_text()
    signal.signal(signal.SIGTERM, raise_terminated)
    try:
        app()
    except ScantuneError as error:
        typer.secho(str(error), fg="red", err=True)
        raise SystemExit(2) from None
    except Exception as error:
        from scantune.tracking import store

        code, words = exit_code_in(error), words_of(error) or store.words_of(error)
        if words is not None:
            typer.secho(words, fg="red", err=True)
            code = 2
        if code is None:
            raise
        raise SystemExit(code) from None


def _tell_versions(wanted: bool) -> None:
    if wanted:
        from scantune.report.environment import environment

        typer.echo("\n".join(f"{name} {version}" for name, version in environment().items()))
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_tell_versions, is_eager=True, help="versions of scantune and its libraries"
        ),
    ] = False,
) -> None:
    """What stands before a command."""


#: Every command with what it does in a line, in the order in which one needs them.
COMMANDS: dict[str, tuple[tuple[Callable[..., None], str], ...]] = {
    "Data": (
        (starting.init, "propose blocks of params.yaml for a table or folder"),
        (getting.get, "get a public data set by name, with its blocks"),
        (cohorts.check, "prepare every file and tell what is unusual"),
        (finding.find, "from the id of a sample to its file"),
        (cohorts.index, "list a large folder, for DVC to see its changes"),
    ),
    "Training": (
        (running.run, "run the pipeline, an experiment or a stage"),
        (showing.show, "an experiment before it is trained"),
        (weights.weights, "published weights, and how to obtain them"),
        (rates.find_learning_rate, "suggest a learning rate"),
        (searching.search, "search the settings of an experiment"),
        (seeds.seeds, "train with several seeds, and compare"),
        (checkpoints.checkpoints, "list checkpoints, or resume from one"),
        (cluster.slurm, "write a batch script for a cluster"),
    ),
    "Metrics of any predictions": (
        (scoring.score, "metrics with confidence intervals"),
        (scoring.compare, "two models on the same test subjects"),
        (planning.plan, "how many test subjects are needed"),
    ),
    "Models in use": (
        (predicting.predict, "predict from files, a table or a PACS"),
        (drifting.drift, "new images against the training cohort"),
        (promoting.promote, "give a version the alias by hand"),
        (restoring.restore, "log and register outputs again"),
        (exporting.export, "an archive without names of files"),
        (serving.ui, "serve the MLflow pages on this machine"),
    ),
}
for section, listed in COMMANDS.items():
    for command, words in listed:
        kind = RunCommand if command is running.run else Command
        app.command(cls=kind, short_help=words, rich_help_panel=section)(command)
app.add_typer(
    converting.app, name="convert", short_help="masks or arrays to files with a table", rich_help_panel="Data"
)


@app.command(short_help="write the files that editors complete params.yaml by", rich_help_panel="Settings")
def schema(
    check: Annotated[bool, typer.Option(help="report whether the files are current; write nothing")] = False,
) -> None:
    """Write params.schema.json, which editors complete and check params.yaml by, and docs/settings.md, for people."""
    from scantune.commands.describing import settings_text
    from scantune.config.load import SCHEMA_NAME, schema_text

    for path, text in ((Path(SCHEMA_NAME), schema_text()), (Path("docs/settings.md"), settings_text())):
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            raise ScantuneError(f"{path} is out of date with the settings; run: make schema")


app.command(hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(searching.trial)


if __name__ == "__main__":
    main()
