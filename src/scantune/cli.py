"""The ``scantune`` command. Each command imports what it needs when it is called: ``--help`` answers at once."""

from __future__ import annotations

import signal
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
from scantune.commands.options import Command, RunCommand
from scantune.files import words_of
from scantune.records import ScantuneError

app = typer.Typer(
    name="scantune",
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


@app.command()
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


for command in (
    starting.init,
    getting.get,
    cohorts.index,
    cohorts.check,
    finding.find,
    showing.show,
    weights.weights,
    checkpoints.checkpoints,
    cluster.slurm,
    searching.search,
    rates.find_learning_rate,
    seeds.seeds,
    scoring.score,
    scoring.compare,
    planning.plan,
    predicting.predict,
    drifting.drift,
    promoting.promote,
    restoring.restore,
    serving.ui,
    exporting.export,
):
    app.command(cls=Command)(command)
app.command(cls=RunCommand)(running.run)
app.add_typer(converting.app, name="convert")
app.command(hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(searching.trial)


if __name__ == "__main__":
    main()
