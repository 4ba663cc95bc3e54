"""Hyper-parameter search of one experiment: trials as nested runs, the best as a block to paste or train."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from filelock import FileLock, Timeout

from scantune import files
from scantune.config.edit import flow
from scantune.config.load import ConfigError, parse, read
from scantune.engine.trials import SearchResult, search, wandb_sweep, with_params
from scantune.pipeline.project import block_of
from scantune.pipeline.train import networks
from scantune.pipeline.train import stage as recipe
from scantune.pipeline.train.sinks import sinks_of
from scantune.pipeline.train.training import TrainingPlan, Watch, train_member
from scantune.pipeline.trials import space
from scantune.records import ScantuneError
from scantune.tasks.directions import monitored
from scantune.tracking import Run, open_run, own_folder

if TYPE_CHECKING:
    from scantune.config.params import ExperimentConfig, Params
    from scantune.engine import FitResult

BEST = "best_params.yaml"
_TRIAL, _LOCK = "trial-", "lock"


@dataclass(frozen=True)
class SearchedExperiment:
    """An experiment with its hyper-parameter search.

    Attributes:
        key: its name.
        group: ``experiments`` or ``derived``.
        raw: the content of params.yaml.
        params: the same, validated.
    """

    key: str
    group: str
    raw: Mapping[str, Any]
    params: Params

    @property
    def block(self) -> ExperimentConfig:
        """Its settings."""
        return getattr(self.params, self.group)[self.key]

    @property
    def folder(self) -> Path:
        """Folder of the study and its results."""
        return own_folder() / "search" / self.key

    @property
    def space(self) -> dict[str, dict[str, Any]]:
        """Dotted name to its range, as the engine accepts it."""
        return {name: span.plain() for name, span in self.block.search.space.items()}

    @property
    def mode(self) -> str:
        """``min`` or ``max``."""
        return monitored(self.block)[1]

    def with_params(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """The experiment's block with the parameters inserted."""
        block = {name: value for name, value in self.raw[self.group][self.key].items() if name != "search"}
        return with_params(block, parameters, self.block.model_dump(mode="json", exclude_unset=True))

    def trial(self, parameters: Mapping[str, Any]) -> TrainingPlan:
        """The plan of a trial.

        Raises:
            ConfigError: the parameters do not make a valid block.
        """
        return recipe.plan_of(self.settings(parameters), self.key)

    def settings(self, parameters: Mapping[str, Any]) -> Params:
        """All settings of a trial.

        Raises:
            ConfigError: the parameters do not make a valid block.
        """
        return parse(space.alone(self.raw, self.group, self.key, self.with_params(parameters)))


def searched(key: str) -> SearchedExperiment:
    """The experiment ``key`` of params.yaml in this folder.

    Raises:
        ScantuneError: not found, or its search space has settings that are not valid.
    """
    raw = read()
    params = parse(raw)
    block_of(params, key)
    experiment = SearchedExperiment(key, "experiments" if key in params.experiments else "derived", raw, params)
    where = f"{experiment.group}.{key}"
    faults = dict.fromkeys(space.refused(where, experiment.block))
    for name, parameters in space.combinations(experiment.space):
        try:
            experiment.settings(parameters)
        except ConfigError as error:
            faults |= dict.fromkeys(f"{where}.search.space.{name}: {one}" for one in error.faults)
    if faults:
        raise ConfigError(list(faults))
    return experiment


def run_search(
    experiment: SearchedExperiment, *, n_trials: int, seconds: float | None = None, say: Callable[[str], None] = print
) -> SearchResult:
    """Run trials until the study has ``n_trials``; none is started after ``seconds``.

    Returns:
        The result of the study; ``best_params.yaml`` is written.
    """
    settings, block = experiment.block.search, experiment.block
    plan = recipe.plan_of(experiment.params, experiment.key)
    recipe.check_samples(plan)
    started, result = time.monotonic(), None
    tracking = experiment.params.tracking
    run_file = experiment.folder / "mlflow_run"
    with open_run(
        "search",
        experiment.key,
        dataset=block.dataset,
        resume=run_file.read_text().strip() if run_file.exists() else None,
        enabled=tracking.enabled,
        require=tracking.require,
    ) as run:
        experiment.folder.mkdir(parents=True, exist_ok=True)
        common = space.common_of(block, experiment.params.inputs[block.input], _data(plan))
        space.check_study(experiment.folder, f"{experiment.group}.{experiment.key}", common)
        _remove_left(experiment.folder)
        if run.run_id:
            files.write_text(run_file, run.run_id)
        run.params({"space": experiment.space, "monitor": block.train.monitor})

        def objective(number: int, parameters: dict[str, Any], report: Callable[[int, float], None]) -> float:
            value = _one_trial(experiment, f"{experiment.key} {number}", parameters, run, report)
            say(f"trial {number}: {block.train.monitor} {value:.5g}  {_short(parameters)}")
            return value

        for target in range(1, n_trials + 1):
            if result is not None and seconds is not None and time.monotonic() - started > seconds:
                break
            result = search(
                objective,
                experiment.space,
                study_file=experiment.folder / "study.journal",
                n_trials=target,
                mode=experiment.mode,
                seed=settings.seed,
                prune_after=settings.warmup_trials if settings.prune else None,
                name=experiment.key,
            )
        assert result is not None
        path = write_best(experiment, result)
        run.metrics({"best_value": result.best_value, "trials": result.completed + result.pruned})
        run.tags({f"best.{name}": value for name, value in result.best_params.items()})
        run.artifact(path)
    return result


