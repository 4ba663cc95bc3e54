"""Which samples and patches a training draws, from the blocks."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

from scantune.pipeline.train import loss as losses_of
from scantune.preprocess.settings import patch_shape
from scantune.records import ScantuneError

if TYPE_CHECKING:
    from scantune.augment import Augment
    from scantune.engine import Partners
    from scantune.engine.patches import Patches
    from scantune.pipeline.train.training import TrainingPlan


def patches_of(plan: TrainingPlan, change: Augment | None) -> Patches | None:
    """How patches are drawn; None where the input has none."""
    from scantune.config.train import PatchesConfig
    from scantune.engine.patches import Patches

    size, block = patch_shape(plan.input), plan.block.train.patches or PatchesConfig()
    if size is None:
        return None
    return Patches(size, block.per_sample, block.foreground, getattr(change, "around", None))


def partners_of(plan: TrainingPlan, encoded: np.ndarray | None) -> Partners | None:
    """Degraded copies of the good samples; None without ``train.partners``."""
    from scantune.augment import spoil
    from scantune.engine import Partners

    block = plan.block.train.partners
    if block is None:
        return None
    if encoded is None:
        raise ScantuneError("train.partners requires a task with one target per sample; masks have none")
    good = losses_of.good_samples(plan.task, encoded, block.good_above)
    dims = 3 if plan.input.modality == "volume" else 2
    spoiled = functools.partial(spoil, noise=block.noise, blur=block.blur, contrast=block.contrast, dims=dims)
    return Partners(spoiled, good)


def balance_of(plan: TrainingPlan, encoded: np.ndarray | None) -> np.ndarray | None:
    """Strata of the balanced sampler: the class, the score's range, or the mean grade."""
    if plan.block.train.sampler != "balanced":
        return None
    if encoded is None:
        raise ScantuneError("train.sampler: balanced requires one target per sample; masks have none")
    return plan.task.strata(encoded)
