"""All networks of an experiment: one, several seeds, or one a fold; and what they say on validation."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from scantune.files import write_json
from scantune.pipeline.data.datasets import encode
from scantune.pipeline.data.sides import Side, set_apart
from scantune.pipeline.train import calibration, resume_request
from scantune.pipeline.train.sinks import sinks_of
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


@dataclass(frozen=True)
class TrainedNetworks:
    """What an experiment's training gave.

    Attributes:
        networks: one a member, in their order.
        results: :class:`scantune.engine.FitResult` of each.
        fitted: calibration and conformal quantiles.
        validation: figures of the averaged members on the samples that it was fitted on (out of fold with folds).
    """

    networks: list[Network]
    results: list[FitResult]
    fitted: dict[str, Any]
    validation: dict[str, float]


@dataclass(frozen=True)
class NetworkPlan:
    """One network to train.

    Attributes:
        name: of its folders; "" where there is one.
        seed: of everything random.
        train: what it learns from.
        validation: what its checkpoint is chosen by.
        unseen: what neither weights nor, where possible, checkpoint depend on: its answers to these are calibrated.
    """

    name: str
    seed: int
    train: Side
    validation: Side
    unseen: Side


class Pictures(Protocol):
    """What draws a training for people: :mod:`scantune.pipeline.monitoring.pictures`."""

    def show_augmented(self, given: TrainingPlan, side: Side, run: Run, out: Path, sinks: Sequence[Sink]) -> None:
        """Draw augmented samples of a side before the training begins."""

    def answers(self, given: TrainingPlan, side: Side) -> Callable[[nn.Module], dict[str, np.ndarray]] | None:
        """What draws a finished network's answers to samples of a side; None where none is asked for."""


NESTED = 0.15
"""Share of a fold's training subjects that chooses its checkpoint, where the samples held out are those of the test."""


def members_of(given: TrainingPlan) -> Iterator[NetworkPlan]:
    """The members of a plan: one a fold, one a seed, or one.

    Where folds are the only test, a part of each fold's training subjects is its validation side: the samples held out
    choose nothing.

    Raises:
        ScantuneError: folds that the split does not have.
    """
    settings, sides = given.block.train, given.sides
    if settings.folds:
        if len(sides.folds) != settings.folds:
            raise ScantuneError(
                f"train.folds is {settings.folds} and the split has {len(sides.folds)}: "
                f"set datasets.{given.block.dataset}.split.folds to the same number"
            )
        for fold in sides.folds:
            train, held_out = sides.fold(fold)
            validation = held_out
            if not len(sides.side("test")):
                train, validation = set_apart(train, NESTED, settings.seed)
            yield NetworkPlan(f"fold_{fold}", settings.seed, train, validation, held_out)
        return
    train = sides.side("train")
    validation = unseen = sides.side("validation")
    if settings.calibration_fraction:
        validation, unseen = set_apart(validation, settings.calibration_fraction, settings.seed)
    for number in range(settings.members):
        name = f"seed_{settings.seed + number}" if settings.members > 1 else ""
        yield NetworkPlan(name, settings.seed + number, train, validation, unseen)


def train_all(
    given: TrainingPlan, *, out: Path, state: Path, run: Run, fabric: Fabric, pictures: Pictures | None = None
) -> TrainedNetworks:
    """Train every member; a member that was done before a kill is taken as it is.

    Args:
        given: the plan.
        out: ``outputs/<experiment>/train``.
        state: the folder that survives a kill.
        run: the MLflow run.
        fabric: as launched; every process calls this.
        pictures: what draws for MLflow and the loggers; without it nothing is drawn.
    """
    results, unseen = [], list[calibration.Unseen]()
    for number, member in enumerate(members_of(given)):
        folder = state / (member.name or "member")
        sinks = sinks_of(given, member.name, run, state) if fabric.is_global_zero else []
        if pictures and fabric.is_global_zero and number == 0:
            pictures.show_augmented(given, member.train, run, out, sinks)
        with named_lines(member.name.replace("_", " ")):
            result = train_member(
                given,
                member.train,
                member.validation,
                seed=member.seed,
                out=folder / "out",
                state=folder / "state",
                sinks=sinks,
                start=start_of(given, "weights", member.seed),
                teacher=start_of(given, "teacher"),
                fabric=fabric,
                pictures=pictures.answers(given, member.validation) if pictures else None,
                resume_from=resume_request.wanted(given.key, member.name),
            )
        results.append(result)
        if given.block.train.folds:
            unseen.append(([result.network], member.unseen))
    networks = [cast("Network", result.network) for result in results]
    if not unseen:
        unseen = [(networks, member.unseen)]
    if fabric.is_global_zero:
        _collect(state, out, [member.name for member in members_of(given)])
        resume_request.done(given.key)
    return TrainedNetworks(networks, results, *calibration.fit(given, unseen, fabric))


