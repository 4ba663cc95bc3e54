"""``scantune score`` and ``scantune compare``: predictions of any origin, without PyTorch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from scantune.amounts import number_of
from scantune.records import ScantuneError
from scantune.tasks.catalogue import names

Task = Annotated[str, typer.Option("--task", help=", ".join(names()))]
Set = Annotated[list[str] | None, typer.Option("--set", help="a task setting, as in positive=yes or classes=[a,b]")]


Files = Annotated[
    list[Path], typer.Argument(help="a predictions.csv of any tool, or several: one for each reader or model")
]
Draws = Annotated[
    int, typer.Option(help="bootstrap draws: for bands of curves, and metrics with no other interval", min=1)
]


def score(
    predictions: Annotated[
        list[Path],
        typer.Argument(help="predictions.csv of any tool, or one for each reader or model; or a folder of masks"),
    ],
    task: Task,
    out: Annotated[Path, typer.Option(help="file to write")] = Path("metrics.json"),
    settings: Set = None,
    reference: Annotated[
        Path | None, typer.Option(help="folder of reference masks, where predictions are a folder of masks")
    ] = None,
    region: Annotated[
        Path | None, typer.Option(help="folder of masks of the same names: masks are scored inside of them alone")
    ] = None,
    mask_values: Annotated[
        str, typer.Option(help="values in masks to labels, as in {128: 1, 255: 2, 3: ignore}; ignore does not count")
    ] = "",
    split: Annotated[str, typer.Option(help="rows to score")] = "test",
    report: Annotated[Path | None, typer.Option(help="write a report too, as one HTML file")] = None,
    case_mix: Annotated[str, typer.Option(help="weight the rows to it, as in {sex: {F: 0.5, M: 0.5}}")] = "",
    draws: Draws = 2000,
    seed: Annotated[int, typer.Option(help="seed of the draws", min=0)] = 42,
    confidence: Annotated[float, typer.Option(help="confidence level of the intervals", min=0.5, max=0.9999)] = 0.95,
) -> None:
    """All metrics of a predictions file with confidence intervals by subject.

    Columns: target and prediction, p/<class> or logit/<class>; docs/score.md lists those of each task. Zones, grades,
    findings and horizons are read from the columns. Several files are each compared with the first.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for any takes a twentieth of a second
    options: dict[str, Any] = {"split": split, "draws": draws, "seed": seed, "confidence": confidence}
    from scantune.plugins import load_plugins
    from scantune.tasks.predictions_file import read

    load_plugins()  # before the file is read: a plugin's task has columns of its own
    masks = reference is not None or any(path.is_dir() for path in predictions)
    if masks:
        schema = task_settings(task, settings or [])
        beside = {"region": region, "values": _mask_values(mask_values)}
        predictions = [_of_masks(path, reference, schema, out, **beside) for path in predictions]
    elif region is not None or mask_values:
        raise ScantuneError("--region and --mask-values are for folders of masks, with --reference")
    table = read(predictions[0])
    if not masks:
        schema = task_settings(task, settings or [], list(table.columns))
    if case_mix:
        options["case_mix"] = _shares(case_mix)
    if len(predictions) > 1:
        if report is not None:
            raise ScantuneError(f"--report {report}: a report is of one predictions file, not of {len(predictions)}")
        _score_several(predictions, schema, out, options)
        return
    from scantune.tasks.scoring import score_file

    metrics = score_file(table, schema, out, **options)
    typer.echo(f"{number_of(metrics['n'], 'sample')} of {number_of(metrics['n_subjects'], 'subject')}")
    for line in [*metrics.get("read_as", ()), *_headline(metrics)]:
        typer.echo(line)
    typer.echo(f"all metrics: {out}")
    if report is not None:
        from scantune.report import from_file
        from scantune.tasks.foreign import load

        table = load(table, schema)[0]
        typer.echo(f"report: {from_file.report(table, schema, metrics, report, name=predictions[0].stem, split=split)}")


