"""``scantune run``: the pipeline as params.yaml has it, or a variant of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from scantune.commands import project
from scantune.files import write_text
from scantune.records import ScantuneError

_TRAIN = ("epochs", "learning_rate", "batch_size", "optimizer", "scheduler", "loss", "precision", "device", "seed")
_MODEL = ("backbone", "weights")
#: stage → groups of params.yaml whose names it accepts, and the DVC stage of each
_STAGES = {
    "demo": {"demo": "demo"},
    "index": {"datasets": "index"},
    "preprocess": {"inputs": "preprocess"},
    "split": {"datasets": "split"},
    "train": {"experiments": "train", "derived": "train-derived"},
    "evaluate": {"experiments": "evaluate", "derived": "evaluate-derived", "ensembles": "evaluate-ensemble"},
    "register": {"experiments": "register", "derived": "register-derived", "ensembles": "register-ensemble"},
    "external": {"external": "external", "external_ensembles": "external-ensemble"},
    "map-check": {"map_checks": "map-check"},
    "across": {"external": "across", "external_ensembles": "across-ensemble"},
    "ensemble": {"ensembles": "ensemble"},
}


def run(
    targets: Annotated[list[str] | None, typer.Argument(help="DVC targets such as register@digits")] = None,
    experiment: Annotated[
        str,
        typer.Option(
            help="a name in experiments, derived, ensembles, external or external_ensembles, with the stages it needs"
        ),
    ] = "",
    everything: Annotated[bool, typer.Option("--all", help="everything in params.yaml")] = False,
    stage: Annotated[str, typer.Option(help=f"one stage, with all stages it depends on: {', '.join(_STAGES)}")] = "",
    key: Annotated[str, typer.Option(help="the name in params.yaml that --stage is for")] = "",
    epochs: Annotated[str, typer.Option(help="train.epochs")] = "",
    learning_rate: Annotated[str, typer.Option(help="train.learning_rate")] = "",
    batch_size: Annotated[str, typer.Option(help="train.batch_size")] = "",
    optimizer: Annotated[str, typer.Option(help="train.optimizer")] = "",
    scheduler: Annotated[str, typer.Option(help="train.scheduler")] = "",
    loss: Annotated[str, typer.Option(help="train.loss")] = "",
    precision: Annotated[str, typer.Option(help="train.precision")] = "",
    device: Annotated[str, typer.Option(help="train.device")] = "",
    seed: Annotated[str, typer.Option(help="train.seed")] = "",
    backbone: Annotated[str, typer.Option(help="model.backbone")] = "",
    weights: Annotated[str, typer.Option(help="model.weights")] = "",
    settings: Annotated[list[str] | None, typer.Option("--set", help="other keys: 'inputs.digits.workers=2 …'")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="write the changed values to params.yaml and run in place")
    ] = False,
) -> None:
    """Run the pipeline: the quick default, one experiment, a stage, some targets, or everything.

    With changed settings the run is an experiment of DVC, in a copy: params.yaml and outputs/ are unchanged.
    Settings apply to --experiment or --key, else to every experiment of the quick default or of the targets.
    """
    from scantune.tracking.parent import close_parent, refusal_described

    options = locals()
    named = {
        f"{block}.{name}": options[name] for block, names in (("train", _TRAIN), ("model", _MODEL)) for name in names
    }
    run_settings = {name: value for name, value in named.items() if value}
    status = "KILLED"
    try:
        with refusal_described():
            params = project.settings()
            chosen = _targets(params, targets, experiment, everything, stage, key)
            written = _changes(params, chosen, run_settings, " ".join(settings or ()), experiment or key)
            _adopt_parent(params, chosen, written)
            code = execute(chosen, written, keep=keep)
        status = "FAILED" if code else "FINISHED"
    except ScantuneError:
        status = "FAILED"
        raise
    finally:
        close_parent(status)
    raise typer.Exit(code)


def _changes(params: Any, targets: Sequence[str], run_settings: dict[str, str], settings: str, name: str) -> list[Any]:
    """What was typed as changes of ``params.yaml``: options of a training for each of its targets, and ``--set``.

    Raises:
        ScantuneError: no target is trained, ``settings`` cannot be read, or a key has two values.
    """
    from scantune.config.edit import Change, split_settings

    experiments = _experiments(params, targets)
    if run_settings and not experiments:
        raise _untrained(params, next(iter(run_settings)).split(".")[1].replace("_", "-"), name)
    run_settings |= _digest_of(run_settings["model.weights"]) if "model.weights" in run_settings else {}
    changes = [f"{block}.{option}={value}" for block in experiments for option, value in run_settings.items()]
    read = [Change.read(change) for change in [*changes, *split_settings(settings)]]
    typed: dict[str, Change] = {}
    for change in read:
        if typed.setdefault(change.key, change).value != change.value:
            values = f"{typed[change.key].text} and {change.text}"
            raise ScantuneError(f"{change.key} is stated twice, as {values}: leave one of them out")
    return read


def _untrained(params: Any, option: str, name: str) -> ScantuneError:
    """Why an option of a training cannot be used here."""
    if name in params.ensembles:
        members = " or ".join(f"--experiment {member}" for member in params.ensembles[name].members)
        return ScantuneError(f"--{option}: {name} is an ensemble, which trains nothing; change a member: {members}")
    if name in params.externals:
        model = params.externals[name].experiment
        if model in params.ensembles:
            return ScantuneError(f"--{option}: {name} evaluates the ensemble {model}, which trains nothing")
        return ScantuneError(f"--{option}: {name} evaluates the model of {model}; change that: --experiment {model}")
    return ScantuneError(f"--{option}: name the experiment (--experiment NAME)")


def _digest_of(weights: str) -> dict[str, str]:
    """The digest for ``model.weights`` if that is a file or folder; none if it is a name."""
    from scantune.models import own_weights

    path = own_weights.place_of(weights, "weights")
    named = own_weights.is_own(weights) and path.exists()
    return {"model.weights_sha256": own_weights.digest_of(path)} if named else {}


def execute(targets: Sequence[str], changes: Sequence[Any], *, keep: bool = False) -> int:
    """Run targets, with changed settings where there are any, which are checked before anything is written.

    Args:
        targets: of DVC; none for all.
        changes: :class:`scantune.config.edit.Change`.
        keep: write them to params.yaml and run there, rather than in a copy.

    Returns:
        DVC's exit code.
    """
    from scantune.commands import variants
    from scantune.config.edit import edited
    from scantune.config.load import parse, read_text
    from scantune.pipeline.train.locks import refuse_second
    from scantune.tracking import project_home

    path = Path("params.yaml")
    if changes:
        text = edited(path.read_text(encoding="utf-8"), changes)
        params = parse(read_text(text), f"params.yaml with {', '.join(change.key for change in changes)} changed")
    if changes and not keep:
        home = project_home()
        only = {name.partition("@")[2] for name in targets}
        experiment = next(iter(only)) if len(only) == 1 else ""
        title = variants.title_of(changes, experiment)
        name = variants.free_name(home, variants.name_of(changes, experiment), text)
        with variants.copied(home, name, text, params.model_dump(mode="json", by_alias=True)) as copy:
            code = variants.run(home, copy, name, title, targets)
            _tell_parent(title, copy, targets)
        _print_destination(code, name)
        return code
    refuse_second(_trained(targets))
    if changes:
        write_text(path, text)
    code = project.run_dvc(["repro", *targets])
    only = {name.partition("@")[2] for name in targets}
    title = variants.title_of(changes, next(iter(only)) if len(only) == 1 else "") or ", ".join(sorted(only)) or "all"
    _tell_parent(title, Path(), targets)
    _print_destination(code)
    return code


def _adopt_parent(params: Any, targets: Sequence[str], changes: Sequence[Any]) -> None:
    """Put the run that ``mlflow run`` opened beside those of the stages, where all are of one dataset."""
    from scantune.commands.variants import title_of
    from scantune.tracking import take_parent_run
    from scantune.tracking.parent import adopt_parent

    run_id = take_parent_run()
    datasets = {_dataset_of(params, target.partition("@")[2]) for target in targets}
    if run_id and len(datasets) == 1:
        names = [target.partition("@")[2] for target in targets]
        adopt_parent(run_id, datasets.pop(), title_of(changes, names[0] if len(names) == 1 else "") or ", ".join(names))


def _dataset_of(params: Any, name: str) -> str:
    """The dataset that a block is for; its own name where it is a dataset."""
    if name in params.externals:  # its run is beside that of the model
        name = params.externals[name].experiment
    if name in params.ensembles:
        name = params.ensembles[name].members[0]
    for group in ("experiments", "derived", "inputs"):
        block = getattr(params, group).get(name)
        if block is not None:
            return str(block.dataset)
    return name


def _targets(
    params: Any, targets: Sequence[str] | None, experiment: str, everything: bool, stage: str, key: str
) -> list[str]:
    """The DVC targets of what was typed; none for everything.

    Raises:
        ScantuneError: there is no such stage or name, or a setting or name is typed as a target.
    """
    _refuse_no_targets(params, targets or ())
    if bool(stage) != bool(key):
        raise ScantuneError("--stage and --key go together, as in --stage train --key digits")
    ways = {
        " ".join(targets or ()): bool(targets),
        f"--experiment {experiment}": bool(experiment),
        "--all": everything,
        f"--stage {stage} --key {key}": bool(stage),
    }
    chosen = [way for way, used in ways.items() if used]
    if len(chosen) > 1:
        raise ScantuneError(f"{' and '.join(chosen)}: each says what to run; name one of them")
    if experiment:
        return [project.target_of(params, experiment)]
    if not stage:
        return [_typed(params, target) for target in targets or ([] if everything else params.quick)]
    if stage not in _STAGES:
        raise ScantuneError(f"--stage {stage!r}: no such stage; there are {', '.join(_STAGES)}")
    return [_target(params, stage, key, f"--key {key!r}")]


def _typed(params: Any, target: str) -> str:
    """A target as DVC has it: of ``train@x`` the stage of x's group, which may be ``train-derived``."""
    stage, _, key = target.partition("@")
    return _target(params, stage, key, target) if key and stage in _STAGES else target


