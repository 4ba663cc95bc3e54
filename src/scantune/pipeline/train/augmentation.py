"""The ``augment:`` block as random changes of a sample and of a batch."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scantune.pipeline.data.sides import spacing_of
from scantune.preprocess import store
from scantune.preprocess.settings import patch_shape
from scantune.tasks.per_sample import PerSample

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from scantune.augment import Augment, Mixed
    from scantune.config.input import InputConfig
    from scantune.engine.parts import Mixing
    from scantune.pipeline.data.sides import Side
    from scantune.tasks.protocol import Task

#: Files whose proportions are looked at, at most about as many.
_ENOUGH = 200


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


def steps(prepared: InputConfig, side: Side) -> tuple[float, ...] | None:
    """Size of a pixel or voxel of the prepared samples along [D,] H, W, by which they are turned.

    Args:
        prepared: the input.
        side: the training side.

    Returns:
        Of volumes mm, that of the input, else the median of the side; of pictures and frames that are stretched, or
        keep their pixels, the median of what a pixel is of the file's; None for others, and where it is unknown.
    """
    if prepared.modality == "volume":
        if prepared.spacing is not None:
            return tuple(prepared.spacing[::-1])
        stated = [spacing for one in side if (spacing := spacing_of(one.row)) is not None]
    elif prepared.resize == "stretch" or prepared.shape is None:  # else pixels are made square
        stated = [_stretched(path) for path in side.paths[:: len(side) // _ENOUGH + 1]]
    else:
        return None
    return tuple(float(step) for step in np.median(stated, axis=0)) if stated else None


def _stretched(path: Path) -> tuple[float, float]:
    facts = store.facts(path)
    (rows, columns), (high, wide) = facts["reading"]["own_size"], facts["reading"].get("pixel_sides", (1.0, 1.0))
    height, width = facts["shape"][-2:]
    return rows * high / height, columns * wide / width


def augmentation(block: Mapping[str, Any], prepared: InputConfig, spacing: Sequence[float] | None = None) -> Changes:
    """The changes of an ``augment:`` block; none where it is empty.

    Args:
        block: as written; settings of the input's modality.
        prepared: the input.
        spacing: of the cached grid along [D,] H, W, see :func:`steps`; None for isotropic pixels.
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
