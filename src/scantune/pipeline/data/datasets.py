"""A side of a cohort as the data set that the engine accepts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np

from scantune.amounts import number_of
from scantune.engine.data import Augment, CachedSamples, Partners
from scantune.engine.patches import Patches, PatchSamples
from scantune.models.covariates import Covariates
from scantune.pipeline.data.sides import Side
from scantune.records import ScantuneError
from scantune.tasks.protocol import Task


def encode(side: Side, task: Task) -> np.ndarray | None:
    """Encoded targets of a side (:meth:`Task.encode`), [N, …]; None if the target is the mask.

    Raises:
        ScantuneError: targets that are not valid for the task, with the sample ids.
    """
    encoded: list[np.ndarray | None] = []
    faults = []
    for member in side:
        try:
            encoded.append(task.encode(member.targets))
        except ScantuneError as error:
            faults.append(f"sample {member.sample_id}: {error}")
    if faults:
        lines = "\n  ".join(faults[:20])
        raise ScantuneError(
            f"{number_of(len(faults), 'sample has', 'samples have')} a target that is not valid for the task:\n"
            f"  {lines}"
        )
    if not encoded:
        return np.zeros((0, 1), np.float32)
    arrays = [array for array in encoded if array is not None]
    return np.stack(arrays) if arrays else None


def codes(side: Side, column: str | None, known: Mapping[str, int]) -> np.ndarray:
    """Number of each sample's level of a grouping column, int64 [N]; −1 where empty or unknown."""
    if column is None:
        return np.full(len(side), -1, np.int64)
    return np.array([known.get(member.groups.get(column, ""), -1) for member in side], np.int64)


def levels(side: Side, column: str | None) -> dict[str, int]:
    """Level of a grouping column to its number, in alphabetical order."""
    if column is None:
        return {}
    names = sorted({member.groups.get(column, "") for member in side} - {""})
    return {level: number for number, level in enumerate(names)}


def rows_of(side: Side, covariates: Covariates) -> np.ndarray:
    """Covariates of a side, float32 [N, Q].

    Raises:
        ScantuneError: a column is absent or no number, with the sample ids.
    """
    return covariates.rows([member.sample_id for member in side], [member.groups for member in side])


def frequencies(targets: np.ndarray | None) -> dict[float, float] | None:
    """Count of each target value in the training side (zones: each grade over all zones)."""
    if targets is None:
        return None
    counted = Counter(float(value) for value in np.ravel(targets))
    return dict(sorted(counted.items()))


def samples(
    side: Side,
    task: Task,
    *,
    targets: np.ndarray | None = None,
    group: str | None = None,
    known: Mapping[str, int] | None = None,
    augment: Augment | None = None,
    partners: Partners | None = None,
    covariates: Covariates | None = None,
    seed: int = 0,
    inside: bool = True,
) -> CachedSamples:
    """The data set of a side.

    Args:
        side: which samples.
        task: encodes and mirrors their targets.
        targets: encoded targets; None encodes them here.
        group: the grouping column that ``batch["group"]`` numbers.
        known: its levels, from :func:`levels` of the training side.
        augment: random changes; None for none.
        partners: degraded copies; None for none.
        covariates: columns of the network beside the image; None for none.
        seed: of the random draws.
        inside: of masks, pixels outside the region that metrics are limited to do not count.
    """
    return CachedSamples(
        side.paths,
        encode(side, task) if targets is None else targets,
        codes(side, group, known or {}),
        ids=[member.sample_id for member in side],
        masks=side.mask_paths,
        inside=inside,
        augment=augment,
        flip=task.flip,
        partners=partners,
        covariates=None if covariates is None else rows_of(side, covariates),
        seed=seed,
    )


def training_samples(
    side: Side,
    task: Task,
    *,
    patches: Patches | None,
    targets: np.ndarray | None = None,
    group: str | None = None,
    known: Mapping[str, int] | None = None,
    augment: Augment | None = None,
    partners: Partners | None = None,
    covariates: Covariates | None = None,
    seed: int = 0,
) -> CachedSamples | PatchSamples:
    """The data set of a training side: patches where they are drawn, else as :func:`samples`, arguments as there; what
    lies outside the region that metrics are limited to is trained on too.

    Args:
        patches: how they are drawn; None for whole samples.
    """
    if patches is None:
        options = {"targets": targets, "group": group, "known": known, "augment": augment, "partners": partners}
        return samples(side, task, seed=seed, covariates=covariates, inside=False, **options)  # type: ignore[arg-type]
    return PatchSamples(
        side.paths,
        patches,
        codes(side, group, known or {}),
        ids=[member.sample_id for member in side],
        masks=side.mask_paths,
        augment=augment,
        seed=seed,
    )
