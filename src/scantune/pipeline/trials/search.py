"""Hyper-parameter search of one experiment: trials as nested runs, the best as a block to paste or train."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from scantune.config.edit import flow
from scantune.config.load import parse, read
from scantune.engine.trials import SearchResult, search, wandb_sweep, with_params
from scantune.pipeline.project import block_of
from scantune.pipeline.train import networks
from scantune.pipeline.train import stage as recipe
from scantune.pipeline.train.sinks import sinks_of
from scantune.pipeline.train.training import TrainingPlan, Watch, train_member
from scantune.records import ScantuneError
from scantune.tasks.directions import monitored
from scantune.tracking import Run, open_run, own_folder

if TYPE_CHECKING:
    from scantune.config.params import ExperimentConfig, Params
    from scantune.engine import FitResult

BEST = "best_params.yaml"


@dataclass(frozen=True)
class Searched:
    """An experiment that is searched.

    Attributes:
        key: its name.
        group: ``experiments`` or ``derived``.
        raw: all of params.yaml as it stands.
        params: the same, checked.
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
        """Where study and results lie."""
        return own_folder() / "search" / self.key

    @property
    def space(self) -> dict[str, dict[str, Any]]:
        """Dotted name to its range, as the engine takes it."""
        return {name: span.plain() for name, span in self.block.search.space.items()}

    @property
    def mode(self) -> str:
        """``min`` or ``max``."""
        return monitored(self.block)[1]

    def with_params(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """The experiment's block with parameters put in."""
        held = {name: value for name, value in self.raw[self.group][self.key].items() if name != "search"}
        return with_params(held, found)

    def trial(self, found: Mapping[str, Any]) -> TrainingPlan:
        """The plan of a trial.

        Raises:
            ConfigError: the parameters do not make a valid block.
        """
        made = dict(self.raw) | {self.group: dict(self.raw[self.group]) | {self.key: self.with_params(found)}}
        return recipe.plan_of(parse(made), self.key)


def searched(key: str) -> Searched:
    """The experiment ``key`` of params.yaml in this folder.

    Raises:
        ScantuneError: there is none; or its search space names settings that it cannot have.
    """
    raw = read()
    params = parse(raw)
    block_of(params, key)
    given = Searched(key, "experiments" if key in params.experiments else "derived", raw, params)
    if given.block.search.space:
        first = {name: (span.get("choices") or [span.get("low")])[0] for name, span in given.space.items()}
        made = dict(raw) | {given.group: dict(raw[given.group]) | {key: given.with_params(first)}}
        parse(made, f"{given.group}.{key}.search.space")
    return given


def run_search(
    given: Searched, *, n_trials: int, seconds: float | None = None, say: Callable[[str], None] = print
) -> SearchResult:
    """Try parameters until the study has ``n_trials``, or no further one after so many seconds.

    Returns:
        What was found; ``best_params.yaml`` is written.
    """
    settings, block = given.block.search, given.block
    started, result = time.monotonic(), None
    tracking = given.params.tracking
    kept = given.folder / "mlflow_run"
    with open_run(
        "search",
        given.key,
        dataset=block.dataset,
        resume=kept.read_text().strip() if kept.exists() else None,
        enabled=tracking.enabled,
        require=tracking.require,
    ) as run:
        given.folder.mkdir(parents=True, exist_ok=True)
        if run.run_id:
            kept.write_text(run.run_id)
        run.params({"space": given.space, "monitor": block.train.monitor})

        def objective(number: int, found: dict[str, Any], report: Callable[[int, float], None]) -> float:
            value = _one_trial(given, f"{given.key} {number}", found, run, report)
            say(f"trial {number}: {block.train.monitor} {value:.5g}  {_short(found)}")
            return value

        for target in range(1, n_trials + 1):
            if result is not None and seconds is not None and time.monotonic() - started > seconds:
                break
            result = search(
                objective,
                given.space,
                study_file=given.folder / "study.journal",
                n_trials=target,
                mode=given.mode,
                seed=settings.seed,
                prune=settings.prune,
                warmup_trials=settings.warmup_trials,
                name=given.key,
            )
        assert result is not None
        path = write_best(given, result)
        run.metrics({"best_value": result.best_value, "trials": result.completed + result.pruned})
        run.tags({f"best.{name}": value for name, value in result.best_params.items()})
        run.artifact(path)
    return result


def _one_trial(
    given: Searched, name: str, found: Mapping[str, Any], parent: Run, report: Callable[[int, float], None]
) -> float:
    """Train one network with some parameters, in a run below the search's; the best value of the monitored figure."""
    plan = given.trial(found)
    monitor = plan.block.train.monitor
    stopped: list[Exception] = []

    def watch(history: Sequence[Mapping[str, Any]]) -> None:
        try:
            report(len(history), float(history[-1][monitor]))
        except Exception as error:  # the search's way to end a trial
            stopped.append(error)
            raise

    with (
        open_run("trial", name, dataset=plan.block.dataset, parent=parent.run_id, enabled=parent.on) as run,
        tempfile.TemporaryDirectory(dir=given.folder, prefix="trial-") as folder,
    ):
        run.params(found)
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
    """Train the first network of a plan (the first seed or fold) in a folder that nobody keeps."""
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


def _short(found: Mapping[str, Any]) -> str:
    return ", ".join(f"{k.split('.')[-1]} {v:.3g}" if isinstance(v, float) else f"{v}" for k, v in found.items())


def write_best(given: Searched, result: SearchResult) -> Path:
    """``best_params.yaml``: the best trial as an experiment block."""
    path = given.folder / BEST
    trials = result.completed + result.pruned
    words = (
        f"# {given.group}.{given.key}, best of {trials} trials: {given.block.train.monitor} {result.best_value:.6g}.\n"
        f"# Paste it under `{given.group}:` in params.yaml, or: scantune search {given.key} --train-best\n"
    )
    block = yaml.safe_dump({f"{given.key}_best": given.with_params(result.best_params)}, sort_keys=False, width=118)
    path.write_text(words + block, encoding="utf-8")
    return path


def changes(given: Searched, path: Path) -> list[str]:
    """What ``best_params.yaml`` changes in params.yaml, as ``key.path=value``.

    Raises:
        ScantuneError: the file is not there or not a block.
    """
    if not path.exists():
        raise ScantuneError(f"{path}: not here yet; run: scantune search {given.key}")
    held = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(held, dict) or len(held) != 1 or not isinstance(next(iter(held.values())), dict):
        raise ScantuneError(f"{path}: must hold one experiment block, as scantune search writes it")
    best = next(iter(held.values()))
    own = {name: value for name, value in given.raw[given.group][given.key].items() if name != "search"}
    return [f"{given.group}.{given.key}.{key}={flow(value)}" for key, value in _differences(own, best)]


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in new.items():
        before = old.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            found += _differences(before, value, f"{prefix}{name}.")
        elif before != value:
            found.append((f"{prefix}{name}", value))
    return found


def write_sweep(given: Searched, path: Path, n_trials: int) -> Path:
    """The same space as a Weights & Biases sweep; its agents run ``scantune trial``."""
    held = wandb_sweep(
        given.space, program="scantune", monitor=given.block.train.monitor, mode=given.mode, n_trials=n_trials
    )
    held["command"] = ["${env}", "${interpreter}", "-m", "scantune.cli", "trial", given.key, "${args}"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(held, sort_keys=False), encoding="utf-8")
    return path
