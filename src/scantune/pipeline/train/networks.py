"""All networks of an experiment: one, several seeds, or one per fold; and their fit on validation."""

from __future__ import annotations

import csv
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from scantune.class_names import value
from scantune.files import STAGED, write_json
from scantune.pipeline.data.datasets import encode
from scantune.pipeline.data.sides import Side, split_subjects
from scantune.pipeline.train import calibration, distance, resume_request
from scantune.pipeline.train.covariates import add_covariates, refuse_others
from scantune.pipeline.train.sampling import matched
from scantune.pipeline.train.sinks import sinks_of
from scantune.pipeline.train.suitability import check_side
from scantune.pipeline.train.training import TrainingPlan, train_member
from scantune.records import ScantuneError
from scantune.script import named_lines
from scantune.tables import write_rows
from scantune.tracking import Run

if TYPE_CHECKING:
    import numpy as np
    from lightning_fabric import Fabric
    from torch import nn

    from scantune.engine import FitResult, Sink
    from scantune.models.network import Network
    from scantune.registry.model import ModelFacts
    from scantune.tasks.base import TaskSettings
    from scantune.tasks.protocol import Task


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedNetworks:
    """Results of an experiment's training.

    Attributes:
        networks: one per member, in order.
        results: :class:`scantune.engine.FitResult` of each.
        fitted: calibration and conformal quantiles.
        validation: metrics of the averaged members on the samples of the fit (out of fold with folds).
    """

    networks: list[Network]
    results: list[FitResult]
    fitted: dict[str, Any]
    validation: dict[str, float]


@dataclass(frozen=True)
class NetworkPlan:
    """One network to train.

    Attributes:
        name: of its folders; "" for a single network.
        seed: of everything random.
        train: training samples.
        validation: samples that select its checkpoint.
        unseen: samples that neither weights nor, where possible, checkpoint depend on; for calibration.
    """

    name: str
    seed: int
    train: Side
    validation: Side
    unseen: Side


class Pictures(Protocol):
    """Pictures of a training: :mod:`scantune.pipeline.monitoring.pictures`."""

    def show_augmented(self, plan: TrainingPlan, side: Side, run: Run, out: Path, sinks: Sequence[Sink]) -> None:
        """Draw augmented samples of a side before the training begins."""

    def answers(self, plan: TrainingPlan, side: Side) -> Callable[[nn.Module], dict[str, np.ndarray]] | None:
        """A function that draws a trained network's predictions of samples; None if none are requested."""


NESTED = 0.15
"""Share of a fold's training subjects that selects its checkpoint when the held-out samples are the test."""


def members_of(plan: TrainingPlan) -> Iterator[NetworkPlan]:
    """The members of a plan: one per fold, one per seed, or one.

    Where folds are the only test, a part of each fold's training subjects is its validation side: the held-out samples
    select nothing.

    Raises:
        ScantuneError: folds that the split does not have.
    """
    settings, sides = plan.block.train, plan.sides
    if settings.folds:
        if len(sides.folds) != settings.folds:
            raise ScantuneError(
                f"train.folds is {settings.folds} and the split has {len(sides.folds)}: "
                f"set datasets.{plan.block.dataset}.split.folds to the same number"
            )
        for fold in sides.folds:
            train, held_out = sides.fold(fold)
            validation = held_out
            if not len(sides.side("test")):
                train, validation = split_subjects(train, NESTED, settings.seed)
            train = matched(train, plan.task, settings.match, settings.seed)
            yield NetworkPlan(f"fold_{fold}", settings.seed, train, validation, held_out)
        return
    train = matched(sides.side("train"), plan.task, settings.match, settings.seed)
    validation = unseen = sides.side("validation")
    if settings.calibration_fraction:
        validation, unseen = split_subjects(validation, settings.calibration_fraction, settings.seed)
    for number in range(settings.members):
        name = f"seed_{settings.seed + number}" if settings.members > 1 else ""
        yield NetworkPlan(name, settings.seed + number, train, validation, unseen)