def _of_masks(predicted: Path, reference: Path | None, schema: Any, out: Path, **beside: Any) -> Path:
    """A table of the metrics of each mask, written beside ``out``; ``beside`` as of
    :func:`scantune.pipeline.evaluate.mask_folders.compared`.

    Raises:
        ScantuneError: one of the two is no folder; as :func:`scantune.pipeline.evaluate.mask_folders.compared`.
    """
    region = beside["region"]
    if region is not None and not region.is_dir():
        raise ScantuneError(f"--region {region}: not a folder of masks")
    if reference is not None and not reference.is_dir():
        raise ScantuneError(f"--reference {reference}: not a folder of masks")
    if reference is None or not predicted.is_dir():
        raise ScantuneError(
            f"{predicted}: masks are scored folder against folder, as in scantune score PREDICTED --reference REFERENCE"
        )
    from scantune.pipeline.evaluate.mask_folders import compared
    from scantune.tasks.predictions import write

    path = out.with_name(f"{out.stem}_{predicted.name}.csv")
    write(compared(predicted, reference, schema, **beside), path)
    typer.echo(f"each mask: {path}")
    return path


def _score_several(predictions: list[Path], schema: Any, out: Path, options: dict[str, Any]) -> None:
    from scantune.tasks.comparing import lines
    from scantune.tasks.several import score_files

    scores = score_files(predictions, schema, out, **options)
    for name, metrics in scores["files"].items():
        typer.echo(f"{name}: {number_of(metrics['n'], 'sample')} of {number_of(metrics['n_subjects'], 'subject')}")
        for line in [*metrics.get("read_as", ()), *_headline(metrics)]:
            typer.echo(f"  {line}")
    for name, comparison in scores["comparisons"].items():
        typer.echo(f"{name} − {scores['reference']}:")
        for line in [comparison["reason"]] if "reason" in comparison else lines(comparison):
            typer.echo(f"  {line}")
        if comparison["p_holm_files"] is not None and len(scores["comparisons"]) > 1:
            typer.echo(
                f"  p of {comparison['primary']} adjusted for the files (Holm): {comparison['p_holm_files']:.3g}"
            )
    typer.echo(f"all metrics and comparisons: {out}")


def _mask_values(text: str) -> dict[str, int | str]:
    """Value to label, from YAML.

    Raises:
        ScantuneError: it is something else.
    """
    from scantune.config.load import plain_value
    from scantune.mask_codes import IGNORE

    values = plain_value(text) if text else {}
    if not isinstance(values, dict) or not all(
        label == IGNORE or (isinstance(label, int) and 0 <= label < 255) for label in values.values()
    ):
        raise ScantuneError(
            f"--mask-values {text!r}: write value: label, as in {{128: 1, 255: 2, 3: ignore}}; labels are 0 … 254"
        )
    return {str(value): label for value, label in values.items()}


def _shares(text: str) -> dict[str, dict[str, float]]:
    """Column to level to share, from YAML.

    Raises:
        ScantuneError: it is something else.
    """
    from scantune.config.load import plain_value

    shares = plain_value(text)
    try:
        return {str(c): {str(level): float(share) for level, share in of.items()} for c, of in shares.items()}
    except (AttributeError, TypeError, ValueError):
        raise ScantuneError(
            f"--case-mix {text!r}: write column: {{level: share}}, as in {{sex: {{F: 0.5, M: 0.5}}}}"
        ) from None


def _headline(metrics: dict[str, Any]) -> list[str]:
    entries = metrics["metrics"]
    positive = [f"positive class: {metrics['positive']}"] if "positive" in metrics else []
    return positive + [f"{name}: {_figure(entries[name])}" for name in metrics["headline"] if name in entries]