def start_of(given: TrainingPlan, use: str, seed: int = 0) -> Network | None:
    """The other model's network, where this experiment has one for ``use``; with an output layer that fits.

    Args:
        given: the plan.
        use: ``weights`` or ``teacher``.
        seed: of an output layer that is new.
    """
    if given.start is None or given.use != use:
        return None
    from scantune.preprocess.agreement import check_model
    from scantune.registry.model import load_networks, read_facts

    facts = read_facts(given.start)
    network = load_networks(given.start, facts)[0]
    if use == "teacher":
        check_model(facts.name, facts.input, given.sides.cache)
        return network
    if facts.task["name"] != given.task.name:
        raise ScantuneError(f"derived.{given.key}.from: that model is for {facts.task['name']}, not {given.task.name}")
    _fit_output(network, facts, given, seed)
    network.requires_grad_(True)
    return network


def _fit_output(network: Network, facts: ModelFacts, given: TrainingPlan, seed: int) -> None:
    """A new output layer where the answers are others than those of the model that it starts from; where they are one
    number in another range, the same layer rescaled.

    Raises:
        ScantuneError: the outputs have other axes.
    """
    from scantune.engine.randomness import generator
    from scantune.models import surgery
    from scantune.tasks.build import build_task
    from scantune.tasks.catalogue import settings_of

    settings = settings_of(facts.task)
    old, new = build_task(settings, classes=facts.classes, loss=facts.loss), given.task
    if len(old.output_shape) != len(new.output_shape):
        raise ScantuneError(
            f"derived.{given.key}.from: the output of {facts.name}, trained with the loss {facts.loss!r}, has the "
            f"shape {old.output_shape}, and that of {given.spec['name']!r} {new.output_shape}: use its loss"
        )
    if (old.output_shape, old.labels) != (new.output_shape, new.labels):
        shape = new.output_shape if len(new.output_shape) > 1 else None
        of = getattr(new, "standard_units", None)
        units = None if of is None else of(encode(given.sides.side("train"), new))
        drawn = generator(seed, "output layer")
        surgery.replace_output(network, new.outputs, shape=shape, units=units, generator=drawn)
    before, now = settings.output_range, given.block.task.output_range
    if before and now and before != now:
        surgery.rescale_output(network, before, now)


def _collect(state: Path, out: Path, names: list[str]) -> None:
    """History and checkpoints of all members from the surviving folder to the stage's outputs."""
    out.mkdir(parents=True, exist_ok=True)
    homes = {name: state / (name or "member") / "out" for name in names}
    histories: dict[str, Any] = {}
    for name, held in homes.items():
        shutil.copytree(held / "checkpoints", out / "checkpoints" / name, dirs_exist_ok=True)
        if (held / "checkpoints.json").exists():
            shutil.copy2(held / "checkpoints.json", out / "checkpoints" / name / "checkpoints.json")
        histories[name] = json.loads((held / "history.json").read_text())
    whole = histories[""] if list(histories) == [""] else {"members": histories}
    write_json(out / "history.json", whole)
    for file in ("history.csv", "steps.csv"):
        _join(homes, file, out / file)


def _join(homes: Mapping[str, Path], file: str, target: Path) -> None:
    """The members' tables below each other, with a column that names the member where there are several."""
    rows: list[dict[str, Any]] = []
    for name, held in homes.items():
        with (held / file).open(newline="") as table:
            rows += [{**({"member": name} if name else {}), **row} for row in csv.DictReader(table)]
    write_rows(target, rows)
