"""Covariates of a training: kinds and levels from its training set, and their place in the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scantune.models.covariates import Covariates
from scantune.pipeline.data.datasets import rows_of
from scantune.pipeline.data.sides import Side, Sides
from scantune.records import ScantuneError
from scantune.tasks.baselining import determining

if TYPE_CHECKING:
    from scantune.config.params import ExperimentConfig
    from scantune.models.network import Network


def covariates_of(key: str, block: ExperimentConfig, sides: Sides) -> Covariates | None:
    """The covariates of an experiment from its training set (with folds, of all folds); None without any.

    Raises:
        ScantuneError: a column from which nothing can be learned, or that is or determines a target.
    """
    settings = block.model.covariates
    if settings is None:
        return None
    members = [m for m in sides.members if (m.fold is not None if block.train.folds else m.split == "train")]
    rows = [member.groups for member in members]
    absent = [name for name in settings.columns if rows and name not in rows[0]]
    if absent:
        raise ScantuneError(
            f"{key}.model.covariates: {absent[0]!r} is not in {sides.cache / 'manifest.csv'}; run: dvc repro "
            f"preprocess@{sides.cache.name}"
        )
    columns = {name: [row[name] for row in rows] for name in settings.columns}
    targets = {name: [m.targets.get(name, "") for m in members] for name in block.task.target_names()}
    for name, why in determining(columns, targets).items():
        raise ScantuneError(f"{key}.model.covariates: {name!r} {why}, so it is no covariate; remove it")
    try:
        return Covariates.fit(rows, settings.columns)
    except ScantuneError as error:
        raise ScantuneError(f"{key}.{error}") from error


def add_covariates(plan: Any, network: Network, side: Side, seed: int) -> None:
    """Add the covariates of a plan to a network without them.

    Args:
        plan: :class:`scantune.pipeline.train.training.TrainingPlan`.
        network: changed in place.
        side: the training set of this network.
        seed: of random weights.
    """
    if plan.covariates is None:
        return
    from scantune.models.fusion import attach

    settings, rows = plan.block.model.covariates, rows_of(side, plan.covariates)
    attach(network, plan.covariates, rows, kind=settings.fusion, dropout=settings.dropout, seed=seed)


def refuse_others(plan: Any, network: Network, name: str) -> None:
    """Refuse another model whose covariates this experiment does not have in the same way.

    Raises:
        ScantuneError: with both.
    """
    known = None if network.fusion is None else network.fusion.covariates
    if known is None or known == plan.covariates:
        return
    here = "none" if plan.covariates is None else ", ".join(c.describe() for c in plan.covariates.columns)
    theirs = ", ".join(c.describe() for c in known.columns)
    raise ScantuneError(
        f"derived.{plan.key}.model.covariates: {here}; the model of {name!r} has {theirs}: state the same covariates, "
        "of the same training set"
    )
