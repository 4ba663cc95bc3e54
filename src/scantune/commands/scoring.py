"""``scantune score`` and ``scantune compare``: predictions of any origin, without PyTorch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from scantune.records import ScantuneError
from scantune.tasks.catalogue import names

Task = Annotated[str, typer.Option("--task", help=", ".join(names()))]
Set = Annotated[list[str] | None, typer.Option("--set", help="a task setting, as in positive=yes or classes=[a,b]")]


def score(
    predictions: Annotated[Path, typer.Argument(help="a predictions.csv, from any tool")],
    task: Task,
    out: Annotated[Path, typer.Option(help="file to write")] = Path("metrics.json"),
    settings: Set = None,
    split: Annotated[str, typer.Option(help="rows to score")] = "test",
    draws: Annotated[int, typer.Option(help="number of bootstrap draws")] = 2000,
    seed: Annotated[int, typer.Option(help="seed of the draws")] = 42,
    confidence: Annotated[float, typer.Option(help="confidence level of the intervals")] = 0.95,
) -> None:
    """All metrics of a predictions file with confidence intervals by subject."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for any takes a twentieth of a second
    from scantune.tasks.scoring import score_file

    schema = task_settings(task, settings or [])
    metrics = score_file(predictions, schema, out, split=split, draws=draws, seed=seed, confidence=confidence)
    typer.echo(f"{metrics['n']} samples of {metrics['n_subjects']} subjects")
    for name in metrics["headline"]:
        if name in metrics["metrics"]:
            typer.echo(f"{name}: {_figure(metrics['metrics'][name])}")
    typer.echo(f"all metrics: {out}")


def compare(
    reference: Annotated[Path, typer.Argument(help="predictions.csv of the reference model")],
    challenger: Annotated[Path, typer.Argument(help="predictions.csv of the challenger, on the same test subjects")],
    task: Task,
    primary: Annotated[str, typer.Option(help="the prespecified primary metric")] = "",
    margin: Annotated[float, typer.Option(help="non-inferiority margin in the primary metric")] = 0.0,
    out: Annotated[Path | None, typer.Option(help="write the whole comparison as JSON")] = None,
    settings: Set = None,
    draws: Annotated[int, typer.Option(help="number of bootstrap draws")] = 2000,
    seed: Annotated[int, typer.Option(help="seed of the draws")] = 42,
) -> None:
    """Compare two models on the same test subjects: paired differences, and a decision by the primary metric."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from scantune.tasks.comparing import compare_files, lines

    schema = task_settings(task, settings or [])
    options: dict[str, Any] = {"primary": primary or None, "margin": margin, "draws": draws, "seed": seed}
    found = compare_files(reference, challenger, schema, out, **options)
    typer.echo(f"challenger − reference, {found['n']} samples of {found['n_subjects']} subjects")
    for line in lines(found):
        typer.echo(line)


def task_settings(name: str, assignments: list[str]) -> Any:
    """A task's settings, its defaults changed by ``key=value`` in YAML.

    Raises:
        ScantuneError: an unknown task or key, a value that does not fit.
    """
    from pydantic import ValidationError

    from scantune.plugins import load_plugins
    from scantune.tasks.scoring import settings_of

    load_plugins()
    defaults = settings_of(name)
    values: dict[str, Any] = {}
    for setting in assignments:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ScantuneError(f"--set {setting!r}: write key=value")
        from scantune.config.load import plain_value

        values[key.strip()] = plain_value(text)
    try:
        return type(defaults).model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        known = ", ".join(type(defaults).model_fields)
        at = ".".join(map(str, first["loc"]))
        raise ScantuneError(f"--set {at}: {first['msg']}; {name} has the settings {known}") from error


def _figure(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return f"undefined ({entry['reason']})"
    if entry["lower"] is None:
        return f"{entry['value']:.4f} ({entry['reason']})"
    return f"{entry['value']:.4f} ({entry['lower']:.4f} … {entry['upper']:.4f})"
