"""Patch, batch and pooling of a segmentation, planned from the files and the memory as nnU-Net plans them.

Isensee et al. 2021 (doi:10.1038/s41592-020-01008-z), methods and supplement 4: the median spacing and shape, a patch as
large as memory allows in the proportions of the median shape, pooling of an axis until it has four voxels left, and no
pooling or convolution across thick slices before the plane is as coarse as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

#: An axis whose spacing is this many times that of the finest counts as thick: its finer tenth sets the spacing.
THICK = 3.0
#: Pixels left along an axis after all pooling, at least.
LEFT = 4
_STAGES = {2: 7, 3: 6}
#: Voxels of a batch of patches, by what computes: memory of features and time of a step are in proportion to them.
_VALUES = {"cpu": {2: 2**18, 3: 2**19}, "gpu": {2: 2**21, 3: 2**22}}
_CHANNELS = {"cpu": {2: 16, 3: 16}, "gpu": {2: 32, 3: 32}}
_WIDEST = {"cpu": 128, "gpu": 320}
_BATCHES = (2, 16)


@dataclass(frozen=True)
class PatchPlan:
    """What is planned.

    Attributes:
        spacing: mm along R, A, S; None for images.
        patch: along R, A, S, or height and width.
        model: options of ``plain_unet``; strides and kernels along [D,] H, W.
        shape: the median shape at that spacing, along the same axes as ``patch``.
    """

    spacing: tuple[float, ...] | None
    patch: tuple[int, ...]
    model: dict[str, Any]
    shape: tuple[int, ...]


def plan(shapes: np.ndarray, spacings: np.ndarray, *, gpu: bool) -> PatchPlan:
    """A plan for files.

    Args:
        shapes: [N, axes] sizes, along R, A, S or height and width.
        spacings: [N, 3] mm of volumes along R, A, S; [0, 3] of images.
        gpu: there is one; else patches and channels are those of a processor.
    """
    device, axes = "gpu" if gpu else "cpu", shapes.shape[1]
    spacing = target_spacing(spacings) if len(spacings) else np.ones(axes)
    sizes = shapes * spacings / spacing if len(spacings) else shapes
    median = np.maximum(1, np.rint(np.median(sizes, axis=0))).astype(int)
    most = _VALUES[device][axes]
    patch, strides, kernels = _patch(spacing, median, most // _BATCHES[0])
    channels = [min(_CHANNELS[device][axes] * 2**n, _WIDEST[device]) for n in range(len(strides))]
    order = slice(None, None, -1) if axes == 3 else slice(None)  # R, A, S -> D, H, W
    model = {
        "channels": channels,
        "strides": [list(step[order]) for step in strides],
        "kernels": [list(edges[order]) for edges in kernels],
        "deep_supervision": True,
    }
    rounded = tuple(round(float(v), 3) for v in spacing) if len(spacings) else None
    return PatchPlan(rounded, tuple(int(n) for n in patch), model, tuple(int(n) for n in median))


def batch_of(patch: Sequence[int], *, gpu: bool) -> int:
    """Patches of a batch, for what computes."""
    most = _VALUES["gpu" if gpu else "cpu"][len(patch)]
    return int(np.clip(most // int(np.prod(patch)), *_BATCHES))


def target_spacing(spacings: np.ndarray) -> np.ndarray:
    """Median of each axis, [3]; of one that is thick in the median file its finest tenth, no finer than the plane."""
    spacing = np.median(spacings, axis=0)
    thick = int(np.argmax(spacing))
    others = np.delete(spacing, thick)
    if spacing[thick] > THICK * others.max():
        spacing[thick] = max(float(np.percentile(spacings[:, thick], 10)), float(others.max()))
    return spacing


def topology(
    spacing: Sequence[float] | np.ndarray, size: Sequence[int] | np.ndarray, stages: int
) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    """Strides and kernels of each stage, for a patch.

    An axis is pooled while it keeps :data:`LEFT` pixels and its spacing is below twice the finest of those that can be
    pooled; it is convolved across from the first stage on in which its spacing is below twice the finest.
    """
    step, edges = np.array(spacing, float), np.array(size, float)
    kernel = np.where(step / step.min() < 2, 3, 1)
    strides, kernels = [(1,) * len(step)], [tuple(int(n) for n in kernel)]
    while len(strides) < stages:
        able = edges >= 2 * LEFT
        if not able.any():
            break
        pooled = able & (step / step[able].min() < 2)
        step, edges = np.where(pooled, step * 2, step), np.where(pooled, np.ceil(edges / 2), edges)
        kernel = np.where(step / step.min() < 2, 3, kernel)
        strides.append(tuple(int(n) for n in np.where(pooled, 2, 1)))
        kernels.append(tuple(int(n) for n in kernel))
    return strides, kernels


def _patch(
    spacing: np.ndarray, median: np.ndarray, most: int
) -> tuple[np.ndarray, list[tuple[int, ...]], list[tuple[int, ...]]]:
    """The largest patch of at most so many values, its edges multiples of their pooling; its strides and kernels."""
    axes = len(median)
    edge = 256 if axes == 3 else 512
    cube = edge * (1 / spacing) / np.prod(1 / spacing) ** (1 / axes)  # of equal length in mm
    patch = np.minimum(np.maximum(np.rint(cube), 2 * LEFT), np.maximum(median, 2 * LEFT)).astype(int)
    while True:
        strides, kernels = topology(spacing, patch, _STAGES[axes])
        divisor = np.prod(strides, axis=0)
        rounded = (np.ceil(patch / divisor) * divisor).astype(int)
        if np.prod(rounded) <= most or (patch <= 2 * LEFT).all():
            return rounded, strides, kernels
        longest = int(np.argmax(np.where(patch > 2 * LEFT, patch / median, 0)))
        patch[longest] = max(2 * LEFT, min(patch[longest] - 1, int(np.floor(patch[longest] * 0.95))))
