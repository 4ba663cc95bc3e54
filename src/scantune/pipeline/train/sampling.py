"""Which samples and patches a training draws, from the blocks."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from scantune.digests import text_digest
from scantune.pipeline.data.datasets import encode, levels
from scantune.pipeline.data.sides import Side
from scantune.pipeline.train import loss as losses_of
from scantune.preprocess.settings import patch_shape
from scantune.records import ScantuneError
from scantune.tasks.protocol import Task

if TYPE_CHECKING:
    from scantune.augment import Augment
    from scantune.config.input import InputConfig
    from scantune.config.train import TrainConfig
    from scantune.engine import Partners
    from scantune.engine.patches import Patches

log = logging.getLogger(__name__)


def patches_of(
    input_block: InputConfig, settings: TrainConfig, change: Augment | None, *, overlap: bool = False
) -> Patches | None:
    """How patches are drawn; None where the input has none.

    Args:
        overlap: labels of the masks may overlap.
    """
    from scantune.config.train import PatchesConfig
    from scantune.engine.patches import Patches

    size, block = patch_shape(input_block), settings.patches or PatchesConfig()
    if size is None:
        return None
    return Patches(size, block.per_sample, block.foreground, getattr(change, "around", None), overlap)


def partners_of(settings: TrainConfig, modality: str, encoded: np.ndarray | None) -> Partners | None:
    """Degraded copies of the good samples; None without ``train.partners``.

    Raises:
        ScantuneError: masks, which are not good or bad, or no good sample among the training samples.
    """
    from scantune.augment import spoil
    from scantune.engine import Partners

    block = settings.partners
    if block is None:
        return None
    if encoded is None:
        raise ScantuneError("train.partners requires a task with one target per sample; masks have none")
    good = losses_of.good_samples(encoded, block.good_above)
    if not good.any():
        raise ScantuneError(
            f"train.partners.good_above: no training sample has a target of {block.good_above:g} or more (the highest "
            f"is {encoded.max():g}), so that none gets a degraded copy: lower it, or remove train.partners"
        )
    dims = 3 if modality == "volume" else 2
    spoiled = functools.partial(spoil, noise=block.noise, blur=block.blur, contrast=block.contrast, dims=dims)
    return Partners(spoiled, good)


def scanners_of(settings: TrainConfig, side: Side) -> tuple[str | None, dict[str, int]]:
    """The grouping column that names the scanner, and its levels; (None, {}) without ``train.scanner_consistency``.

    Raises:
        ScantuneError: fewer than two scanners among the training samples.
    """
    if settings.scanner_consistency is None:
        return None, {}
    group = settings.scanner_consistency.group
    known = levels(side, group)
    if len(known) < 2:
        raise ScantuneError(
            f"train.scanner_consistency: compares scanners, and the training samples have "
            f"{', '.join(known) or 'no value'} alone in {group!r}: remove the key, or name another group"
        )
    return group, known


def balance_of(settings: TrainConfig, task: Task, side: Side, encoded: np.ndarray | None) -> np.ndarray | None:
    """Strata of the balanced sampler: the class, the score's range, or the mean grade; with ``sampler_by`` in each
    level of these groups."""
    if settings.sampler != "balanced":
        return None
    if encoded is None:
        raise ScantuneError("train.sampler: balanced requires one target per sample; masks have none")
    return _crossed(task.strata(encoded), _levels(side, settings.sampler_by))


def matched(side: Side, task: Task, by: Sequence[str], seed: int) -> Side:
    """A part of a training set in which the target is independent of some groups: in each level as many samples of
    every class (range of a score), chosen by a seeded digest of their ids.

    Args:
        side: the training set.
        task: encodes the targets.
        by: grouping columns, all together; without any, the side is returned.
        seed: of the choice.

    Raises:
        ScantuneError: no level has samples of every class.
    """
    encoded = encode(side, task) if by else None
    if encoded is None:
        return side
    strata, levels = task.strata(encoded), _levels(side, by)
    classes = np.unique(strata)
    order = sorted(range(len(side)), key=lambda i: text_digest(f"{seed} {side[i].sample_id}"))
    selected: list[int] = []
    for level in np.unique(levels):
        cells = [[i for i in order if levels[i] == level and strata[i] == one] for one in classes]
        fewest = min(map(len, cells))
        selected += [i for cell in cells for i in cell[:fewest]]
    if not selected:
        raise ScantuneError(
            f"train.match: no level of {', '.join(by)} has training samples of every class (or range of the target), "
            "so that nothing is left to train on; use a coarser column, or train.sampler_by"
        )
    log.info("matched by %s: %d of %d training samples", ", ".join(by), len(selected), len(side))
    return side.of([side[i] for i in sorted(selected)])


def _levels(side: Side, by: Sequence[str]) -> np.ndarray:
    """Number of each sample's combination of levels, int64 [N]; 0 without columns."""
    names = ["\n".join(member.groups.get(column, "") for column in by) for member in side]
    return np.unique(np.array(names, dtype=str), return_inverse=True)[1]


def _crossed(strata: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Number of each sample's pair of stratum and level, int64 [N]."""
    return np.unique(np.stack([strata, levels], 1), axis=0, return_inverse=True)[1].reshape(-1)