def train_all(
    plan: TrainingPlan, *, out: Path, state: Path, run: Run, fabric: Fabric, pictures: Pictures | None = None
) -> TrainedNetworks:
    """Train every member; a member that was finished before an interruption is reused.

    Args:
        plan: the plan.
        out: ``outputs/<experiment>/train``.
        state: the folder that survives an interruption.
        run: the MLflow run.
        fabric: as launched; every process calls this.
        pictures: for MLflow and the loggers; None draws nothing.
    """
    results, unseen, members = [], list[calibration.Unseen](), list(members_of(plan))
    _check_sides(plan, members)
    for number, member in enumerate(members):
        folder = state / (member.name or "member")
        sinks = sinks_of(plan, member.name, run, state) if fabric.is_global_zero else []
        if pictures and fabric.is_global_zero and number == 0:
            pictures.show_augmented(plan, member.train, run, out, sinks)
        with named_lines(member.name.replace("_", " ")):
            result = train_member(
                plan,
                member.train,
                member.validation,
                seed=member.seed,
                out=folder / "out",
                state=folder / "state",
                sinks=sinks,
                start=start_of(plan, "weights", member.seed),
                teacher=start_of(plan, "teacher"),
                fabric=fabric,
                pictures=pictures.answers(plan, member.validation) if pictures else None,
                resume_from=resume_request.requested_weights(plan.key, member.name),
            )
        network = cast("Network", result.network)
        network.reference = (
            distance.fit(plan, network, member.train, member.unseen, fabric.device)
            if plan.block.train.distance
            else None  # not that of the network it started from
        )
        results.append(result)
        if plan.block.train.folds:
            unseen.append(([result.network], member.unseen))
    networks = [cast("Network", result.network) for result in results]
    if not unseen:
        unseen = [(networks, member.unseen)]
    if fabric.is_global_zero:
        _collect(state, out, [member.name for member in members])
        resume_request.done(plan.key)
    return TrainedNetworks(networks, results, *calibration.fit(plan, unseen, fabric))


def start_of(plan: TrainingPlan, use: str, seed: int = 0) -> Network | None:
    """The other model's network, where this experiment has one for ``use``; with an output layer that fits.

    Args:
        plan: the plan.
        use: ``weights`` or ``teacher``.
        seed: of a new output layer.
    """
    if plan.start is None or plan.use != use:
        return None
    from scantune.preprocess.agreement import check_model
    from scantune.registry.model import load_networks, read_facts

    facts = read_facts(plan.start)
    if facts.members > 1:
        verb = "starts from" if use == "weights" else "learns from"
        log.warning("derived.%s: %s the first of the %d networks of %r", plan.key, verb, facts.members, facts.name)
    network = load_networks(plan.start, facts)[0]
    refuse_others(plan, network, facts.name)
    if use == "teacher":
        check_model(facts.name, facts.input, plan.sides.cache)
        _refuse_other_answers(plan, facts)
        return network
    if facts.task["name"] != plan.task.name:
        raise ScantuneError(f"derived.{plan.key}.from: that model is for {facts.task['name']}, not {plan.task.name}")
    _fit_output(network, facts, plan, seed)
    if network.fusion is None:
        add_covariates(plan, network, plan.sides.side("train"), seed)
    network.requires_grad_(True)
    return network


def _check_sides(plan: TrainingPlan, members: Sequence[NetworkPlan]) -> None:
    """Check the training side of each fold, named by it; those of other seeds are one."""
    folds = plan.block.train.folds
    for member in members if folds else members[:1]:
        key = f"{plan.key}, {member.name.replace('_', ' ')}" if folds else plan.key
        check_side(key, plan.block, plan.input.modality, plan.task, member.train)


