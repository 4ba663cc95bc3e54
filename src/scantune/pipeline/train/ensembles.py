"""An ensemble: the networks of several trained experiments as one model, with what is fitted to their mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune import plugins
from scantune.files import finite, write_json
from scantune.losses.parts import in_words
from scantune.models.covariates import Covariates
from scantune.pipeline.data.sides import sides_of
from scantune.pipeline.project import evaluated_block
from scantune.pipeline.train import calibration, training
from scantune.pipeline.train.networks import TrainedNetworks
from scantune.pipeline.train.stage import input_settings, log_whole_model, model_facts
from scantune.pipeline.train.training import TrainingPlan
from scantune.records import ScantuneError
from scantune.registry.model import ModelFacts, load_networks, read_facts, save_model, weights_digest
from scantune.tracking import Run

if TYPE_CHECKING:
    from scantune.config.params import Params

#: What the members' models must have in common, so that one preparation and one decoding serve all networks.
_SAME = ("dataset", "task", "input", "classes", "augment_draws", "covariates")


def members_of(params: Params, key: str) -> dict[str, Path]:
    """Member to the copy of its model below the ensemble's folder.

    Raises:
        ScantuneError: a copy is not there, with the command that makes it.
    """
    entries = {e.member: name for name, e in params.ensemble_members.items() if e.ensemble == key}
    folders = {}
    for member in params.ensembles[key].members:
        folder = Path("ensembles") / key / "members" / member
        if not (folder / "model.json").exists():
            raise ScantuneError(f"{folder}: not here yet; run: dvc repro ensemble-member@{entries[member]}")
        folders[member] = folder
    return folders


def plan_of(params: Params, key: str, models: Mapping[str, Path]) -> TrainingPlan:
    """What the ensemble is fitted on, as of an experiment.

    Args:
        params: all settings.
        key: its name in ``ensembles``.
        models: member to the folder of its model.

    Raises:
        ScantuneError: the models differ in what an ensemble's must share, or were trained on other samples.
    """
    block, ensemble = evaluated_block(params, key), params.ensembles[key]
    facts = {member: read_facts(folder) for member, folder in models.items()}
    first = next(iter(facts.values()))
    fit = {"calibration": "temperature", "miscoverage": 0.1} | dict(first.training.get("fit", {}))
    fit["distance"] = all(list(folder.glob("member_*/reference.safetensors")) for folder in models.values())
    if fit["distance"] and all(member_facts.abstain for member_facts in facts.values()):
        fit["distance"] = "abstain"
    block = block.model_copy(update={"train": block.train.model_copy(update={**fit, "calibration_fraction": 0.0})})
    sides = sides_of(params, ensemble.input, ensemble.dataset)
    plan = training.plan(key, block, params.inputs[ensemble.input], sides)
    for member, member_facts in facts.items():
        _refuse_unlike(key, ensemble.members[0], first, member, member_facts)
        _refuse_other_samples(key, member, member_facts, plan)
    return plan


def _refuse_unlike(key: str, lead: str, first: ModelFacts, member: str, facts: ModelFacts) -> None:
    for name in _SAME:
        own, other = _same_part(facts, name), _same_part(first, name)
        if own != other:
            raise ScantuneError(
                f"ensembles.{key}: the models of {member!r} and {lead!r} differ in {name} ({own!r}, {other!r}), so "
                "that they cannot be served as one"
            )
    if facts.folds:
        raise ScantuneError(f"ensembles.{key}: {member!r} was trained by train.folds; see ensembles.{key}.members")


def _same_part(facts: ModelFacts, name: str) -> Any:
    """What :data:`_SAME` names; of covariates without what does not change a prediction."""
    return Covariates.read(facts.covariates) if name == "covariates" else getattr(facts, name)


def _refuse_other_samples(key: str, member: str, facts: ModelFacts, plan: TrainingPlan) -> None:
    for side in ("train", "validation"):
        stated, now = facts.training.get(side, {}).get("digest"), plan.sides.side(side).digest
        if stated not in (None, now):
            raise ScantuneError(
                f"ensembles.{key}: {member!r} was trained with other {side} samples than the split has now; "
                f"run: dvc repro ensemble@{key}, which trains it again first"
            )


def join(plan: TrainingPlan, models: Mapping[str, Path]) -> tuple[ModelFacts, TrainedNetworks]:
    """The networks of all members, and what is fitted to the mean of their outputs on the validation side.

    Args:
        plan: of the ensemble.
        models: member to the folder of its model.

    Raises:
        ScantuneError: the networks' outputs have other shapes.
    """
    facts = {member: read_facts(folder) for member, folder in models.items()}
    each = {member: load_networks(models[member], member_facts) for member, member_facts in facts.items()}
    networks = [network for of_member in each.values() for network in of_member]
    fitted, validation = calibration.fit(plan, [(networks, plan.sides.side("validation"))])
    trained = TrainedNetworks(networks, [], fitted, validation)
    joined = model_facts(plan, trained)
    first = next(iter(facts.values()))
    members = {member: {"model": weights_digest(models[member]), "networks": len(each[member])} for member in models}
    return (
        replace(
            joined,
            augment=first.augment,
            loss=first.loss,
            weights={name: _all_of(facts, name) for name in ("source", "licence")},
            training=joined.training | {"members": members},
        ),
        trained,
    )


def _all_of(facts: Mapping[str, ModelFacts], name: str) -> str:
    """What the members' models say of their starting weights, each text once."""
    texts = [str(member_facts.weights.get(name)) for member_facts in facts.values() if member_facts.weights.get(name)]
    return "; ".join(dict.fromkeys(texts))


def finish(run: Run, plan: TrainingPlan, models: Mapping[str, Path], out: Path) -> str | None:
    """Write the whole model and log it; the logged model's id.

    Args:
        run: of the stage ``ensemble``.
        plan: of the ensemble.
        models: member to the folder of its model.
        out: ``ensembles/<name>/train``.
    """
    facts, trained = join(plan, models)
    needed = any(read_facts(folder).plugins.get("needed") for folder in models.values())
    facts = replace(facts, plugins=plugins.carry(out / "model", needed=needed))
    save_model(out / "model", facts, trained.networks)
    write_json(out / "summary.json", finite({"members": [], "validation": trained.validation}), sort_keys=True)
    return log_joined(run, plan, facts, list(models), out)


def log_joined(run: Run, plan: TrainingPlan, facts: ModelFacts, members: Sequence[str], out: Path) -> str | None:
    """Log a finished ensemble from its folder: its members, metrics on validation, the whole model; its id.

    Args:
        run: of the stage ``ensemble``.
        plan: of the ensemble.
        facts: of its model.
        members: the experiments, in the order of ``params.yaml``.
        out: ``ensembles/<name>/train``.
    """
    block = plan.block
    run.params({"members": ",".join(members), "dataset": block.dataset, **input_settings(plan)})
    run.metrics({f"validation_{name}": value for name, value in facts.training["metrics"].items()})
    run.artifact(out / "summary.json")
    params: dict[str, Any] = {
        "backbone": f"mean of {', '.join(members)}",
        "weights": facts.weights["source"],
        "loss": in_words(facts.loss),
        "input": block.input,
        "members": facts.members,
    }
    return log_whole_model(run, plan, facts, params, out)
