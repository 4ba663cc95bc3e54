"""``derived:`` beside the experiments that they start from or learn from: what the other model decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scantune.config.params import DerivedConfig, ExperimentConfig, Params

#: Keys of ``model`` that a network which is taken over has of its own.
OF_THE_NETWORK = ("backbone", "source", "weights_sha256", "options", "normalization", "first_stride", "dropout")


def faults(params: Params) -> Iterator[str]:
    """Every derived experiment that its other model does not fit, or that states what would have no effect."""
    for name, block in params.derived.items():
        other = params.experiments.get(block.from_)
        if other is None:
            continue  # told with the names that there are
        key = f"derived.{name}"
        yield from _inputs(key, block, other, params)
        yield from _covariates(f"{key}.model.covariates", block, other)
        if block.use == "weights":
            yield from _taken_over(key, block, other)


def _inputs(key: str, block: DerivedConfig, other: ExperimentConfig, params: Params) -> Iterator[str]:
    mine, theirs = params.inputs.get(block.input), params.inputs.get(other.input)
    if mine is None or theirs is None:
        return
    for what in ("modality", "channels"):
        one, two = getattr(mine, what, None), getattr(theirs, what, None)
        if one != two:
            yield (
                f"{key}.input: inputs.{block.input} has the {what} {one}, and the model of {block.from_!r} is trained "
                f"on inputs.{other.input} with {two}"
            )
            return


def _covariates(key: str, block: DerivedConfig, other: ExperimentConfig) -> Iterator[str]:
    theirs = other.model.covariates
    if theirs is None:
        return
    here = () if block.model.covariates is None else tuple(block.model.covariates.columns)
    if here != tuple(theirs.columns):
        yield (
            f"{key}: {', '.join(here) or 'none'}, and the model of {block.from_!r} has {', '.join(theirs.columns)}: "
            "state the same covariates"
        )


def _taken_over(key: str, block: DerivedConfig, other: ExperimentConfig) -> Iterator[str]:
    if block.task.name != other.task.name:
        yield f"{key}.from: the model of {block.from_!r} is for {other.task.name}, not for {block.task.name}"
    mine, theirs = block.model.covariates, other.model.covariates
    for name in ("fusion", "dropout") if mine is not None and theirs is not None else ():
        if getattr(mine, name) != getattr(theirs, name):
            yield (
                f"{key}.model.covariates.{name}: {getattr(mine, name)} would have no effect: the network is that of "
                f"{block.from_!r}, with {getattr(theirs, name)}; write the same"
            )
    for name in OF_THE_NETWORK:
        written = {"source": {"weights", "pretrained"}}.get(name, {name}) & block.model.model_fields_set
        mine, theirs = getattr(block.model, name), getattr(other.model, name)
        if written and mine != theirs:
            yield (
                f"{key}.model.{'weights' if name == 'source' else name}: {_shown(mine)} would have no effect: the "
                f"network is that of {block.from_!r}, with {_shown(theirs)}; write the same, or leave it out"
            )


def _shown(value: Any) -> str:
    return "none" if value is None else str(getattr(value, "model_dump", lambda: value)())