def _refuse_other_answers(plan: TrainingPlan, facts: ModelFacts) -> None:
    """Refuse a teacher whose outputs, one by one, do not mean what those of its student mean.

    Raises:
        ScantuneError: with the answers of both.
    """
    from scantune.tasks.build import build_task
    from scantune.tasks.catalogue import settings_of

    settings = settings_of(facts.task)
    task = build_task(settings, classes=facts.classes, loss=facts.loss)
    told = [_answers(task, settings), _answers(plan.task, plan.block.task)]
    if told[0] != told[1]:
        raise ScantuneError(
            f"derived.{plan.key}.from: the answers of {facts.name!r} are those of {told[0]}, and here those of "
            f"{told[1]}: a student learns output by output, so that both must have the same in the same order"
        )


def _answers(task: Task, settings: TaskSettings) -> str:
    """What a task answers, in words; with its target where the classes are numbers, or there are none."""
    told = ", ".join(task.labels) or "one output"
    named = f"{task.name} ({told})"
    return named if _telling(task) else f"{task.name} ({told} of {', '.join(settings.target_names())})"


def _telling(task: Task) -> bool:
    """Whether the names of the outputs say what they answer, as 0 and 1 do not."""
    return any(isinstance(value(label), str) for label in task.labels)


def _fit_output(network: Network, facts: ModelFacts, plan: TrainingPlan, seed: int) -> None:
    """Replace the output layer if the outputs differ from those of the initial model, or are numbers (classes too) of
    another target; rescale it if the output is one number in another range.

    Raises:
        ScantuneError: the outputs have other axes.
    """
    from scantune.engine.randomness import generator
    from scantune.models import surgery
    from scantune.tasks.build import build_task
    from scantune.tasks.catalogue import settings_of

    settings = settings_of(facts.task)
    old, new = build_task(settings, classes=facts.classes, loss=facts.loss), plan.task
    if len(old.output_shape) != len(new.output_shape):
        raise ScantuneError(
            f"derived.{plan.key}.from: the output of {facts.name}, trained with the loss {facts.loss!r}, has the "
            f"shape {old.output_shape}, and that of {plan.spec['name']!r} {new.output_shape}: use its loss"
        )
    before, now = settings.output_range, plan.block.task.output_range
    of = getattr(new, "standard_units", None)
    numbers = (of is not None and not (before and now)) or bool(new.labels and not _telling(new))
    other = numbers and settings.target_names() != plan.block.task.target_names()
    if other or (old.output_shape, old.labels) != (new.output_shape, new.labels):
        log.info("derived.%s: the output layer is new: %r answers %s", plan.key, facts.name, _answers(old, settings))
        shape = new.output_shape if len(new.output_shape) > 1 else None
        units = None if of is None else of(encode(plan.sides.side("train"), new))
        drawn = generator(seed, "output layer")
        surgery.replace_output(network, new.outputs, shape=shape, units=units, generator=drawn)
    if before and now and before != now:
        surgery.rescale_output(network, before, now)


def _collect(state: Path, out: Path, names: list[str]) -> None:
    """Copy history and checkpoints of all members from the state folder to the stage's outputs."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(out / "checkpoints", ignore_errors=True)
    homes = {name: state / (name or "member") / "out" for name in names}
    histories: dict[str, Any] = {}
    for name, home in homes.items():
        half = shutil.ignore_patterns(f".*{STAGED}")  # of a process that was killed while it wrote
        shutil.copytree(home / "checkpoints", out / "checkpoints" / name, dirs_exist_ok=True, ignore=half)
        if (home / "checkpoints.json").exists():
            shutil.copy2(home / "checkpoints.json", out / "checkpoints" / name / "checkpoints.json")
        histories[name] = json.loads((home / "history.json").read_text())
    history = histories[""] if list(histories) == [""] else {"members": histories}
    write_json(out / "history.json", history)
    for file in ("history.csv", "steps.csv"):
        _join(homes, file, out / file)


def _join(homes: Mapping[str, Path], file: str, target: Path) -> None:
    """Concatenate the members' tables, with a column ``member`` if there are several."""
    rows: list[dict[str, Any]] = []
    for name, home in homes.items():
        with (home / file).open(newline="") as table:
            rows += [{**({"member": name} if name else {}), **row} for row in csv.DictReader(table)]
    write_rows(target, rows)
