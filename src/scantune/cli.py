"""The ``scantune`` command. Each command imports what it needs when it is called: ``--help`` answers at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from scantune.commands import (
    cluster,
    cohorts,
    converting,
    keeping,
    predicting,
    project,
    promoting,
    scoring,
    searching,
    showing,
    starting,
)
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
    """The console script: a fault that a user can mend is a message, not a traceback."""
    try:
        app()
    except ScantuneError as error:
        typer.secho(str(error), fg="red", err=True)
        raise SystemExit(2) from None


def stage_main(run: Callable[[str], object]) -> None:
    """What every script in ``stages/`` ends with: its one argument is a name in params.yaml.

    A fault that a user can mend is printed without a traceback (exit code 2), Ctrl-C ends with 130.
    """
    project.quiet_logging()
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: python {Path(sys.argv[0]).name} <name in params.yaml>")
    try:
        run(sys.argv[1])
    except ScantuneError as error:
        typer.secho(f"{Path(sys.argv[0]).stem} {sys.argv[1]}: {error}", fg="red", err=True)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


@app.command()
def run(
    targets: Annotated[list[str] | None, typer.Argument(help="DVC targets such as register@digits")] = None,
    experiment: Annotated[str, typer.Option(help="an experiment of params.yaml: runs all that it needs")] = "",
    everything: Annotated[bool, typer.Option("--all", help="everything in params.yaml")] = False,
    epochs: Annotated[str, typer.Option(help="overrides train.epochs")] = "",
    learning_rate: Annotated[str, typer.Option(help="overrides train.learning_rate")] = "",
    batch_size: Annotated[str, typer.Option(help="overrides train.batch_size")] = "",
    seed: Annotated[str, typer.Option(help="overrides train.seed")] = "",
    backbone: Annotated[str, typer.Option(help="overrides model.backbone")] = "",
    settings: Annotated[str, typer.Option("--set", help="other keys, 'inputs.digits.size=[16,16] …'")] = "",
) -> None:
    """Run the pipeline: the quick default, one experiment, some targets, or everything.

    Overrides are written to params.yaml as ``dvc exp run -S`` does, so that what ran can be seen and undone by git.
    """
    from scantune.tracking import take_parent_run

    params = project.settings()
    named = {"train.epochs": epochs, "train.learning_rate": learning_rate, "train.batch_size": batch_size}
    named |= {"train.seed": seed, "model.backbone": backbone}
    given = [f"{key}={value}" for key, value in named.items() if value]
    if given and not experiment:
        raise ScantuneError(f"{given[0].split('=')[0]}: say which experiment it is for (--experiment NAME)")
    group = project.group_of(params, experiment) if experiment else "experiments"
    changed = [f"{group}.{experiment}.{setting}" for setting in given] + settings.split()
    take_parent_run()
    chosen = list(targets or ([] if everything else params.quick))
    if experiment:
        chosen = [project.register_target(params, experiment)]
    code = project.run_dvc(chosen, changed)
    if code == 0:
        _say_where()
    raise typer.Exit(code)


def _say_where() -> None:
    """The addresses that open the MLflow UI on models and runs rather than in its GenAI mode."""
    from scantune.registry.pages import addresses

    lines = addresses()
    if lines:
        typer.echo("\nSee it:  make ui   (or: scantune ui), then open")
        for line in lines:
            typer.echo(f"  {line}")


@app.command()
def ui(port: Annotated[int, typer.Option(help="port on 127.0.0.1")] = 5000) -> None:
    """Serve the MLflow pages to this machine only, and print the addresses that open them in the right mode."""
    from scantune.registry.pages import addresses
    from scantune.tracking import tracking_uri

    for line in addresses(f"http://127.0.0.1:{port}"):
        typer.echo(f"  {line}")
    mlflow = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    raise typer.Exit(subprocess.call([*mlflow, "--backend-store-uri", tracking_uri()], env=project.environment()))


@app.command()
def schema(check: Annotated[bool, typer.Option(help="only say whether the files are current")] = False) -> None:
    """Write params.schema.json, which editors complete and check params.yaml by, and docs/settings.md, for people."""
    from scantune.commands.describing import settings_text
    from scantune.config.load import SCHEMA_NAME, schema_text

    for path, text in ((Path(SCHEMA_NAME), schema_text()), (Path("docs/settings.md"), settings_text())):
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            raise ScantuneError(f"{path} is not what the settings are now; run: make schema")


for command in (
    starting.init,
    cohorts.index,
    cohorts.check,
    showing.show,
    keeping.checkpoints,
    cluster.slurm,
    searching.search,
    scoring.score,
    scoring.compare,
    predicting.predict,
    promoting.promote,
):
    app.command()(command)
app.add_typer(converting.app, name="convert")
app.command(hidden=True, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(searching.trial)


if __name__ == "__main__":
    main()