def compare(
    context: typer.Context,
    reference: Annotated[
        Path, typer.Argument(help="predictions.csv of the reference model, or a folder of those of several trainings")
    ],
    challenger: Annotated[
        Path, typer.Argument(help="the same of the challenger, on the same test subjects; see `scantune seeds --keep`")
    ],
    task: Task,
    primary: Annotated[str, typer.Option(help="the prespecified primary metric")] = "",
    margin: Annotated[float, typer.Option(help="non-inferiority margin in the primary metric", min=0.0)] = 0.0,
    out: Annotated[Path | None, typer.Option(help="write the whole comparison as JSON")] = None,
    settings: Set = None,
    draws: Draws = 2000,
    seed: Annotated[int, typer.Option(help="seed of the draws", min=0)] = 42,
) -> None:
    """Compare two models on the same test subjects: paired differences, and a decision by the primary metric.

    Of two folders all predictions.csv below each are trainings of one experiment: the difference is that of the means
    over trainings, its interval has the variance by subject and that among trainings, and there is no margin.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from scantune.config.synonyms import metric_name
    from scantune.plugins import load_plugins
    from scantune.tasks.comparing import compare_tables, lines, read_both

    load_plugins()
    primary = metric_name(primary)
    for path in (reference, challenger):
        if not path.exists():
            raise ScantuneError(f"{path}: no such file or folder")
    if reference.is_dir() or challenger.is_dir():
        refuse_stated(
            context, ["draws", "seed", "margin"], "is for two files; of folders, read the interval of the difference"
        )
        _compare_trainings(reference, challenger, task, settings or [], primary, out)
        return
    tables = read_both(reference, challenger)
    schema = task_settings(task, settings or [], list(tables[0].columns))
    options: dict[str, Any] = {"primary": primary or None, "margin": margin, "draws": draws, "seed": seed}
    comparison = compare_tables(*tables, schema, out, **options)
    typer.echo(
        f"challenger − reference, {number_of(comparison['n'], 'sample')} of "
        f"{number_of(comparison['n_subjects'], 'subject')}"
    )
    for line in lines(comparison):
        typer.echo(line)


def refuse_stated(context: typer.Context, names: list[str], why: str) -> None:
    """Refuse options that were typed and would have no effect.

    Args:
        context: of the command.
        names: of its parameters.
        why: what they are for.

    Raises:
        ScantuneError: one was typed.
    """
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise ScantuneError(f"--{name.replace('_', '-')} {why}")


def _compare_trainings(
    reference: Path, challenger: Path, task: str, settings: list[str], primary: str, out: Path | None
) -> None:
    from scantune.files import write_json
    from scantune.tasks.predictions_file import read
    from scantune.tasks.trainings import compare_folders, lines, predictions_in

    if not (reference.is_dir() and challenger.is_dir()):
        raise ScantuneError(f"{reference} and {challenger}: two files, or two folders of several trainings each")
    schema = task_settings(task, settings, list(read(predictions_in(reference)[0]).columns))
    comparison = compare_folders(reference, challenger, schema, primary=primary or None)
    old, new = comparison["trainings"]
    typer.echo(
        f"challenger − reference, means over {new} and {old} trainings, {number_of(comparison['n'], 'sample')} of "
        f"{number_of(comparison['n_subjects'], 'subject')}"
    )
    for line in lines(comparison):
        typer.echo(line)
    if out is not None:
        write_json(out, comparison)


def task_settings(name: str, assignments: list[str], columns: Sequence[str] = ()) -> Any:
    """A task's settings: ``key=value`` in YAML, then what the columns of a predictions file settle, then its defaults.

    Raises:
        ScantuneError: an unknown task or key, a value that does not fit.
    """
    from scantune.tasks.foreign import settings_for

    values: dict[str, Any] = {}
    for setting in assignments:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ScantuneError(f"--set {setting!r}: write key=value")
        from scantune.config.load import plain_value

        values[key.strip()] = plain_value(text)
    return settings_for(name, values, columns)


def _figure(entry: dict[str, Any]) -> str:
    if entry["value"] is None:
        return str(entry["reason"])
    chance = [entry.get(f"consistency_{end}") for end in ("lower", "upper")]
    if entry["lower"] is None and None not in chance:
        return f"{entry['value']:.4f} (of a calibrated model by chance {chance[0]:.4f} … {chance[1]:.4f})"
    if entry["lower"] is None:
        return f"{entry['value']:.4f} ({entry['reason']})"
    return f"{entry['value']:.4f} ({entry['lower']:.4f} … {entry['upper']:.4f})"