def _target(params: Any, stage: str, key: str, typed: str) -> str:
    """The DVC target of a stage and a name in ``params.yaml``; ``typed`` is what an error begins with."""
    for group, name in _STAGES[stage].items():
        if key in getattr(params, group):
            return f"{name}@{key}"
    known = ", ".join(name for group in _STAGES[stage] for name in getattr(params, group)) or "none"
    raise ScantuneError(f"{typed}: no {' or '.join(_STAGES[stage])} of that name; there are {known}")


def _refuse_no_targets(params: Any, targets: Sequence[str]) -> None:
    """Raise where what was typed as a target is a setting, or a name in ``params.yaml`` without a stage."""
    for target in targets:
        if "=" in target:
            raise ScantuneError(f"{target}: is no target of DVC; a setting is typed as --set '{target}'")
        groups = ("experiments", "derived", "ensembles", "external", "external_ensembles")
        if any(target in getattr(params, group) for group in groups):
            raise ScantuneError(f"{target}: is no target of DVC; all its stages are run by --experiment {target}")


def _experiments(params: Any, targets: Sequence[str]) -> list[str]:
    """``experiments.digits`` of each experiment whose training or evaluation is a target."""
    names_of_blocks = []
    for target in targets:
        stage, _, name = target.partition("@")
        if stage.removesuffix("-derived") in {"train", "evaluate", "register"}:
            names_of_blocks.append(f"{project.group_of(params, name)}.{name}")
    return list(dict.fromkeys(names_of_blocks))


