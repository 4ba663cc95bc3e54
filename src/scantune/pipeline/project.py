"""Blocks of params.yaml by name; nothing heavy is imported for that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.config.params import ExperimentConfig, Params


def block_of(params: Params, key: str) -> ExperimentConfig:
    """The block of an experiment or derived experiment.

    Raises:
        ScantuneError: there is none.
    """
    for group in (params.experiments, params.derived):
        if key in group:
            return group[key]
    raise ScantuneError(f"{key!r} is neither in experiments nor in derived of params.yaml")


def named(params: Params, group: str, name: str) -> Any:
    """The block of a name in a group.

    Raises:
        ScantuneError: there is none, with those there are.
    """
    blocks = getattr(params, group)
    if name not in blocks:
        raise ScantuneError(f"{name!r} is not in {group} of params.yaml. There are: {', '.join(blocks) or 'none'}")
    return blocks[name]
