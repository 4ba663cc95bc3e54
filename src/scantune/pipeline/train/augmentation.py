"""The ``augment:`` block as random changes of a sample and of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scantune.preprocess.settings import patch_shape
from scantune.tasks.per_sample import PerSample

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from scantune.augment import Augment, Mixed
    from scantune.config.input import InputConfig
    from scantune.engine.parts import Mixing
    from scantune.tasks.protocol import Task


@dataclass(frozen=True)
class Changes:
    """Random changes: of one sample, and of a batch."""

    sample: Augment | None
    batch: Mixing | None


def stays(task: Task) -> bool:
    """Whether an answer that has a side is that of the sample itself where the sample is mirrored."""
    return getattr(type(task), "flip", None) is PerSample.flip or bool(getattr(task, "unpaired", ()))


def settled(block: Mapping[str, Any], task: Task) -> Mapping[str, Any]:
    """An ``augment:`` block whose ``default`` does not mirror where left and right are different answers, which the
    task would not exchange (``kidney-left``); what is written out stays."""
    if block.get("default") and task.sided and stays(task):
        return {"flip_left_right": 0.0, **block}
    return block


def augmentation(block: Mapping[str, Any], prepared: InputConfig, spacing: Sequence[float] | None = None) -> Changes:
    """The changes of an ``augment:`` block; none where it is empty.

    Args:
        block: as written; settings of the input's modality.
        prepared: the input.
        spacing: of the cached grid along [D,] H, W; None for isotropic pixels.
    """
    from scantune import augment
    from scantune.config.augment import augment_config

    if not block:
        return Changes(None, None)
    config = augment_config(prepared.modality, block)
    sample = augment.build(prepared.modality, config, spacing=spacing, crop=patch_shape(prepared))
    if not config.enabled:
        return Changes(sample, None)
    dims = 3 if prepared.modality == "volume" else 2
    for name, mix in (("mixup", augment.mixup), ("cutmix", augment.cutmix)):
        chosen = getattr(config, name, None)
        if chosen is not None and chosen.enabled:
            options = {"alpha": chosen.alpha} | ({"dims": dims} if name == "cutmix" else {})
            return Changes(sample, functools.partial(_sometimes, mix, chosen.prob, options))
    return Changes(sample, None)


def _sometimes(
    mix: Callable[..., Mixed],
    prob: float,
    options: Mapping[str, Any],
    inputs: Tensor,
    targets: Tensor,
    generator: Generator,
) -> Mixed:
    import torch

    from scantune.augment import Mixed

    if float(torch.rand((), generator=generator)) >= prob:
        return Mixed(inputs, targets, targets, 1.0)
    return mix(inputs, targets, generator, **options)
