"""All networks of an experiment: one, several seeds, or one a fold; and what they say on validation."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scantune.assembly import continuing
from scantune.assembly.cohort import Side
from scantune.assembly.pictures import answers, show_augmented
from scantune.assembly.samples import encode, samples
from scantune.assembly.sinks import sinks_of
from scantune.assembly.training import Plan, train_member
from scantune.files import write_json
from scantune.records import ScantuneError
from scantune.tables import write_rows
from scantune.tracking import Run


@dataclass(frozen=True)
class Trained:
    """What an experiment's training gave.

    Attributes:
        networks: one a member, in their order.
        results: :class:`scantune.engine.FitResult` of each.
        fitted: calibration and conformal quantiles.
        validation: figures of the averaged members on validation (out of fold where there are folds).
    """

    networks: list[Any]
    results: list[Any]
    fitted: dict[str, Any]
    validation: dict[str, float]


@dataclass(frozen=True)
class Member:
    """One network to train."""

    name: str
    seed: int
    train: Side
    validation: Side


def members_of(given: Plan) -> Iterator[Member]:
    """The members of a plan: one a fold, one a seed, or one.

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
            yield Member(f"fold_{fold}", settings.seed, *sides.fold(fold))
        return
    train, validation = sides.side("train"), sides.side("validation")
    for number in range(settings.members):
        name = f"seed_{settings.seed + number}" if settings.members > 1 else ""
        yield Member(name, settings.seed + number, train, validation)


def train_all(given: Plan, *, out: Path, state: Path, run: Run, fabric: Any) -> Trained:
    """Train every member; a member that was done before a kill is taken as it is.

    Args:
        given: the plan.
        out: ``outputs/<experiment>/train``.
        state: the folder that survives a kill.
        run: the MLflow run.
        fabric: as launched; every process calls this.
    """
    results, held_out = [], []
    for number, member in enumerate(members_of(given)):
        folder = state / (member.name or "member")
        sinks = sinks_of(given, member.name, run, state) if fabric.is_global_zero else []
        if fabric.is_global_zero and number == 0:
            show_augmented(given, member.train, run, out, sinks)
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
            pictures=answers(given, member.validation),
            resume_from=continuing.wanted(given.key, member.name),
        )
        results.append(result)
        if given.block.train.folds:
            held_out.append((member.validation, predict_side(given, [result.network], member.validation, fabric)))
    networks = [result.network for result in results]
    if not held_out:
        side = given.sides.side("validation")
        held_out = [(side, predict_side(given, networks, side, fabric))]
    if fabric.is_global_zero:
        _collect(state, out, [member.name for member in members_of(given)])
        continuing.done(given.key)
    return Trained(networks, results, *_fitted(given, held_out))


def predict_side(given: Plan, networks: Sequence[Any], side: Side, fabric: Any = None) -> np.ndarray:
    """What the averaged networks keep of a side's samples, [N, …]."""
    from scantune.engine import predict
    from scantune.models.members import averaged

    settings = given.block.train
    network = averaged(networks, given.task.name)
    held = predict(
        network,
        given.task,
        samples(side, given.task, seed=settings.seed),
        batch_size=settings.batch_size,
        fabric=fabric,
        precision=settings.precision,
    )
    return held.reduced


def _fitted(given: Plan, held_out: list[tuple[Side, np.ndarray]]) -> tuple[dict[str, Any], dict[str, float]]:
    task = given.task
    reduced = np.concatenate([part for _, part in held_out])
    encoded = [encode(side, task) for side, _ in held_out]
    targets = np.concatenate([part for part in encoded if part is not None]) if encoded[0] is not None else reduced
    subjects = [subject for side, _ in held_out for subject in side.subjects]
    figures = {name: value for name, value in task.summarise(reduced, targets).items() if value == value}
    return task.fit(reduced, targets, subjects), figures


def start_of(given: Plan, use: str, seed: int = 0) -> Any:
    """The other model's network, where this experiment has one for ``use``; with an output layer that fits.

    Args:
        given: the plan.
        use: ``weights`` or ``teacher``.
        seed: of an output layer that is new.
    """
    if given.start is None or given.use != use:
        return None
    from scantune.engine.randomness import generator
    from scantune.models import surgery
    from scantune.preprocess.agreement import check_model
    from scantune.registry.model import load_networks, read_facts

    facts = read_facts(given.start)
    network = load_networks(given.start, facts)[0]
    if use == "teacher":
        check_model(facts.name, facts.input, given.sides.cache)
        return network
    if facts.task["name"] != given.task.name:
        raise ScantuneError(f"derived.{given.key}.from: that model is for {facts.task['name']}, not {given.task.name}")
    _, layer = surgery.output_layer(network)
    now = layer.weight.shape[0]
    zones = tuple(facts.task.get("zones") or ()) != tuple(getattr(given.task, "zones", ()))
    if now != given.task.outputs or (facts.classes or ()) != (given.classes or ()) or zones:
        shape = (len(given.task.zones), len(given.task.classes)) if given.task.name == "zones" else None  # type: ignore[attr-defined]
        surgery.replace_output(network, given.task.outputs, shape=shape, generator=generator(seed, "output layer"))
    old, new = facts.task.get("range"), getattr(given.block.task, "range", None)
    if given.task.name == "regression" and old and new and tuple(old) != tuple(new):
        surgery.rescale_output(network, tuple(old), tuple(new))
    network.requires_grad_(True)
    return network


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