def _trained(targets: Sequence[str]) -> list[str]:
    """Experiments that DVC may train for these targets; all that were ever trained here where it runs everything."""
    if targets:
        return [target.partition("@")[2] for target in targets]
    return [path.stem.removeprefix("train-") for path in Path(".scantune/locks").glob("train-*.lock")]


def _tell_parent(title: str, folder: Path, targets: Sequence[str]) -> None:
    """Give the run that ``mlflow run`` opened a name, the test metrics and the reports of what ran."""
    from scantune.tracking import take_parent_run
    from scantune.tracking.parent import describe_parent

    run_id = take_parent_run()
    if not run_id:
        return
    names = [target.partition("@")[2] for target in targets]
    homes = [_evaluated(folder, target) for target in targets]
    summaries = {
        name: json.loads((home / "summary.json").read_text())
        for name, home in zip(names, homes)
        if (home / "summary.json").exists()
    }
    reports = {name: home / "report.html" for name, home in zip(names, homes) if (home / "report.html").exists()}
    describe_parent(run_id, title, summaries, reports)


def _evaluated(folder: Path, target: str) -> Path:
    """The folder with the metrics and the report of what a target evaluates."""
    stage, _, name = target.partition("@")
    if stage.removesuffix("-ensemble") in {"external", "across"}:
        return folder / "outputs" / "external" / name
    return folder / ("ensembles" if stage.endswith("ensemble") else "outputs") / name / "evaluate"


def _print_destination(code: int, variant: str = "") -> None:
    """Print the variant in DVC, and the MLflow pages on models and runs rather than in their GenAI mode."""
    from scantune.registry.pages import addresses
    from scantune.tracking import store

    if variant and code == 0:
        typer.echo("\nparams.yaml and outputs/ here are unchanged: the workspace that DVC names is a temporary copy.")
        typer.echo(f"The variant is the DVC experiment {variant}")
        typer.echo("  dvc exp show                  compare it with the others")
        typer.echo(f"  dvc exp apply '{variant}'     bring its settings and outputs into this folder")
    try:
        lines = addresses() if code == 0 else []
    except Exception as error:  # all is done: without the addresses, too
        typer.echo(f"\n{store.unreachable_message(error)}")
        return
    if lines:
        typer.echo("\nView: make ui   (or: scantune ui), then open")
        for line in lines:
            typer.echo(f"  {line}")
