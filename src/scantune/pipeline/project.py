"""Look-up of blocks of params.yaml by name, without heavy imports."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scantune.records import ScantuneError
from scantune.spelling import did_you_mean

if TYPE_CHECKING:
    from scantune.config.params import ExperimentConfig, ExternalConfig, ExternalEnsembleConfig, Params


def block_of(params: Params, key: str) -> ExperimentConfig:
    """The block of an experiment or derived experiment.

    Raises:
        ScantuneError: there is none.
    """
    for group in (params.experiments, params.derived):
        if key in group:
            return group[key]
    raise unknown_name(key, "experiments or derived", [*params.experiments, *params.derived])


def evaluated_block(params: Params, key: str) -> ExperimentConfig:
    """The block of what is evaluated and registered: an experiment, or an ensemble as one.

    An ensemble has what its members share, the first member's batch size and device, and an evaluation and registration
    of its own.

    Raises:
        ScantuneError: there is none.
    """
    ensemble = params.ensembles.get(key)
    if ensemble is None:
        return block_of(params, key)
    first = block_of(params, ensemble.members[0])
    text = ensemble.description or f"The mean of {', '.join(ensemble.members)}."
    own = {"description": text, "evaluate": ensemble.evaluate, "register_": ensemble.register_}
    return first.model_copy(update=own)


def home_of(params: Params, key: str) -> Path:
    """The folder of what an experiment or an ensemble gives."""
    return Path("ensembles" if key in params.ensembles else "outputs") / key


def group_of(params: Params, key: str) -> str:
    """The group of ``params.yaml`` that an experiment or ensemble is in."""
    return next(group for group in ("experiments", "derived", "ensembles") if key in getattr(params, group))


def trained_by(params: Params, key: str) -> str:
    """The DVC stage that makes the model of an experiment or ensemble."""
    return {"experiments": "train", "derived": "train-derived", "ensembles": "ensemble"}[group_of(params, key)]


def named(params: Params, group: str, name: str) -> Any:
    """The block of a name in a group.

    Raises:
        ScantuneError: not found; with the known names.
    """
    blocks = getattr(params, group)
    if name not in blocks:
        raise unknown_name(name, group, blocks)
    return blocks[name]


def external_block(params: Params, name: str) -> ExternalConfig | ExternalEnsembleConfig:
    """The block of a name in ``external`` or ``external_ensembles``.

    Raises:
        ScantuneError: not found; with the known names.
    """
    if name not in params.externals:
        raise unknown_name(name, "external or external_ensembles", params.externals)
    return params.externals[name]


def unknown_name(name: str, groups: str, known: Collection[str]) -> ScantuneError:
    """That a name is not in some groups of ``params.yaml``, with the nearest one and all that there are."""
    hint = did_you_mean(name, known, ".")
    return ScantuneError(f"{name!r} is not in {groups} of params.yaml{hint} There are: {', '.join(known) or 'none'}")