def _data(plan: TrainingPlan) -> dict[str, str]:
    """Digests of what every trial trains on, is compared on, and starts from."""
    from scantune.registry.model import weights_digest

    sides = {name: plan.sides.side(name) for name in ("train", "validation")}
    digests = {name: side.digest for name, side in sides.items()}
    digests |= {f"table of {name}": side.table_digest for name, side in sides.items()}
    return digests if plan.start is None else {**digests, "start": weights_digest(plan.start)}


def _remove_left(folder: Path) -> None:
    """Remove what trials of killed processes left: nobody holds the lock in their folders."""
    for trial in folder.glob(f"{_TRIAL}*"):  # one that was killed while it removed its folder may have no lock left
        with contextlib.suppress(Timeout), FileLock(trial / _LOCK, timeout=0):
            shutil.rmtree(trial, ignore_errors=True)


def _one_trial(
    experiment: SearchedExperiment,
    name: str,
    parameters: Mapping[str, Any],
    parent: Run,
    report: Callable[[int, float], None],
) -> float:
    """Train one network with some parameters, in a run below the search's; returns the best value of the monitored
    metric."""
    plan = experiment.trial(parameters)
    monitor = plan.block.train.monitor
    stopped: list[Exception] = []

    def watch(history: Sequence[Mapping[str, Any]]) -> None:
        try:
            report(len(history), float(history[-1][monitor]))
        except Exception as error:  # the search ends a trial by raising
            stopped.append(error)
            raise

    with (
        open_run("trial", name, dataset=plan.block.dataset, parent=parent.run_id, enabled=parent.on) as run,
        tempfile.TemporaryDirectory(dir=experiment.folder, prefix=_TRIAL) as folder,
        FileLock(Path(folder) / _LOCK),
    ):
        run.params(parameters)
        try:
            result = train_trial(plan, Path(folder), run, watch)
            run.metrics({f"best_{monitor}": result.best_value})
        except Exception as error:
            if error not in stopped:
                raise
            run.tags({"scantune.pruned": "true"})
    if stopped:
        raise stopped[0]
    return float(result.best_value)


def train_trial(plan: TrainingPlan, folder: Path, run: Run, watch: Watch | None = None) -> FitResult:
    """Train the first network of a plan (the first seed or fold) in a temporary folder."""
    from scantune.engine import launch

    settings = plan.block.train
    fabric = launch(
        device=settings.device,
        devices=1,
        precision=settings.precision,
        find_unused_parameters=settings.find_unused_parameters,
    )
    first = next(networks.members_of(plan))
    return train_member(
        plan,
        first.train,
        first.validation,
        seed=first.seed,
        out=folder / "out",
        state=folder / "state",
        sinks=sinks_of(plan, "", run, folder),
        start=networks.start_of(plan, "weights", first.seed),
        teacher=networks.start_of(plan, "teacher"),
        fabric=fabric,
        watch=watch,
    )


def _short(parameters: Mapping[str, Any]) -> str:
    """Each setting by the last part of its key, for the terminal."""
    return ", ".join(
        f"{key.rpartition('.')[2]} {f'{value:.3g}' if isinstance(value, float) else value}"
        for key, value in parameters.items()
    )


def write_best(experiment: SearchedExperiment, result: SearchResult) -> Path:
    """``best_params.yaml``: the best trial as an experiment block."""
    path = experiment.folder / BEST
    trials = result.completed + result.pruned
    words = (
        f"# {experiment.group}.{experiment.key}, best of {trials} trials: "
        f"{experiment.block.train.monitor} {result.best_value:.6g}.\n"
        f"# Paste it under `{experiment.group}:` in params.yaml, or: scantune search {experiment.key} --train-best\n"
    )
    block = yaml.safe_dump(
        {f"{experiment.key}_best": experiment.with_params(result.best_params)}, sort_keys=False, width=118
    )
    files.write_text(path, words + block)
    return path


def changes(experiment: SearchedExperiment, path: Path) -> list[str]:
    """What ``best_params.yaml`` changes in params.yaml, as ``key.path=value``.

    Raises:
        ScantuneError: the file is not found or not a block.
    """
    if not path.exists():
        raise ScantuneError(f"{path}: not found; run: scantune search {experiment.key}")
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or len(content) != 1 or not isinstance(next(iter(content.values())), dict):
        raise ScantuneError(f"{path}: must contain one experiment block, as scantune search writes it")
    best = next(iter(content.values()))
    current = {
        name: value for name, value in experiment.raw[experiment.group][experiment.key].items() if name != "search"
    }
    return [f"{experiment.group}.{experiment.key}.{key}={flow(value)}" for key, value in _differences(current, best)]


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    differences: list[tuple[str, Any]] = []
    for name, value in new.items():
        before = old.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            differences += _differences(before, value, f"{prefix}{name}.")
        elif before != value:
            differences.append((f"{prefix}{name}", value))
    return differences


def write_sweep(experiment: SearchedExperiment, path: Path, n_trials: int) -> Path:
    """The same space as a Weights & Biases sweep; its agents run ``scantune trial``."""
    sweep = wandb_sweep(
        experiment.space,
        program="scantune",
        monitor=experiment.block.train.monitor,
        mode=experiment.mode,
        n_trials=n_trials,
    )
    sweep["command"] = ["${env}", "${interpreter}", "-m", "scantune.cli", "trial", experiment.key, "${args}"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(sweep, sort_keys=False), encoding="utf-8")
    return path
