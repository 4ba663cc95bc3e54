"""The groups ``ensembles`` and ``ensemble_members``: what is missing, with the lines to add; what cannot be joined."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from scantune.config.base import NAME
from scantune.config.names import unknown

if TYPE_CHECKING:
    from scantune.config.params import Params

#: Settings of ``train`` in which members must agree, because the ensemble answers with one value of each.
SHARED = ("test_time_augmentation", "calibration", "miscoverage")


def incomplete(content: Any) -> Iterator[str]:
    """A fault for each ensemble that lacks keys or entries of ``ensemble_members``, with the lines that it needs.

    Args:
        content: ``params.yaml`` as plain values, unchecked.
    """
    entries = [dict(entry) for _, entry in _items(content.get("ensemble_members")) if isinstance(entry, Mapping)]
    for name, block in _items(content.get("ensembles")):
        members = block.get("members") if isinstance(block, Mapping) else None
        if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
            continue  # told by the check of the block itself
        if not all(re.fullmatch(NAME, text) for text in (str(name), *members)):
            continue  # so are names
        first = next(
            (member_block for member_block in (_member(content, member) for member in members) if member_block), {}
        )
        known = {"dataset": first.get("dataset", "<dataset>"), "input": first.get("input", "<input>"), "register": "{}"}
        keys = [f"{key}: {value}" for key, value in known.items() if key not in block]
        if keys:
            yield f"ensembles.{name}: an ensemble is a model and needs more keys; add {', '.join(keys)}"
        lines = [
            f"{name}_{member}: {{ensemble: {name}, member: {member}}}"
            for member in members
            if {"ensemble": name, "member": member} not in entries
        ]
        if lines:
            yield (
                f"ensembles.{name}.members: DVC needs an entry for each member. Add to params.yaml: "
                f"ensemble_members: {{{', '.join(lines)}}}"
            )


def _member(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    for group in ("experiments", "derived"):
        for key, block in _items(content.get(group)):
            if key == name and isinstance(block, Mapping):
                return block
    return {}


def _items(block: Any) -> Any:
    return block.items() if isinstance(block, Mapping) else ()


def faults(params: Params) -> Iterator[str]:
    """Every ensemble whose members cannot be one model, and every entry that belongs to none."""
    known = {**params.experiments, **params.derived}
    for name, ensemble in params.ensembles.items():
        where = f"ensembles.{name}"
        if name in known:
            yield f"{where}: the name is also in experiments or derived; rename one, so that it means one model"
        twice = sorted({member for member in ensemble.members if ensemble.members.count(member) > 1})
        if twice:
            yield f"{where}.members: {', '.join(twice)} stands there twice; each member counts once"
        for member in dict.fromkeys(ensemble.members):
            if member in known:
                yield from _unfit(where, ensemble, member, known[member], known[ensemble.members[0]], params)
    members_so_far: set[tuple[str, str]] = set()
    for key, entry in params.ensemble_members.items():
        of = params.ensembles.get(entry.ensemble)
        if of is None:
            names = ", ".join(params.ensembles) or "none"
            yield f"ensemble_members.{key}.ensemble: there is no {entry.ensemble!r} in ensembles. There are: {names}"
        elif entry.member not in of.members:
            yield f"ensemble_members.{key}.member: {entry.member!r} is not in ensembles.{entry.ensemble}.members"
        elif (entry.ensemble, entry.member) in members_so_far:
            yield f"ensemble_members.{key}: {entry.member!r} of {entry.ensemble!r} has an entry already; keep one"
        members_so_far.add((entry.ensemble, entry.member))


def external(params: Params) -> Iterator[str]:
    """Every block of ``external_ensembles`` that names what is not there, or has the name of one in ``external``."""
    for name, joined in params.external_ensembles.items():
        yield from unknown(f"external_ensembles.{name}.ensemble", joined.ensemble, params.ensembles, "ensembles")
        yield from unknown(f"external_ensembles.{name}.dataset", joined.dataset, params.datasets, "datasets")
        yield from unknown(f"external_ensembles.{name}.input", joined.input, params.inputs, "inputs")
        if name in params.external:
            yield f"external_ensembles.{name}: the name is also in external; their outputs would overwrite each other"


def in_own_group(name: str, external: Any) -> str:
    """What to write in place of a block of ``external`` that names an ensemble."""
    keys = f"ensemble: {external.experiment}, dataset: {external.dataset}, input: {external.input}"
    return f"move it to the group external_ensembles: {{{name}: {{{keys}}}}}"


def _unfit(where: str, ensemble: Any, name: str, block: Any, first: Any, params: Params) -> Iterator[str]:
    """Why an experiment cannot be a member."""
    for key in ("dataset", "input"):
        shared, value = getattr(ensemble, key), getattr(block, key)
        if value != shared:
            yield f"{where}.members: {name!r} has the {key} {value!r}, and {where}.{key} is {shared!r}; they must agree"
    lead = ensemble.members[0]
    if block.task != first.task:
        yield f"{where}.members: {name!r} and {lead!r} differ in task; only answers to one question can be averaged"
    elif _outputs(block) != _outputs(first):
        yield (
            f"{where}.members: {name!r} and {lead!r} are trained with losses whose networks answer in different forms "
            f"({_loss(block)}, {_loss(first)}); their outputs cannot be averaged"
        )
    for key in SHARED:
        value, other = getattr(block.train, key), getattr(first.train, key)
        if value != other:
            yield f"{where}.members: train.{key} of {name!r} is {value}, that of {lead!r} {other}; they must agree"
    if (block.train.distance == "abstain") != (first.train.distance == "abstain"):
        yield (
            f"{where}.members: {name!r} and {lead!r} differ in train.distance: abstain, so that the ensemble would "
            "answer images that one of them does not; they must agree"
        )
    if block.train.test_time_augmentation and block.train.augment != first.train.augment:
        yield f"{where}.members: {name!r} and {lead!r} differ in train.augment, and so in their augmented copies"
    if block.train.folds:
        yield (
            f"{where}.members: {name!r} is trained by train.folds; an ensemble is calibrated on samples that none of "
            "its networks has seen, so each member needs one validation side"
        )


def _loss(block: Any) -> str:
    from scantune.config.names import loss_name

    return loss_name(block.task, block.train)


def _outputs(block: Any) -> str:
    return str(block.task.output_form(_loss(block)))
